"""How many different images an augmentation makes of one: its views.

A flip has two outcomes, so that two flips make four views of an image; a random crop makes a new one each time. Where
the views are few, what the network makes of each can be kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.plan import Step

if TYPE_CHECKING:
    import numpy as np

View = tuple[bool, ...]  # the outcome of each flip, in order; empty where nothing is random

_OUTCOMES = {"resize": 1, "center_crop": 1, "flip": 2}


def view_count(steps: Sequence[Step]) -> int | None:
    """Return how many views the steps make of an image; None where there is no end to them."""
    counts = [_OUTCOMES.get(step.name) for step in steps]
    return None if None in counts else math.prod(count for count in counts if count)


def draw_view(steps: Sequence[Step], rng: np.random.Generator) -> View:
    """Return the view that the steps would make with a generator. Their number of views must be finite."""
    return tuple(bool(rng.random() < 0.5) for step in steps if _OUTCOMES[step.name] == 2)


class Chosen:
    """Stands for a generator, and makes steps give one view."""

    def __init__(self, view: View) -> None:
        self._outcomes = iter(view)

    def random(self) -> float:
        """Return a number below one half where the next flip is to mirror."""
        return 0.0 if next(self._outcomes) else 1.0


def chosen(view: View) -> Any:
    """Return what a transform takes for a generator to give one view."""
    return Chosen(view)
