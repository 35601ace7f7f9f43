"""Masks as targets: which class each pixel of an image shows.

A `Mask` names a file, or what is painted in place of one (`painted.py`), and says which values, or colours, stand for
which class. It is read when its image is: `moved` makes it go through the changes that its image went through, by the
nearest pixel, and gives class positions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from runtime.data.fingerprints import origin_of
from runtime.data.images import ImageError, opened_mask, upright_size
from runtime.data.listing import ImageRef, Pixels
from runtime.data.painted import Painted
from runtime.data.transforms.changes import Change, Resize
from runtime.plan.size import Size

IGNORED = 255
"""The class position of pixels that count for nothing."""

_ASPECT = 0.02  # how far a mask's proportions may be from its image's


@dataclass(frozen=True, slots=True)
class Mask:
    """The mask of an image.

    `values` are what stands for each class, in order: numbers of one channel, or (red, green, blue). `ignore` is the
    value of pixels that count for nothing; None where there is none. One that is `measured` keeps its own size, as far
    as images are only resized. `places` are the new class positions of the classes, where these are others.
    """

    path: Path | Painted
    values: tuple[int | tuple[int, int, int], ...]
    ignore: int | tuple[int, int, int] | None
    is_measured: bool = False
    places: tuple[int, ...] = ()

    @property
    def measured(self) -> Mask:
        """The mask as predictions are compared with it."""
        return replace(self, is_measured=True)

    def with_classes(self, places: Sequence[int | None]) -> Mask:
        """Return the mask with new places of the classes; pixels of one that has none count for nothing."""
        return replace(self, places=tuple(IGNORED if place is None else place for place in places))

    def moved(self, size: Size, changes: Sequence[Change]) -> Pixels:
        """Return the class position of each pixel, uint8 (H, W), after the changes of an image of a size.

        Raises:
            ImageError: the mask cannot be read, has other proportions than its image, or a value of no class.
        """
        stored = self.read(size)
        if self.is_measured and all(isinstance(change, Resize) for change in changes):
            return stored
        labels = Image.fromarray(stored)
        if labels.size != (size.width, size.height):
            labels = labels.resize((size.width, size.height), Image.Resampling.NEAREST)
        for change in changes:
            labels = change.labels(labels, IGNORED)
        return np.asarray(labels)

    def read(self, size: Size) -> Pixels:
        """Return the class position of each pixel as stored; the mask must have the proportions of an image's size.

        Raises:
            ImageError: as `moved` does.
        """
        found = self.stored()
        height, width = found.shape
        if not _alike(Size(height, width), size):
            shown = f"{width} x {height}, its image {size}"
            turned = ": it fits the photo as stored, which EXIF turns" if _alike(Size(width, height), size) else ""
            raise ImageError(f"its mask `{self.path.name}` has other proportions: it is {shown}{turned}")
        return found

    def stored(self) -> Pixels:
        """Return the class position of each pixel as stored, whatever the size of the image.

        Raises:
            ImageError: the mask cannot be read, or has a value of no class.
        """
        if isinstance(self.path, Painted):
            found = self.path.positions()
        else:
            found = self._positions(np.asarray(opened_mask(self.path)))
        if not self.places:
            return found
        table = np.full(IGNORED + 1, IGNORED, np.uint8)
        table[: len(self.places)] = self.places
        return table[found]

    def _positions(self, stored: Pixels) -> Pixels:
        key = _keys(stored)
        found = np.full(key.shape, _UNKNOWN, np.int16)
        for position, value in enumerate(self.values):
            found[key == _key(value)] = position
        if self.ignore is not None:
            found[key == _key(self.ignore)] = IGNORED
        if (found == _UNKNOWN).any():
            first = int(key[found == _UNKNOWN][0])
            shown = f"#{first:06x}" if stored.ndim == 3 else str(first)
            raise ImageError(f"its mask `{self.path.name}` has the value {shown}, which is that of no class")
        return found.astype(np.uint8)

    def fault(self, image: ImageRef) -> str:
        """Return why the mask cannot be used for an image that can be read; empty where it can."""
        try:
            self.read(upright_size(image))
        except ImageError as fault:
            return str(fault)
        return ""

    @property
    def origin(self) -> bytes | None:
        """What its content and meaning are known by without reading it; None where they cannot be known."""
        found = self.path.digest().encode() if isinstance(self.path, Painted) else origin_of(self.path)
        meaning = (self.values, self.ignore, *((self.places,) if self.places else ()))
        return None if found is None else found + repr(meaning).encode()

    def digest(self) -> str:
        """Return the SHA-256 of the file, and what its values mean, as text; of one that cannot be read, that."""
        places = f" {self.places}" if self.places else ""
        if isinstance(self.path, Painted):
            return f"{self.path.digest()}{places}"
        try:
            content = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as fault:
            content = fault.strerror or "unreadable"
        return f"{content} {self.values} {self.ignore}{places}"


_UNKNOWN = -1


def _alike(one: Size, other: Size) -> bool:
    return abs(one.width * other.height / (one.height * other.width) - 1) <= _ASPECT


def _keys(stored: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    if stored.ndim == 2:
        return stored.astype(np.int32)
    red, green, blue = (stored[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


def _key(value: int | tuple[int, int, int]) -> int:
    return value if isinstance(value, int) else value[0] << 16 | value[1] << 8 | value[2]
