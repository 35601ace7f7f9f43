"""What `ftr new` says of masks, and chooses by them."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_lang.words import listed, printable
from runtime.data.listing import Listing

_ENOUGH_TO_OPEN = 100  # images, each of which has many pixels to learn from


@dataclass(frozen=True, slots=True)
class MaskSuggestion:
    """What the protocol's `Suggestion` asks for; `train` are the images before anything is held out."""

    train: Listing

    held = "drawn at random"
    detail = "."
    metric = "miou"
    why_metric = "Each class has equal weight, however few of the pixels show it."
    can_be_tested = True
    uncropped = ""

    @property
    def summary(self) -> str:
        return f"masks of {listed(tuple(printable(name) for name in self.train.names), 'and')}"

    @property
    def too_few(self) -> str:
        count = len(self.train.samples)
        return f"{count} images" if count < _ENOUGH_TO_OPEN else ""

    @property
    def enough(self) -> str:
        return f"{len(self.train.samples):,} images suffice"

    def unmonitored(self, training: Listing) -> tuple[str, str]:
        return "", ""

    def sided(self, drawn: bool) -> str:
        return ""
