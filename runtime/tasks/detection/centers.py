"""Objects by their centres: what each cell of one map learns, how that is a loss, and which cells are peaks.

As in Objects as Points (Zhou et al., arXiv 1904.07850). In go collated targets, as `assignment.py` beside this has
them, and outputs (N, points, classes + 4), where the points are the cells of one map, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isqrt
from typing import TYPE_CHECKING, Any

from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OVERLAP = 0.7  # of two boxes of one size, whose centres are as far apart as a centre's bump reaches
_EPSILON = 1e-6
CENTER, IGNORED = 1, -2


def cells_of(points: int, size: Size) -> Size | None:
    """Return the height and width of the map that outputs are of; None where they are of several maps."""
    stride = isqrt(size.pixels // points)
    height, width = size.height // stride, size.width // stride
    return Size(height, width) if height * width == points and stride * stride * points == size.pixels else None


def peaks(scores: NDArray[np.float32], cells: Size) -> NDArray[np.bool_]:
    """Return which scores, (points, classes), are the largest of the three by three cells around them."""
    import numpy as np

    height, width = cells
    padded = np.pad(scores.reshape(height, width, -1), ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    found: NDArray[np.bool_] = (padded[1:-1, 1:-1] == np.max(around, axis=0)).reshape(scores.shape)
    return found


def radius(width: float, height: float) -> float:
    """Return how far corners of a box may move so that it still overlaps where it was by 0.7, in its units.

    The smallest of the three cases of CornerNet (Law and Deng, arXiv 1808.01244): both corners move the same way, both
    inwards, both outwards; each is the lesser root of a quadratic equation.
    """
    total, area = width + height, width * height
    cases = (
        (1, -total, area * (1 - _OVERLAP) / (1 + _OVERLAP)),
        (4, -2 * total, (1 - _OVERLAP) * area),
        (-4 * _OVERLAP, -2 * _OVERLAP * total, (1 - _OVERLAP) * area),
    )
    roots = [(-b - (b * b - 4 * a * c) ** 0.5) / (2 * a) for a, b, c in cases]
    return float(min(roots))


def labels(targets: NDArray[Any], outputs: Sequence[int]) -> NDArray[np.float32]:
    """Return what each point learns, (N, points, classes + 6).

    That is how near it is to a centre of each class, from 0 to 1; then 1 where an object's centre is, -2 where nothing
    is learned; that object's box; and how many cells a pixel is.
    """
    import numpy as np

    from runtime.tasks.detection.assignment import truth_of

    _, points, columns = outputs
    classes = columns - 4
    found = np.zeros((len(targets), points, classes + 6), np.float32)
    for rows, own in zip(targets, found, strict=True):
        truth = truth_of(rows)
        assert truth.frame is not None
        cells = cells_of(points, truth.frame)
        assert cells is not None
        stride = truth.frame.height // cells.height
        own[:, -1] = 1 / stride
        grid = own.reshape(cells.height, cells.width, -1)
        order = np.argsort(-np.prod(truth.corners[:, 2:] - truth.corners[:, :2], axis=1), kind="stable")
        for number in order:  # of two with one centre the smaller is learned
            box = truth.corners[number] / stride
            low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
            inside = grid[low[1] : high[1], low[0] : high[0], classes]
            if not truth.counts[number]:
                inside[inside == 0] = IGNORED
                continue
            x, y = np.minimum((box[:2] + box[2:]) / 2, (cells.width - 1e-3, cells.height - 1e-3)).astype(int)
            label = truth.classes[number]
            _bump(grid[..., label], x, y, radius(*np.maximum(box[2:] - box[:2], 1)))
            grid[y, x, classes:-1] = [CENTER, *truth.corners[number]]
    return found


def _bump(heat: NDArray[np.float32], x: int, y: int, reach: float) -> None:
    """Raise a map to a Gaussian around a cell, whose standard deviation is a third of the reach."""
    import numpy as np

    whole = max(0, int(reach))
    sigma = (2 * whole + 1) / 6
    rows, columns = np.ogrid[: heat.shape[0], : heat.shape[1]]
    near = slice(max(0, y - whole), y + whole + 1), slice(max(0, x - whole), x + whole + 1)
    values = np.exp(-((rows - y) ** 2 + (columns - x) ** 2)[near] / (2 * sigma * sigma))
    np.maximum(heat[near], values, out=heat[near])


def built(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the loss as training takes it: outputs and what `labels` gives."""

    def loss(F: Any, outputs: Any, own: Any) -> Any:  # noqa: N803
        scores = F.slice_axis(outputs, axis=2, begin=0, end=-4)
        heat = F.slice_axis(own, axis=2, begin=0, end=-6)
        state, cell = (F.slice_axis(own, axis=2, begin=place, end=place + 1 or None) for place in (-6, -1))
        is_center, is_peak = state == CENTER, heat >= 1
        chance = F.clip(F.sigmoid(scores), _EPSILON, 1 - _EPSILON)
        near = is_peak * (1 - chance) ** 2 * F.log(chance)
        far = (1 - is_peak) * (1 - heat) ** 4 * chance**2 * F.log(1 - chance)
        each = -F.sum(F.broadcast_mul(near + far, state >= 0), axis=(1, 2))
        apart = F.slice_axis(outputs, axis=2, begin=-4, end=None) - F.slice_axis(own, axis=2, begin=-5, end=-1)
        low, high = (F.slice_axis(apart, axis=2, begin=place, end=place + 2) for place in (0, 2))
        distance = args["sizes"] * F.abs(high - low) + args["offsets"] / 2 * F.abs(high + low)
        each = each + F.sum(F.broadcast_mul(distance, is_center * cell), axis=(1, 2))
        positives = F.sum(is_center, axis=(1, 2))
        return F.broadcast_div(each, F.maximum(F.mean(positives), F.mean(1 / F.sum(F.ones_like(positives)))))

    return loss


def measured(args: Mapping[str, Any], outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
    """Return the loss of each image as evaluation takes it: outputs and collated targets."""
    import numpy as np

    own = labels(targets, outputs.shape).astype(np.float64)
    heat, state, true, cell = own[..., :-6], own[..., -6], own[..., -5:-1], own[..., -1]
    chance = np.clip(1 / (1 + np.exp(-outputs[..., :-4].astype(np.float64))), _EPSILON, 1 - _EPSILON)
    near, far = (1 - chance) ** 2 * np.log(chance), (1 - heat) ** 4 * chance**2 * np.log(1 - chance)
    each = -(np.where(heat >= 1, near, far).sum(axis=2) * (state >= 0)).sum(axis=1)
    boxes = (outputs[..., -4:].astype(np.float64), true)
    sides, middles = ([sign * box[..., :2] + box[..., 2:] for box in boxes] for sign in (-1, 1))
    distance = args["sizes"] * abs(sides[0] - sides[1]) + args["offsets"] / 2 * abs(middles[0] - middles[1])
    each += (distance.sum(axis=2) * cell * (state == CENTER)).sum(axis=1)
    found: NDArray[np.float64] = each * len(each) / max(1, (state == CENTER).sum())
    return found
