"""Objects by anchors and a background, as SSD learns them (Liu et al., arXiv 1512.02325): targets and GluonCV's loss.

In go collated targets, as `assignment.py` beside this has them, and outputs (N, points, 2 x (classes + 5)) of a network
with its own head (`runtime/models/own/ssd.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runtime.models.own.anchors import SSD_UNITS, ssd_cells

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.plan.size import Size

_ALIKE = 0.5
"""The overlap of an anchor and an object from which on the anchor learns it."""
_SAME = 1e-7


@lru_cache(4)
def _anchors(size: Size) -> NDArray[np.float64]:
    """Return the anchors of an image, (points, 4): middle (x, y), width and height, in pixels."""
    import numpy as np

    found = []
    for stride, cells, anchors in ssd_cells(size):
        x, y = ((np.arange(count) + 0.5) * stride for count in (cells.width, cells.height))
        middles = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
        sides = np.broadcast_to(np.array(anchors), (len(middles), len(anchors), 2))
        found.append(np.concatenate([np.broadcast_to(middles, sides.shape), sides], axis=2).reshape(-1, 4))
    return np.concatenate(found)


def labels(targets: NDArray[Any], outputs: Sequence[int]) -> NDArray[np.float32]:
    """Return what each anchor learns, (N, points, 5): its class, from 1 on, or 0 for the background, and the change.

    Each object is learned by the anchor that it overlaps most, no two by the same; and each anchor learns the object
    that it overlaps most, where no other does so more, or that is half of both.
    """
    import numpy as np

    from runtime.data.boxes import overlaps
    from runtime.tasks.detection.assignment import truth_of

    found = np.zeros((len(targets), outputs[1], 5), np.float32)
    for rows, own in zip(targets, found, strict=True):
        truth = truth_of(rows)
        assert truth.frame is not None
        boxes, classes = truth.corners[truth.counts], truth.classes[truth.counts]
        if not len(boxes):
            continue
        anchors = _anchors(truth.frame)
        half = anchors[:, 2:] / 2
        learned = _matches(overlaps(np.concatenate([anchors[:, :2] - half, anchors[:, :2] + half], axis=1), boxes))
        places = np.flatnonzero(learned >= 0)
        objects, anchors = boxes[learned[places]], anchors[places]
        sides = np.maximum(objects[:, 2:] - objects[:, :2], 1e-3)
        moved = ((objects[:, :2] + objects[:, 2:]) / 2 - anchors[:, :2]) / anchors[:, 2:]
        own[places, 0] = classes[learned[places]] + 1
        own[places, 1:] = np.concatenate([moved, np.log(sides / anchors[:, 2:])], axis=1) / SSD_UNITS
    return found


def _matches(shared: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each anchor the object that it learns, or -1, by their overlaps, (anchors, objects)."""
    import numpy as np

    best, most = shared.argmax(axis=1), shared.max(axis=1)
    found = np.where(most + _SAME >= np.minimum(shared.max(axis=0)[best], _ALIKE), best, -1)
    left = shared.copy()
    for _ in range(shared.shape[1]):
        anchor, label = np.unravel_index(left.argmax(), left.shape)
        if left[anchor, label] <= 0:
            break
        found[anchor] = label
        left[anchor, :] = left[:, label] = -1
    return found


def built(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the loss as training takes it: outputs and what `labels` gives."""

    def loss(F: Any, outputs: Any, own: Any) -> Any:  # noqa: N803
        label = F.slice_axis(own, axis=2, begin=0, end=1).reshape((0, -1))
        learns, positives = label > 0, F.sum(label > 0, axis=1)
        _, raw = F.split(outputs, num_outputs=2, axis=2)
        scores = F.slice_axis(raw, axis=2, begin=0, end=-4)
        entropy = -F.pick(F.log_softmax(scores, axis=2), label, axis=2)
        rank = F.argsort(F.argsort(F.BlockGrad(entropy) * (learns - 1), axis=1), axis=1)
        hard = F.broadcast_lesser(rank, (positives * args["negatives"]).reshape((-1, 1)))
        far = F.abs(F.slice_axis(raw, axis=2, begin=-4, end=None) - F.slice_axis(own, axis=2, begin=1, end=None))
        boxes = F.sum(F.where(far > 1, far - 0.5, 0.5 * far * far), axis=2)
        each = F.sum(entropy * F.maximum(learns, hard), axis=1) + args["boxes"] * F.sum(boxes * learns, axis=1)
        return F.broadcast_div(each, F.maximum(F.mean(positives), F.mean(1 / F.sum(F.ones_like(positives)))))

    return loss


def measured(args: Mapping[str, Any], outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return the loss of each image as evaluation takes it: outputs and collated targets."""
    import numpy as np

    own = labels(targets, outputs.shape).astype(np.float64)
    raw = outputs[..., outputs.shape[2] // 2 :].astype(np.float64)
    label, scores = own[..., 0].astype(np.int64), raw[..., :-4]
    learns, positives = label > 0, (label > 0).sum(axis=1)
    top = scores.max(axis=2, keepdims=True)
    logs = scores - top - np.log(np.exp(scores - top).sum(axis=2, keepdims=True))
    entropy = -np.take_along_axis(logs, label[..., None], axis=2)[..., 0]
    rank = np.where(learns, 0, -entropy).argsort(axis=1, kind="stable").argsort(axis=1)
    hard = rank < (positives * args["negatives"])[:, None]
    far = abs(raw[..., -4:] - own[..., 1:])
    boxes = np.where(far > 1, far - 0.5, 0.5 * far * far).sum(axis=2)
    each = (entropy * (learns | hard)).sum(axis=1) + args["boxes"] * (boxes * learns).sum(axis=1)
    found: NDArray[np.float64] = each * len(each) / max(1, positives.sum())
    return found
