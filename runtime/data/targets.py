"""Kinds of targets, and what is asked of those of a set. What they mean is the business of a task.

A source gives targets of one kind, a task takes one: `CLASS`, a position in the listing's names, `LABELS`, a tuple of
such positions, in order, `NUMBERS`, a tuple of a float for each of the names, `MASK`, a `Mask`
(`runtime/data/masks.py`), whose class positions are such, or `BOXES`, a `Boxes` (`runtime/data/boxes.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recipe_lang.problem import Problem

if TYPE_CHECKING:
    from runtime.data.listing import Listing


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A kind of targets: what those of many images are called, and a source that gives them, as a recipe writes it."""

    plural: str
    source: str


CLASS = TargetKind("classes", 'folder("…")')
NUMBERS = TargetKind("numbers", 'csv("…", image = "file", target = "column")')
LABELS = TargetKind("labels", 'csv("…", image = "file", labels = "column")')
MASK = TargetKind("masks", 'masks("images", "masks", classes = ["…", "…"])')
BOXES = TargetKind("boxes of objects", 'voc("…")')


class SetRules(Protocol):
    """What a task asks of the targets of sets."""

    @abstractmethod
    def strata(self, listing: Listing) -> Mapping[str, int | tuple[int, ...]]:
        """Return the stratum of each sample by its id, or the labels that it has: parts are drawn from each alike."""

    @abstractmethod
    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        """Return a listing with its targets as those of training, whose names these are.

        Raises:
            RecipeError: it has targets that training has not.
        """

    def problems(self, sets: Mapping[str, Listing]) -> list[Problem]:
        """Return what makes targets unusable; `train` among the sets is the training set."""
        return []
