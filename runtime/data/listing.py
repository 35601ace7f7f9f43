"""Images with their targets, before anything is read: a `Sample` each, and a `Listing` of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from runtime.data.sources.skipped import PassedOver

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
ImageRef: TypeAlias = "Path | Pixels"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its target.

    `id` is the image's path relative to its source in POSIX form, or its row's key: it is the same on every
    machine, and all randomness of the sample derives from it. `target` is a plain value of the kind that the source
    gives (`runtime/data/targets.py`). `image` is a path, or uint8 pixels of shape (H, W) or (H, W, 3).
    """

    id: str
    target: Any
    image: ImageRef = field(compare=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """Images with their targets, and the names of what these are: the classes, of which some may have no sample here.

    `passed` is what lies among the images and is none of them; `dropped` are objects of the images that are left out:
    how many, by reason.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    passed: tuple[PassedOver, ...] = field(default=(), compare=False)
    dropped: Mapping[str, int] = field(default_factory=dict, compare=False)
