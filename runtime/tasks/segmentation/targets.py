"""Masks as targets: what is known of them, and what sets of them must satisfy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.words import printable
from runtime.data.listing import Listing, Pixels
from runtime.tasks.segmentation.contents import contents
from runtime.tasks.segmentation.problems import OtherClasses

if TYPE_CHECKING:
    from runtime.plan.types import TargetFacts

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """The class names in order, and for each set the count of images, alone in a tuple.

    `shares` are the classes' shares of the training pixels, where a loss has asked for them.
    """

    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    shares: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return self.classes

    def as_file(self) -> Any:
        """Return the content of `classes.json`."""
        return self.classes

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of them."""
        return {"classes": list(self.classes), **({"shares": list(self.shares)} if self.shares else {})}

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


def with_shares(facts: TargetFacts, train: Listing) -> TargetFacts:
    """Return the facts with the shares of the classes, of all pixels that count; each image counts alike.

    Masks that cannot be read are left out here: reading the images of a run says which these are.
    """
    assert isinstance(facts, MaskFacts)
    rows = np.nan_to_num(contents(train).astype(np.float64))
    found = (rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9)).sum(axis=0)
    return replace(facts, shares=tuple((found / max(1.0, found.sum())).tolist()))


def collated(targets: Sequence[Pixels]) -> Pixels:
    """Return masks as one array, uint8 (N, H, W); of different sizes, which measuring alone gets, N arrays in one."""
    if len({each.shape for each in targets}) == 1:
        return np.stack(targets)
    found = np.empty(len(targets), object)
    found[:] = targets
    return found


def align(listing: Listing, classes: tuple[str, ...], set_name: str) -> Listing:
    """Return the listing if its classes are those of training, in their order.

    Raises:
        RecipeError: they are not.
    """
    if listing.names != classes:
        raise RecipeError(OtherClasses(set_name=set_name, names=listing.names, classes=classes))
    return listing
