"""What `ftr new` says of classes, and chooses by them. The rules of thumb are the constants below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.data.listing import Listing
from runtime.tasks.classification.targets import UNEQUAL, class_counts

_UNEQUAL = 1.5  # largest class to smallest, from which on accuracy hides the smaller one
_FEW = 10  # images of a class, below which it is named
_FEW_DIGITS = 8  # classes, below which digits are codes or grades rather than pictures of digits
_FEW_LETTERS = 5  # classes, below which letters are names unless the images are small and grey
_ENOUGH_TO_OPEN = 50  # images per class, from which on trained blocks gain more than they forget

_CHARACTER = re.compile(r"[^\W_]|zero|one|two|three|four|five|six|seven|eight|nine", re.IGNORECASE)
_SIDED = re.compile(r"(?<![a-z])(left|right|(counter|anti)?clockwise)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ClassSuggestion:
    """What the protocol's `Suggestion` asks for; `train` are the images before anything is held out."""

    train: Listing

    held = "stratified by class"
    uncropped = ""

    @property
    def summary(self) -> str:
        ratio = f"{_inequality(self.train):.1f}"
        times = f", the largest {ratio} times the smallest" if ratio != "1.0" else " of about the same size"
        return f"{len(self.train.names):,} classes{times}"

    @property
    def detail(self) -> str:
        """The classes by size, the middle ones left out, and those with few images."""
        counts = sorted(
            zip(class_counts(self.train), self.train.names, strict=True), key=lambda pair: (-pair[0], pair[1])
        )
        shown = [f"{name[:40]} {count:,}" for count, name in counts]
        if len(shown) > 6:
            shown[3:-2] = ["…"]
        few = sum(count < _FEW for count, _ in counts)
        have, them = ("has", "it") if few == 1 else ("have", "them")
        named = f" {few} of the classes {have} fewer than {_FEW} images, too few to judge {them} by." if few else ""
        return f" ({', '.join(shown)}).{named}"

    @property
    def metric(self) -> str:
        return "balanced_accuracy" if _inequality(self.train) >= _UNEQUAL else "accuracy"

    @property
    def why_metric(self) -> str:
        return "The classes are imbalanced; here each has equal weight." if self.metric != "accuracy" else ""

    @property
    def can_be_tested(self) -> bool:
        return min(class_counts(self.train)) >= _FEW

    @property
    def too_few(self) -> str:
        each, smallest = self._each, min(class_counts(self.train))
        if each >= _ENOUGH_TO_OPEN:
            return ""
        return f"{each} images a class" if smallest == each else f"{each} images a class, {smallest} in the smallest,"

    @property
    def enough(self) -> str:
        return f"{self._each:,} images a class suffice"

    @property
    def _each(self) -> int:
        return len(self.train.samples) // len(self.train.names)

    def unmonitored(self, training: Listing) -> tuple[str, str]:
        if _inequality(training) <= UNEQUAL:
            return "", ""
        return "  # allow: W740", "Very imbalanced: claim the metric at the end, and this comment can go."

    def sided(self, drawn: bool) -> str:
        if _are_characters(self.train.names, surely=drawn):
            return "the classes look like characters"
        return "a class is called left or right" if any(map(_SIDED.search, self.train.names)) else ""


def _inequality(listing: Listing) -> float:
    return max(class_counts(listing)) / max(1, min(class_counts(listing)))


def _are_characters(classes: Sequence[str], surely: bool) -> bool:
    """Whether images show characters: `a` and `b` are only where they are `surely` drawn, or one of several letters."""
    if all(name.isdigit() for name in classes) and len(classes) < _FEW_DIGITS:
        return False
    return all(map(_CHARACTER.fullmatch, classes)) and (
        surely or len(classes) >= _FEW_LETTERS or all(len(name) > 1 for name in classes)
    )
