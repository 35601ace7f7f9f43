"""All steps of `prepare` and `augment`, and how a list of them becomes changes of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.data.transforms import color, geometry, reading
from runtime.data.transforms.changes import Change
from runtime.data.transforms.row import Transform
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np

    from runtime.plan.types import Component

_ROWS = (
    reading.FLATTEN_ALPHA,
    reading.LEVELS,
    geometry.RESIZE,
    geometry.CENTER_CROP,
    geometry.STRETCH,
    reading.NORMALIZE,
    geometry.RANDOM_CROP,
    geometry.RANDOM_RESIZED_CROP,
    geometry.FLIP,
    color.COLOR_JITTER,
    color.LIGHTING,
)
TRANSFORMS: Mapping[str, Transform] = {row.entry.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps in order; those that change no decoded image do nothing here."""

    steps: Sequence[Component]

    def draw(self, size: Size, rng: np.random.Generator) -> tuple[Change, ...]:
        """Draw all parameters for an image of a size, from one generator: the changes to make of it."""
        changes: list[Change] = []
        for step in self.steps:
            row = TRANSFORMS[step.name]
            for change in row.draw(step.args, size, rng) if row.draw else ():
                changes.append(change)
                size = change.size(size)
        return tuple(changes)
