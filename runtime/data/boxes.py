"""Boxes as a target: the objects of an image, each with its class.

Corners are float64 (x0, y0, x1, y1) in pixels of the upright image, x to the right and y down from its upper left
corner, so that x1 - x0 is the width: a box around the first pixel alone is (0, 0, 1, 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.data.images import ImageError
from runtime.data.transforms.changes import Change
from runtime.plan.size import Size

Corners = npt.NDArray[np.float64]  # (n, 4)
FRACTIONS = Size(1, 1)
"""The frame of corners that are fractions of an image's sides."""


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The objects of an image: `corners` (n, 4), and for each its class, and whether it is difficult, or a crowd.

    `frame` is the size of the image that the corners are of; None where its annotation does not say. `areas` are those
    of the objects in pixels of the stored image, which a table by size goes by; `unit` is how many of its pixels, by
    area, a pixel of the frame stands for.

    Difficult objects and crowds are neither learned nor missed; a crowd is a box around many objects.
    """

    corners: Corners
    classes: npt.NDArray[np.int64]
    difficult: npt.NDArray[np.bool_]
    crowd: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]
    frame: Size | None = None
    unit: float = field(default=1.0, kw_only=True)

    @classmethod
    def of(
        cls,
        corners: Sequence[Sequence[float]],
        classes: Sequence[int],
        difficult: Sequence[bool] | None = None,
        crowd: Sequence[bool] | None = None,
        areas: Sequence[float] | None = None,
        frame: Size | None = None,
    ) -> Boxes:
        """Return boxes of plain values; areas are those of the boxes unless they are given."""
        places = np.array(corners, np.float64).reshape(-1, 4)
        none = np.zeros(len(places), bool)
        return cls(
            places,
            np.array(classes, np.int64),
            none if difficult is None else np.array(difficult, bool),
            none if crowd is None else np.array(crowd, bool),
            area(places) if areas is None else np.array(areas, np.float64),
            frame,
        )

    def __len__(self) -> int:
        return len(self.corners)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Boxes) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    @property
    def content(self) -> bytes:
        """All that they say, as bytes."""
        arrays = (self.corners, self.classes, self.difficult, self.crowd, self.areas)
        return b"".join([*(each.tobytes() for each in arrays), repr((len(self), self.frame, self.unit)).encode()])

    @property
    def counts(self) -> npt.NDArray[np.bool_]:
        """Whether each is to be found: neither difficult nor a crowd."""
        return ~(self.difficult | self.crowd)

    def chosen(self, which: npt.NDArray[np.bool_]) -> Boxes:
        """Return some of them."""
        return replace(
            self,
            corners=self.corners[which],
            classes=self.classes[which],
            difficult=self.difficult[which],
            crowd=self.crowd[which],
            areas=self.areas[which],
        )

    def with_classes(self, places: Sequence[int | None]) -> Boxes:
        """Return those whose class has a new place among the classes, with that."""
        table = np.array([-1 if place is None else place for place in places], np.int64)
        moved = replace(self, classes=table[self.classes])
        return moved.chosen(moved.classes >= 0)

    def moved(self, size: Size, changes: Iterable[Change]) -> Boxes:
        """Return them as they are after changes of an image of a size.

        A box that turns becomes the box around its four corners. Behind each change they are clipped to the image; one
        whose centre is outside of it is dropped (the rule of SSD, Liu et al. 2016).

        Raises:
            ImageError: the annotation is of an image of other proportions.
        """
        found = self.at(size)
        for change in changes:
            before, size = size, change.size(size)
            points = change.points(_four(found.corners), before).reshape(-1, 4, 2)
            origin, right, down = change.points(np.array([[0, 0], [before.width, 0], [0, before.height]]) * 1.0, before)
            (a, b), (c, d) = right - origin, down - origin
            shown = abs(a * d - b * c) / before.pixels
            around = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
            found = replace(found, corners=around, frame=size, unit=found.unit / shown)._inside(size)
        return found

    def at(self, size: Size) -> Boxes:
        """Return them in pixels of the image itself, which has this size.

        Raises:
            ImageError: the annotation is of an image of other proportions.
        """
        if self.frame is None or self.frame == size:
            return replace(self, frame=size)._inside(size)
        ratio = np.array([size.width / self.frame.width, size.height / self.frame.height])
        if self.frame != FRACTIONS and abs(ratio[0] / ratio[1] - 1) > _PROPORTIONS:
            turned = self.frame == Size(size.width, size.height)
            why = ": the image is turned (EXIF), and its annotation is not" if turned else ""
            text = (
                f"it has {size.width} x {size.height} pixels, its annotation {self.frame.width} x {self.frame.height}"
            )
            raise ImageError(text + why)
        scaled = replace(self, corners=self.corners * np.tile(ratio, 2), areas=self.areas * ratio.prod(), frame=size)
        return scaled._inside(size)

    def _inside(self, size: Size) -> Boxes:
        x, y = ((self.corners[:, :2] + self.corners[:, 2:]) / 2).T
        inside = (x >= 0) & (x < size.width) & (y >= 0) & (y < size.height)
        found = replace(self, corners=clipped(self.corners, size))
        return found if inside.all() else found.chosen(inside)


_PROPORTIONS = 0.02


def _four(corners: Corners) -> Corners:
    """Return all four corners of each box, (4n, 2): a box that turns becomes the box around these."""
    return corners[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)


def area(corners: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return the areas of boxes, 0 where a side is negative."""
    sides = np.maximum(corners[..., 2:].astype(np.float64) - corners[..., :2], 0)
    found: npt.NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return found


def clipped(corners: Corners, size: Size) -> Corners:
    """Return boxes with what lies outside of an image cut off."""
    return np.clip(corners, 0, np.array([size.width, size.height] * 2, np.float64))


def overlaps(ones: Corners, others: Corners) -> npt.NDArray[np.float64]:
    """Return the intersections over unions of all pairs, (n, m); 0 where both have no area."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(high - low, 0)
    common = sides[..., 0] * sides[..., 1]
    union = area(ones)[:, None] + area(others)[None, :] - common
    found: npt.NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return found
