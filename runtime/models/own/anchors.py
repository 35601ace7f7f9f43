"""The boxes that points of a detector start from. Plain values: targets are made of them where there is no network."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt

from runtime.plan.size import Size

YOLO3 = (
    (32, ((116, 90), (156, 198), (373, 326))),
    (16, ((30, 61), (62, 45), (59, 119))),
    (8, ((10, 13), (16, 30), (33, 23))),
)
"""Of each map, the coarsest first: the pixels of a cell, and the width and height of each anchor, in pixels (arXiv
1804.02767). The points of a map are those of its first anchor, row by row, then those of the next."""


def yolo3_planes(size: Size) -> Iterator[tuple[int, Size, tuple[int, int]]]:
    """Yield for each anchor, in the order of the points, the pixels of a cell, the cells, and width and height."""
    for stride, anchors in YOLO3:
        for anchor in anchors:
            yield stride, Size(size.height // stride, size.width // stride), anchor


def _ssd() -> Iterator[tuple[int, tuple[tuple[float, float], ...]]]:
    sides = (51.2, 102.4, 189.4, 276.4, 363.52, 450.6, 492.0)
    wider = ((1, 2, 0.5), *3 * ((1, 2, 0.5, 3, 1 / 3),), *2 * ((1, 2, 0.5),))
    for number, ratios in enumerate(wider):
        side, between = sides[number], sqrt(sides[number] * sides[number + 1])
        rest = ((side * sqrt(ratio), side / sqrt(ratio)) for ratio in ratios[1:])
        yield 16 << number, ((side, side), (between, between), *rest)


SSD = tuple(_ssd())
"""Of each map, the finest first: the pixels of a cell, and the width and height of each anchor, in pixels, of
GluonCV's `ssd_512_…` (arXiv 1512.02325). The points of a map are those of a cell, anchor by anchor, then the next."""

SSD_UNITS = (0.1, 0.1, 0.2, 0.2)
"""What a unit of a network's output stands for: shares of the anchor's sides (x, y), logarithms of the sides."""


def ssd_cells(size: Size) -> Iterator[tuple[int, Size, tuple[tuple[float, float], ...]]]:
    """Yield for each map the pixels of a cell, how many cells there are, and the anchors of one."""
    cells = Size(ceil(size.height / 16), ceil(size.width / 16))
    for stride, anchors in SSD:
        yield stride, cells, anchors
        cells = Size(ceil(cells.height / 2), ceil(cells.width / 2))
