"""What `ftr new` says of classes, and chooses by them. The rules of thumb are the constants below."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runtime.data.listing import Listing
from runtime.tasks.class_names import beside_number
from runtime.tasks.classification.targets import UNEQUAL, UNEQUAL_BY_FAR, class_counts
from runtime.tasks.protocol import Suggestion

_UNEQUAL = 1.5  # largest class to smallest, from which on accuracy hides the smaller one
_FEW = 10  # images of a class, below which it is named
_FEW_DIGITS = 8  # classes, below which digits are codes or grades rather than pictures of digits
_FEW_LETTERS = 5  # classes, below which letters are names unless the images are small and grey
_ENOUGH_TO_OPEN = 50  # images per class, from which on trained blocks gain more than they forget

_CHARACTER = re.compile(r"[^\W_]|zero|one|two|three|four|five|six|seven|eight|nine", re.IGNORECASE)
_SIDED = re.compile(r"(?<![a-z])(left|right|(counter|anti)?clockwise)(?![a-z])", re.IGNORECASE)


def suggested(train: Listing) -> Suggestion:
    """Return what `ftr new` says of the classes."""
    counts, each = class_counts(train), len(train.samples) // len(train.names)
    metric = "balanced_accuracy" if _inequality(train) >= _UNEQUAL else "accuracy"
    few = f"{each} images a class" + ("" if min(counts) == each else f", {min(counts)} in the smallest,")
    ratio = f"{_inequality(train):.1f}"
    is_by_far = _inequality(train) > UNEQUAL_BY_FAR
    sizes = f", the largest {ratio} times the smallest" if ratio != "1.0" else " of about the same size"
    return Suggestion(
        summary=f"{len(train.names):,} classes{sizes}",
        detail=_by_size(train),
        metric=metric,
        why_metric="The classes are imbalanced; here each has equal weight." if metric != "accuracy" else "",
        held="stratified by class",
        can_be_tested=min(counts) >= _FEW,
        too_few=few if each < _ENOUGH_TO_OPEN else "",
        enough=f"{each:,} images a class suffice",
        loss="logit_adjusted" if is_by_far else "",
        why_loss="Rare classes would be answered too seldom: in training each has to win by more, the rarer it is.",
        unmonitored=_unmonitored,
        sided=lambda drawn: _sided(train.names, drawn),
    )


def _by_size(train: Listing) -> str:
    """Return the classes by size, the middle ones left out, and those with few images."""
    counts = sorted(zip(class_counts(train), train.names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    shown = [f"{beside_number(name, 40)} {count:,}" for count, name in counts]
    if len(shown) > 6:
        shown[3:-2] = ["…"]
    few = sum(count < _FEW for count, _ in counts)
    have, them = ("has", "it") if few == 1 else ("have", "them")
    named = f" {few} of the classes {have} fewer than {_FEW} images, too few to judge {them} by." if few else ""
    return f" ({', '.join(shown)}).{named}"


def _unmonitored(training: Listing) -> tuple[str, str]:
    if _inequality(training) <= UNEQUAL:
        return "", ""
    return "  # allow: W740", "Very imbalanced: claim the metric at the end, and this comment can go."


def _sided(names: Sequence[str], drawn: bool) -> str:
    if _are_characters(names, surely=drawn):
        return "the classes look like characters"
    return "a class is called left or right" if any(map(_SIDED.search, names)) else ""


def _inequality(listing: Listing) -> float:
    return max(class_counts(listing)) / max(1, min(class_counts(listing)))


def _are_characters(classes: Sequence[str], surely: bool) -> bool:
    """Whether images show characters: `a` and `b` are only where they are `surely` drawn, or one of several letters."""
    if all(name.isdigit() for name in classes) and len(classes) < _FEW_DIGITS:
        return False
    return all(map(_CHARACTER.fullmatch, classes)) and (
        surely or len(classes) >= _FEW_LETTERS or all(len(name) > 1 for name in classes)
    )
