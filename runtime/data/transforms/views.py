"""How many different images an augmentation makes of one: its views.

A flip has two outcomes, so that two flips make four views of an image; a random crop makes a new one each time, unless
the recipe fixes a few versions (`views`), each with its own seed. Where the views are few, what the network makes of
each can be kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from recipe_lang.check.checked import CallValue
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np

    from runtime.plan.types import Component

# The outcome of each flip, in order, empty where nothing is random; or, where outcomes have no end, the seed of one.
View = tuple[bool, ...] | int


def view_count(steps: Sequence[Component | CallValue]) -> int | None:
    """Return how many views the steps make of an image; None where there is no end to them."""
    counts = [1 if is_idle(step) else TRANSFORMS[step.name].outcomes for step in steps]
    return None if None in counts else math.prod(count for count in counts if count)


def is_idle(step: Component | CallValue) -> bool:
    """Whether a step changes no image, since all its strengths are 0."""
    args = {name: getattr(arg, "value", arg) for name, arg in step.args.items()}  # checked, or plain
    return TRANSFORMS[step.name].is_idle(args)


def draw_view(steps: Sequence[Component], rng: np.random.Generator) -> View:
    """Return the view that the steps would make with a generator. Their number of views must be finite."""
    return tuple(bool(rng.random() < 0.5) for step in steps if TRANSFORMS[step.name].outcomes == 2)


def every_view(steps: Sequence[Component]) -> list[tuple[bool, ...]]:
    """Return all views that flips make of an image, the image as it is first."""
    return list(product((False, True), repeat=sum(TRANSFORMS[step.name].outcomes == 2 for step in steps)))


def is_fixed(steps: Sequence[Component], views: int | None) -> bool:
    """Whether a stage's `views` are fewer than its steps could make: then they are drawn once and for all."""
    return views != view_count(steps)


def version(steps: Sequence[Component], seed: int) -> View:
    """Return the view that the steps make with a seed of 63 bits."""
    return seed if view_count(steps) is None else draw_view(steps, chosen(seed))


def at_size(steps: Sequence[Component], size: Size, other: Size) -> tuple[Component, ...] | None:
    """Return steps that make the same views as these, whose images end with a size, at another one.

    None where there are none: the proportions differ, a step draws lengths in pixels, or the place of a random crop in
    an image that was resized before.
    """
    found: list[Component] = []
    scale, is_changed = other.height / size.height, False
    for step in steps if size.height * other.width == size.width * other.height else ():
        row = TRANSFORMS[step.name]
        if not (row.at_any_size or row.reads) or row.crops and row.outcomes is None and is_changed:
            return None
        is_changed = is_changed or row.crops or row.resizes
        args = {**step.args}
        if "size" in args:
            args["size"] = Size(*(round(scale * side) for side in Size.of(args["size"]))).plain
        found.append(replace(step, args=args))
    return tuple(found) or None


class Chosen:
    """Stands for a generator, and makes steps give one view."""

    def __init__(self, view: tuple[bool, ...]) -> None:
        self._outcomes = iter(view)

    def random(self) -> float:
        """Return a number below one half where the next flip is to mirror."""
        return 0.0 if next(self._outcomes) else 1.0


def chosen(view: View) -> Any:
    """Return what a transform takes for a generator to give one view."""
    if isinstance(view, tuple):
        return Chosen(view)
    import numpy as np  # checking a recipe counts views and does without

    return np.random.Generator(np.random.PCG64(view))
