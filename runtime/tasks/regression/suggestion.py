"""What `ftr new` says of numbers, and chooses by them."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from statistics import median

from recipe_lang.words import listed, printable
from runtime.data.listing import Listing

_ENOUGH_TO_OPEN = 200  # images, as many as four classes need


@dataclass(frozen=True, slots=True)
class NumberSuggestion:
    """What the protocol's `Suggestion` asks for; `train` are the images before anything is held out."""

    train: Listing

    held = "stratified by value"
    metric = "mae"
    why_metric = "Mean absolute error, in the units of the data."
    can_be_tested = True
    uncropped = "Mirrored only: a crop may change a number such as a size or a count. Leave out what changes yours."

    @property
    def summary(self) -> str:
        ranges = (
            f"{printable(name)[:40]} {min(column):.4g} to {max(column):.4g}"
            for name, column in zip(self.train.names, self._columns, strict=True)
        )
        return listed(tuple(ranges), "and")

    @property
    def detail(self) -> str:
        """What always answering with the median comes to, which a network must undercut."""
        errors = []
        for column in self._columns:
            middle = median(column)
            errors.append(fsum(abs(value - middle) for value in column) / len(column))
        error = fsum(errors) / len(errors)
        return f". The median as the answer for every image has an MAE of {error:.3g}: a network must do better."

    @property
    def too_few(self) -> str:
        count = len(self.train.samples)
        return f"{count} images" if count < _ENOUGH_TO_OPEN else ""

    @property
    def enough(self) -> str:
        return f"{len(self.train.samples):,} images suffice"

    @property
    def _columns(self) -> list[tuple[float, ...]]:
        return list(zip(*(sample.target for sample in self.train.samples), strict=True))

    def unmonitored(self, training: Listing) -> tuple[str, str]:
        return "", ""

    def sided(self, drawn: bool) -> str:
        return ""
