"""How many images of a run have transparency, or values that end early, and what is said of them.

In go the traits of images (`runtime/data/images.py`); out come lines for a person: what is done to such images where
the recipe does not say what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recipe_lang.words import counted
from runtime.data.images import Traits
from runtime.plan.types import Component

_FEWEST_BITS = 15  # of 16; a set whose values need fewer than that is shown in the darkest quarter


@dataclass(slots=True)
class Tally:
    """Counts images, those with transparency, and those of 16 bits; `peak` is the largest value of the latter."""

    images: int = 0
    transparent: int = 0
    deep: int = 0
    peak: int = 0

    def add(self, traits: Traits) -> None:
        """Count an image."""
        self.images += 1
        self.transparent += traits.transparent
        self.deep += traits.peak > 0
        self.peak = max(self.peak, traits.peak)

    @property
    def levels(self) -> int | None:
        """The value that is white by all appearances, as 4095 of 12 bits; None where 16 bits are in use."""
        bits = self.peak.bit_length()
        return 2**bits - 1 if 0 < bits < _FEWEST_BITS else None

    def notes(self, steps: Sequence[Component]) -> Iterator[str]:
        """Yield what is done to such images, as far as no step of `prepare` says it."""
        chosen = {step.name for step in steps}
        if self.transparent and "flatten_alpha" not in chosen:
            count = f"{self.transparent:,} of {counted(self.images, 'image')}"
            verb = "has" if self.transparent == 1 else "have"
            yield f"{count} {verb} transparency: flattened onto white (`flatten_alpha` in `prepare` chooses)"
        if self.levels is not None and "levels" not in chosen:
            yield f"{dark(self.deep, self.peak)} (`levels({self.levels})` in `prepare` makes that white)"


def dark(count: int, peak: int) -> str:
    """Say of images of 16 bits that their values end early."""
    return f"the values of {counted(count, 'image')} of 16 bits end at {peak:,} of 65,535: they look nearly black"
