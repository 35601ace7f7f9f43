"""What a step of `prepare` or `augment` is: its row in the vocabulary, its properties, and how it draws its parameters.

A step does not touch an image. From the image's size and a generator it draws the changes to make
(`runtime/data/transforms/changes.py`), each of which knows how it changes pixels and how points move with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from recipe_lang.check.vocabulary import Entry
from runtime.data.targets import TargetKind
from runtime.data.transforms.changes import Change
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Corners = npt.NDArray[np.float64]

Args: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = "Callable[[Args, Size, np.random.Generator], Iterable[Change]]"
SeeingDraw: TypeAlias = "Callable[[Args, Size, np.random.Generator, Corners], Iterable[Change]]"
Sides: TypeAlias = tuple[int, int]  # the least and the largest side of images in pixels, where all are square


@dataclass(frozen=True, slots=True)
class Transform:
    """A step of `prepare`, or with `augments` of `augment`.

    `draw` takes the arguments, an image's size and a generator; a step without one changes no decoded image: it says
    how files are read (`reads`), or what is done to numbers behind all others. `outcomes` is how many different images
    the step makes of one, None where there is no end to them; of two, the first is made where `random()` gives less
    than one half, and nothing else may be drawn. `crops` and `resizes` say what it does to the size, `mirrors` whether
    it shows mirror images. `sees` draws in place of `draw` where the targets are boxes, float64 (n, 4), which it gets
    as they are before the step. `is_idle` tells arguments with which it changes nothing, and `example` some that do.
    `fixed` gives the name of the step without randomness that it is for images of such sides, if there is one.
    `at_any_size` says that it shows the same view of an image of another size, from the same generator: what it draws
    is no length in pixels, but for its `size`.
    `targets` are the kinds of targets that it is for, if it is not for all. `mix` mixes the images of a batch
    in place of changing each (`mixing.py`).
    """

    entry: Entry
    draw: Draw | None = None
    augments: bool = False
    reads: bool = False
    outcomes: int | None = 1
    crops: bool = False
    resizes: bool = False
    mirrors: bool = False
    sees: SeeingDraw | None = None
    is_idle: Callable[[Args], bool] = lambda args: False
    example: str = ""
    targets: tuple[TargetKind, ...] = ()
    mix: Callable[[Args, Any, np.random.Generator], tuple[Any, Any, float]] | None = None
    fixed: Callable[[Args, Sides], str | None] = lambda args, sides: None
    at_any_size: bool = False
