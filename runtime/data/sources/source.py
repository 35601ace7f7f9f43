"""What a source of images is in the language: its row, what lists it, and arguments that several rows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Either, Entry, ListOf, NothingType, Text, Word
from runtime.data.targets import BOXES, CLASS, LABELS, MASK, TargetKind

if TYPE_CHECKING:
    from runtime.data.listing import Listing

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A source: its row, what lists it, and the kinds of targets that it gives.

    `load` takes the recipe's arguments, and whether the set is for training; one that is not may lack classes.
    `by_kind` are other defaults of arguments, by the kind of targets that the recipe learns.
    `licence` is of the images, empty where they are the user's; `shows_characters` is whether a mirror image of one is
    another. One that `has_columns` is a table: what others of these say of an image is known by their names.
    """

    entry: Entry
    load: Callable[[Args, bool], Listing]
    gives: Callable[[Args], frozenset[TargetKind]] = lambda args: frozenset((CLASS,))
    by_kind: Mapping[str, Mapping[TargetKind, Any]] = field(default_factory=dict)
    licence: str = ""
    shows_characters: bool = False
    has_columns: bool = False


CLASSES = Arg(
    "classes",
    Either((NothingType(), ListOf(Text()))),
    "The classes in order; objects of others are left out. By default all that the images show, sorted.",
    None,
)
TARGETS = Arg(
    "targets",
    Word(
        {
            "boxes": "Boxes of objects.",
            "masks": "The class of each pixel; what no object shows is `background`.",
            "labels": "The classes of the objects, as labels of the image.",
        }
    ),
    "What is learned; by default what the task takes.",
    "boxes",
    since="0.2",
)
OF_KIND: Mapping[str, Mapping[TargetKind, Any]] = {"targets": {BOXES: "boxes", MASK: "masks", LABELS: "labels"}}
"""What `TARGETS` is by default, by the kind of targets that the recipe learns."""

NAMES = Arg(
    "names",
    Either((NothingType(), ListOf(Text()))),
    "The classes in the order of their numbers, from 0; by default what is there, a number being its own name.",
    None,
)


def names_of(args: Args) -> tuple[str, ...] | None:
    """Return the classes of `NAMES`."""
    return None if args["names"] is None else tuple(each.value for each in args["names"])


def classes_of(args: Args) -> tuple[str, ...] | None:
    """Return the classes of `CLASSES`."""
    return None if args["classes"] is None else tuple(each.value for each in args["classes"])


def either(args: Args) -> frozenset[TargetKind]:
    """Return the kind that `TARGETS` says."""
    return frozenset(kind for kind, word in OF_KIND["targets"].items() if word == args["targets"])


def of_objects(listing: Listing, args: Args) -> Listing:
    """Return objects as `TARGETS` says: with their boxes, or their classes as labels of the image."""
    from runtime.data.sources.table_labels import labels_of_objects

    return labels_of_objects(listing) if args["targets"] == "labels" else listing
