"""Masks that no file holds: class positions that were made, or areas with outlines, painted one over the other.

An area is one or more rings of points in pixels; a pixel belongs to it where its middle lies inside a ring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.data.listing import Pixels
from runtime.plan.size import Size

Ring = npt.NDArray[np.float64]  # (points, 2), x and y


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """An area of a class position: rings, or runs of pixels down the columns, outside and inside in turn (COCO's)."""

    label: int
    rings: tuple[Ring, ...] = ()
    runs: tuple[int, ...] = ()

    def inside(self, size: Size) -> npt.NDArray[np.bool_]:
        """Return which pixels of an image lie in it."""
        if self.runs:
            flat = np.repeat(np.arange(len(self.runs)) % 2 == 1, self.runs)
            return flat.reshape(size.width, size.height).T
        found = np.zeros(size, bool)
        for ring in self.rings:
            found |= filled(ring, size)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """Areas over the class position 0, the largest first so that none hides a smaller one; or the positions."""

    name: str
    size: Size
    areas: tuple[Area, ...] = ()
    pixels: Pixels | None = None

    def positions(self) -> Pixels:
        """Return the class position of each pixel, uint8 (H, W)."""
        if self.pixels is not None:
            return self.pixels
        canvas = np.zeros(self.size, np.uint8)
        drawn = [(each.label, each.inside(self.size)) for each in self.areas]
        for label, inside in sorted(drawn, key=lambda each: -int(each[1].sum())):
            canvas[inside] = label
        return canvas

    def digest(self) -> str:
        """Return the SHA-256 of the class positions."""
        return hashlib.sha256(self.positions().tobytes()).hexdigest()


def filled(ring: Ring, size: Size) -> npt.NDArray[np.bool_]:
    """Return which pixels of an image have their middle inside a ring of points, by the even-odd rule.

    In each row of middles, an edge that crosses it turns inside to outside for all pixels to its right.
    """
    toggles = np.zeros((size.height, size.width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        (top, left), (bottom, right) = sorted(((y0, x0), (y1, x1)))
        rows = np.arange(max(0, int(np.ceil(top - 0.5))), min(size.height, int(np.ceil(bottom - 0.5))))
        crossings = left + (rows + 0.5 - top) * (right - left) / (bottom - top)
        columns = np.clip(np.ceil(crossings - 0.5), 0, size.width).astype(np.int64)
        np.add.at(toggles, (rows, columns), 1)
    inside: npt.NDArray[np.bool_] = toggles.cumsum(axis=1)[:, :-1] % 2 == 1
    return inside


def rings_of(flat: Sequence[Sequence[float]]) -> tuple[Ring, ...]:
    """Return rings of lists x, y, x, y, …."""
    return tuple(np.array(each, np.float64).reshape(-1, 2) for each in flat)
