"""Images with their targets, before anything is read: a `Sample` each, and a `Listing` of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from runtime.data.sources.skipped import PassedOver

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
ImageRef: TypeAlias = "Path | Pixels | Tile"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its target.

    `id` is the image's path relative to its source in POSIX form, or its row's key: it is the same on every
    machine, and all randomness of the sample derives from it. `target` is a plain value of the kind that the source
    gives (`runtime/data/targets.py`). `image` is a path, uint8 pixels of shape (H, W) or (H, W, 3), or a tile.
    """

    id: str
    target: Any
    image: ImageRef = field(compare=False)


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
class Listing:
    """Images with their targets, and the names of what these are: the classes, of which some may have no sample here.

    `passed` is what lies among the images and is none of them; `left_out` are objects of the images that take no
    part. `unused` are classes that annotations declare and no object has: they are no classes here. `known` is how many
    names, the first, an earlier run has given: they need no sample.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    passed: tuple[PassedOver, ...] = field(default=(), compare=False)
    left_out: tuple[DroppedObject, ...] = field(default=(), compare=False)
    unused: tuple[str, ...] = field(default=(), compare=False)
    known: int = 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many objects of the images are left out, by reason."""
        here = {sample.id for sample in self.samples} if self.left_out else ()
        return dict(sorted(Counter(each.why for each in self.left_out if each.id in here).items()))
