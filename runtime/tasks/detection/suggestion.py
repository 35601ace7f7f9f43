"""What `ftr new` says of boxes, and chooses by them."""

from __future__ import annotations

from recipe_lang.words import counted
from runtime.data.listing import Listing
from runtime.tasks.class_names import beside_number
from runtime.tasks.detection.targets import object_counts
from runtime.tasks.protocol import Suggestion, enough_images

_ENOUGH_TO_OPEN = 50  # images


def suggested(train: Listing) -> Suggestion:
    """Return what `ftr new` says of the boxes."""
    too_few, enough = enough_images(train, _ENOUGH_TO_OPEN)
    return Suggestion(
        summary=_summary(train),
        metric="ap",
        held="stratified by the classes that they show",
        uncropped="A part of an image shows a part of its objects.",
        too_few=too_few,
        enough=enough,
    )


def _summary(train: Listing) -> str:
    counts = sorted(zip(object_counts(train), train.names, strict=True), reverse=True)
    shown = [f"{beside_number(name, 40)} {count:,}" for count, name in counts]
    if len(shown) > 6:
        shown[3:-2] = ["…"]
    objects, classes = sum(count for count, _ in counts), counted(len(counts), "class", "classes")
    return f"{counted(objects, 'object')} of {classes} ({', '.join(shown)})"
