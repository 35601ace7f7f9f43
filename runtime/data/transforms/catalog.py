"""All steps of `prepare` and `augment`, and how a list of them becomes changes of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.data.transforms import color, filters, geometry, mixing, objects, policies, reading, warps
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
    geometry.LETTERBOX,
    reading.NORMALIZE,
    geometry.RANDOM_CROP,
    geometry.RANDOM_RESIZED_CROP,
    geometry.FLIP,
    objects.IOU_CROP,
    objects.ZOOM_OUT,
    color.COLOR_JITTER,
    color.LIGHTING,
    warps.ROTATION,
    warps.AFFINE,
    warps.PERSPECTIVE,
    *filters.FILTERS,
    *policies.POLICIES,
    *mixing.MIXING,
)
TRANSFORMS: Mapping[str, Transform] = {row.entry.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps in order; those that change no decoded image do nothing here."""

    steps: Sequence[Component]

    def draw(self, size: Size, rng: np.random.Generator, target: Any = None) -> tuple[Change, ...]:
        """Draw all parameters for an image of a size, from one generator: the changes to make of it.

        `target` is that of the image; some steps draw by its boxes.
        """
        changes: list[Change] = []
        first = size
        for step in self.steps:
            row = TRANSFORMS[step.name]
            if row.sees is not None and hasattr(target, "corners"):
                drawn = row.sees(step.args, size, rng, target.moved(first, changes).corners)
            else:
                drawn = row.draw(step.args, size, rng) if row.draw else ()
            for change in drawn:
                changes.append(change)
                size = change.size(size)
        return tuple(changes)

    @property
    def sees(self) -> bool:
        """Whether a step draws by the boxes of an image."""
        return any(TRANSFORMS[step.name].sees for step in self.steps)
