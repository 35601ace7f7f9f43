"""Objects that are found in the tiles of an image, as objects of the image.

Within a tile, and of what no tile's border cuts, a box gives way to a surer one of its class that it overlaps by more
than `SAME`, as in images that are seen whole. What a border inside of the image cuts is one with an object of its class
that covers more than half of the smaller of both: objects that are seen whole come first, then the surer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from runtime.data.boxes import area, overlaps
from runtime.data.listing import Tile
from runtime.plan.types import DataPlan
from runtime.tasks.detection.network import SAME, _in_image, detections
from runtime.tasks.detection.precision import Detections

_AT_BORDER = 0.01  # of a tile's side: how near to its border a box is cut by it
_COVERED = 0.5


def merged(outputs: Sequence[npt.NDArray[np.float32]], tiles: Sequence[Tile], plan: DataPlan) -> Detections:
    """Return the objects of an image in its own pixels, the surest first; of each tile there are outputs."""
    parts = [detections(each, plan.size, len(plan.target.names)) for each in outputs]
    inside = [_in_image(part.corners, tile.size, plan.prepare) for part, tile in zip(parts, tiles, strict=True)]
    cut = np.concatenate([_cut(corners, tile) for corners, tile in zip(inside, tiles, strict=True)])
    corners = np.concatenate(
        [each + np.tile((tile.left, tile.top), 2) for each, tile in zip(inside, tiles, strict=True)]
    )
    found = Detections(
        corners, np.concatenate([part.classes for part in parts]), np.concatenate([part.scores for part in parts])
    )
    kept = _distinct(found, cut) if len(tiles) > 1 else np.arange(len(found))
    return found.chosen(kept[np.argsort(-found.scores[kept], kind="stable")])


def _cut(corners: npt.NDArray[np.float64], tile: Tile) -> npt.NDArray[np.bool_]:
    """Return which boxes of a tile reach a border of it inside of the image."""
    width, height = tile.size.width, tile.size.height
    near = _AT_BORDER * max(tile.size)
    at = np.stack(
        [corners[:, 0] <= near, corners[:, 1] <= near, corners[:, 2] >= width - near, corners[:, 3] >= height - near],
        axis=1,
    )
    inner = (tile.left > 0, tile.top > 0, tile.left + width < tile.of.width, tile.top + height < tile.of.height)
    found: npt.NDArray[np.bool_] = (at & np.array(inner)).any(axis=1)
    return found


def _distinct(found: Detections, cut: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the places of the objects that are left, those that are seen whole first; row by row to bound memory."""
    order = np.lexsort((-found.scores, cut))
    corners, classes, parts = found.corners[order], found.classes[order], cut[order]
    areas, out = area(corners), np.zeros(len(order), bool)
    for number in range(len(order)):
        if out[number]:
            continue
        rest = slice(number + 1, None)
        shared = overlaps(corners[number][None], corners[rest])[0]
        both = areas[number] + areas[rest]
        common = shared * both / (1 + shared)  # of an intersection over the union
        covered = common > _COVERED * np.minimum(areas[number], areas[rest])
        same = (shared > SAME) | (parts[rest] & covered)
        out[rest] |= same & (classes[rest] == classes[number])
    left: npt.NDArray[np.int64] = order[~out]
    return left
