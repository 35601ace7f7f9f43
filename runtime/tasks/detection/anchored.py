"""Objects by anchors, as YOLOv3 learns them (Redmon and Farhadi, arXiv 1804.02767): targets and the loss of GluonCV.

In go collated targets, as `assignment.py` beside this has them, and outputs (N, points, 2 x (classes + 5)) of a
network with its own head (`runtime/models/own/detectors.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.models.own.anchors import yolo3_planes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OWN = 7  # columns of a point before the boxes of all objects


def labels(targets: NDArray[Any], outputs: Sequence[int]) -> NDArray[np.float32]:
    """Return what each point learns, (N, points, 7 + 4 objects).

    That is 1 where it learns an object, its class, its place in the cell (x, y), the logarithm of its sides by the
    anchor's, and how much they count; then the boxes of all objects of the image, the same for each point. Of all
    anchors, the one whose sides are most alike learns an object, in the cell where its middle is.
    """
    import numpy as np

    from runtime.tasks.detection.assignment import truth_of

    truths = [truth_of(rows) for rows in targets]
    most = max(1, *(len(each) for each in truths))
    found = np.zeros((len(targets), outputs[1], _OWN + 4 * most), np.float32)
    for truth, own in zip(truths, found, strict=True):
        assert truth.frame is not None
        own[:, _OWN : _OWN + 4 * len(truth)] = truth.corners.ravel()
        planes = list(yolo3_planes(truth.frame))
        starts = np.cumsum([0, *(cells.pixels for _, cells, _ in planes)])
        anchors = np.array([anchor for _, _, anchor in planes], np.float64)
        for box, label in zip(truth.corners[truth.counts], truth.classes[truth.counts], strict=True):
            sides, middle = np.maximum(box[2:] - box[:2], 1), (box[:2] + box[2:]) / 2
            best = _most_alike(sides, anchors)
            stride, cells, _ = planes[best]
            x, y = np.minimum(middle / stride, (cells.width - 1e-3, cells.height - 1e-3)).astype(int)
            weight = 2 - sides.prod() / truth.frame.pixels
            row = own[starts[best] + y * cells.width + x]
            row[:_OWN] = [1, label, *(middle / stride - (x, y)), *np.log(sides / anchors[best]), weight]
    return found


def _most_alike(sides: NDArray[np.float64], anchors: NDArray[np.float64]) -> int:
    """Return the anchor that overlaps a box most where both have one middle."""
    import numpy as np

    common = np.minimum(sides, anchors).prod(axis=1)
    return int((common / (sides.prod() + anchors.prod(axis=1) - common)).argmax())


def built(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the loss as training takes it: outputs and what `labels` gives."""

    def loss(F: Any, outputs: Any, own: Any) -> Any:  # noqa: N803
        learns, label, places, sides, weight, objects = _columns(F, own, (1, 1, 2, 2, 1, None))
        found, raw = F.split(outputs, num_outputs=2, axis=2)
        own_places, own_sides, sure, classes = _columns(F, raw, (2, 2, 1, None))
        boxes = F.slice_axis(F.BlockGrad(found), axis=2, begin=-5, end=-1)
        is_near = F.max(_overlaps(F, boxes, objects), axis=2, keepdims=True) > args["ignore"]
        counted = F.maximum(learns, 1 - is_near)
        is_class = F.broadcast_equal(label, F.contrib.arange_like(F.BlockGrad(classes), axis=2).reshape((1, 1, -1)))
        return (
            F.sum(_entropy(F, sure, learns) * counted, axis=(1, 2))
            + F.sum(F.broadcast_mul(_entropy(F, classes, is_class), learns), axis=(1, 2))
            + F.sum(F.broadcast_mul(_entropy(F, own_places, places), learns * weight), axis=(1, 2))
            + F.sum(F.broadcast_mul(F.abs(own_sides - sides), learns * weight), axis=(1, 2))
        )

    return loss


def _columns(F: Any, rows: Any, widths: Sequence[int | None]) -> list[Any]:  # noqa: N803
    """Return rows cut into groups of columns; the last group is all that is left."""
    found, begin = [], 0
    for width in widths:
        end = None if width is None else begin + width
        found.append(F.slice_axis(rows, axis=2, begin=begin, end=end))
        begin = end or 0
    return found


def _entropy(F: Any, scores: Any, chance: Any) -> Any:  # noqa: N803
    return F.relu(scores) - scores * chance + F.Activation(-F.abs(scores), "softrelu")


def _overlaps(F: Any, boxes: Any, objects: Any) -> Any:  # noqa: N803
    """Return how much the box of each point (N, points, 4) overlaps each of its objects (N, points, 4 n)."""
    others = objects.reshape((0, 0, -4, -1, 4))
    one, other = ([F.slice_axis(each, axis=-1, begin=n, end=n + 1) for n in range(4)] for each in (boxes, others))
    one = [F.expand_dims(each, axis=3) for each in one]
    width, height = (
        F.relu(F.broadcast_sub(F.broadcast_minimum(one[n + 2], other[n + 2]), F.broadcast_maximum(one[n], other[n])))
        for n in (0, 1)
    )
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (one, other)]
    common = width * height
    return (common / F.maximum(F.broadcast_add(*areas) - common, _LEAST_AREA)).reshape((0, 0, -1))


_LEAST_AREA = 1e-6


def measured(args: Mapping[str, Any], outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return the loss of each image as evaluation takes it: outputs and collated targets."""
    import numpy as np

    from runtime.data.boxes import overlaps

    own, half = labels(targets, outputs.shape).astype(np.float64), outputs.shape[2] // 2
    raw, boxes = outputs[..., half:].astype(np.float64), outputs[..., half - 5 : half - 1].astype(np.float64)
    found = np.zeros(len(own))
    for number, (rows, given) in enumerate(zip(own, raw, strict=True)):
        objects = rows[0, _OWN:].reshape(-1, 4)
        objects = objects[objects[:, 2] > objects[:, 0]]
        near = overlaps(boxes[number], objects).max(axis=1, initial=0) > args["ignore"]
        learns = rows[:, 0] > 0
        found[number] = _entropies(given[:, 4], learns)[learns | ~near].sum()
        rows, given = rows[learns], given[learns]
        is_class = rows[:, 1:2] == np.arange(given.shape[1] - 5)
        found[number] += _entropies(given[:, 5:], is_class).sum()
        places, sides = _entropies(given[:, :2], rows[:, 2:4]), abs(given[:, 2:4] - rows[:, 4:6])
        found[number] += ((places + sides) * rows[:, 6:7]).sum()
    return found


def _entropies(scores: NDArray[np.float64], chance: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    found: NDArray[np.float64] = np.maximum(scores, 0) - scores * chance + np.log1p(np.exp(-np.abs(scores)))
    return found
