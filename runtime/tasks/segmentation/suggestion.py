"""What `ftr new` says of masks, and chooses by them."""

from __future__ import annotations

from recipe_lang.words import listed, printable
from runtime.data.listing import Listing
from runtime.tasks.protocol import Suggestion, enough_images


def suggested(train: Listing, few: int) -> Suggestion:
    """Return what `ftr new` says of the masks."""
    too_few, enough = enough_images(train, few)
    return Suggestion(
        summary=f"masks of {listed(tuple(printable(name) for name in train.names), 'and')}",
        metric="miou",
        why_metric="Each class has equal weight, however few of the pixels show it.",
        held="stratified by the classes that they show",
        too_few=too_few,
        enough=enough,
    )
