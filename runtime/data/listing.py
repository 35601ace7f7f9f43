"""Images with their targets, before anything is read: a `Sample` each, and a `Listing` of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from recipe_lang.problem import Problem
    from runtime.data.sources.skipped import PassedOver

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
ImageRef: TypeAlias = "Path | Embedded | Pixels | Tile"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its target.

    `id` is the image's path relative to its source in POSIX form, or its row's key: it is the same on every
    machine, and all randomness of the sample derives from it. `target` is a plain value of the kind that the source
    gives (`runtime/data/targets.py`). `image` is a path, a place in a file that holds many, uint8 pixels of shape
    (H, W) or (H, W, 3), or a tile. `weight` is how much it counts in training, beside the others.
    """

    id: str
    target: Any
    image: ImageRef = field(compare=False)
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """An image within a file that holds many: the bytes of its spans (offset, length), one behind the other.

    They are an image file, or with `axes` pixels of 8 bits in that order: `HW` rows of grey, `WH` columns, `CHW` planes
    of red, green and blue. `shape` has the size of each axis.
    """

    file: Path
    spans: tuple[tuple[int, int], ...]
    axes: str = ""
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> Size:
        """The size of the image, where it is pixels."""
        return Size(*(self.shape[self.axes.index(axis)] for axis in "HW"))

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: the file cannot be read, or ends before them.
        """
        with open(self.file, "rb", buffering=0) as file:
            found = b"".join(os.pread(file.fileno(), length, offset) for offset, length in self.spans)
        if len(found) < sum(length for _, length in self.spans):
            raise OSError(f"`{self.file.name}`, which holds it, is cut off")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A part of a large image: the sample of the whole, whose upright size is `of`, and a part of a size at a place."""

    whole: Sample
    of: Size
    left: int
    top: int
    size: Size


@dataclass(frozen=True, slots=True)
class DroppedObject:
    """An object that takes no part: the id of its image, why, its class, and its corners as they are written."""

    id: str
    why: str
    name: str
    corners: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a column says of an image: text that is not blank, and the line that it stands in."""

    text: str
    line: int


class Columns(Protocol):
    """The columns of the table that a listing comes from."""

    def cells(self, column: str) -> Mapping[str, Cell]:
        """Return the cell of each image, by the ids of samples.

        Raises:
            RecipeError: there is no such column, or an image has no cell, or several that differ.
        """

    def fault(self, cell: Cell, reason: str, hint: str = "") -> Problem:
        """Return what is wrong with a cell."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Images with their targets, and the names of what these are: the classes, of which some may have no sample here.

    `passed` is what lies among the images and is none of them; `left_out` are objects of the images that take no
    part. `unused` are classes that annotations declare and no object has: they are no classes here. `known` is how many
    names, the first, an earlier run has given: they need no sample. `columns` are those
    of the table that it comes from. `notes` say in a line each how the images were chosen.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    passed: tuple[PassedOver, ...] = field(default=(), compare=False)
    left_out: tuple[DroppedObject, ...] = field(default=(), compare=False)
    unused: tuple[str, ...] = field(default=(), compare=False)
    known: int = 0
    columns: Columns | None = field(default=None, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many objects of the images are left out, by reason."""
        here = {sample.id for sample in self.samples} if self.left_out else ()
        return dict(sorted(Counter(each.why for each in self.left_out if each.id in here).items()))
