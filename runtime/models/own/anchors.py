"""The boxes that points of a detector start from. Plain values: targets are made of them where there is no network."""

from __future__ import annotations

from collections.abc import Iterator

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
