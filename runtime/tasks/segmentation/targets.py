"""Masks as targets: what is known of them, and what sets of them must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipe_lang.problem import RecipeError
from recipe_lang.words import printable
from runtime.data.listing import Listing
from runtime.tasks.segmentation.problems import OtherClasses

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """The class names in order, and for each set the count of images, alone in a tuple."""

    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return self.classes

    def as_file(self) -> Any:
        """Return the content of `classes.json`."""
        return self.classes

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of them."""
        return {"classes": list(self.classes)}

    def row(self) -> tuple[str, str]:
        """Return the row of `ftr plan --all`."""
        shown = ", ".join(map(printable, self.classes[:_SHOWN])) + (", …" if len(self.classes) > _SHOWN else "")
        return "classes", f"{len(self.classes)}: {shown}"

    def brief(self) -> str:
        """Return what `ftr plan` says behind the training images."""
        return f" (masks of {len(self.classes):,} classes)"

    def outputs(self) -> str:
        """Return what an exported model gives."""
        return f"scores of the classes for each cell, (batch, classes, h, w), in this order: {', '.join(self.classes)}"


def align(listing: Listing, classes: tuple[str, ...], set_name: str) -> Listing:
    """Return the listing if its classes are those of training, in their order.

    Raises:
        RecipeError: they are not.
    """
    if listing.names != classes:
        raise RecipeError(OtherClasses(set_name=set_name, names=listing.names, classes=classes))
    return listing
