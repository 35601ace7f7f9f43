"""What `ftr new` says of masks, and chooses by them."""

from __future__ import annotations

from recipe_lang.words import listed, printable
from runtime.data.listing import Listing
from runtime.tasks.protocol import Suggestion, enough_images

_ENOUGH_TO_OPEN = 100  # images, each of which has many pixels to learn from


def suggested(train: Listing) -> Suggestion:
    """Return what `ftr new` says of the masks."""
    too_few, enough = enough_images(train, _ENOUGH_TO_OPEN)
    return Suggestion(
        summary=f"masks of {listed(tuple(printable(name) for name in train.names), 'and')}",
        metric="miou",
        why_metric="Each class has equal weight, however few of the pixels show it.",
        held="stratified by the classes that they show",
        too_few=too_few,
        enough=enough,
    )
