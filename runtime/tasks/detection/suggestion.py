"""What `ftr new` says of boxes, and chooses by them."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_lang.words import counted, printable
from runtime.data.listing import Listing
from runtime.tasks.detection.targets import object_counts

_ENOUGH_TO_OPEN = 50  # images


@dataclass(frozen=True, slots=True)
class BoxSuggestion:
    """What the protocol's `Suggestion` asks for; `train` are the images before anything is held out."""

    train: Listing

    held = "stratified by the rarest class that they show"
    detail = "."
    metric = "ap"
    why_metric = ""
    can_be_tested = True
    uncropped = "A part of an image shows a part of its objects."

    @property
    def summary(self) -> str:
        counts = sorted(zip(object_counts(self.train), self.train.names, strict=True), reverse=True)
        shown = [f"{printable(name)[:40]} {count:,}" for count, name in counts]
        if len(shown) > 6:
            shown[3:-2] = ["…"]
        objects, classes = sum(count for count, _ in counts), counted(len(counts), "class", "classes")
        return f"{counted(objects, 'object')} of {classes} ({', '.join(shown)})"

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
