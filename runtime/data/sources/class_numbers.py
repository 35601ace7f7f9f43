"""Classes from what files of many images say of each: a number, or a name; and the listing made of that.

`names`, where a recipe gives them, are the classes in the order of their numbers. Without them the labels themselves
are the names, sorted by value where all are numbers, else by code points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few, counted
from runtime.data import problems
from runtime.data.listing import ImageRef, Listing, Sample
from runtime.data.similar_labels import NUMBER, alike, seen
from runtime.data.sources.problems import BadRecord


def listing_of_classes(
    path: Path,
    ids: Iterable[str],
    labels: Sequence[str],
    images: Iterable[ImageRef],
    names: Sequence[str] | None,
    training: bool,
    place: Callable[[int], str] = lambda number: f"record {number + 1:,}",
) -> Listing:
    """Return images with their classes; `place` says where the label of an image stands, by its position.

    For a set that only evaluates (`training` false) one class is enough.

    Raises:
        RecipeError: a label is none of the classes, or there is but one.
    """
    there = dict.fromkeys(labels)
    classes = tuple(names) if names is not None else _sorted(there)
    if names is None and (groups := alike(classes, seen)):
        raise RecipeError([problems.LabelsAlike(path=str(path), names=group) for group in groups])
    position = _position(classes, there)
    for label in there:
        if label not in position:
            reason = f"its class is `{label}`, and `names` has {counted(len(classes), 'class', 'classes')}"
            hint = f"`names` are all classes in the order of their numbers, from 0; it has {a_few(classes)}"
            raise RecipeError(BadRecord(path=str(path), place=place(labels.index(label)), reason=reason, hint=hint))
    if training and len(there) == 1:
        raise RecipeError(problems.OneClass(path=str(path), name=classes[position[labels[0]]]))
    rows = zip(ids, labels, images, strict=True)
    return Listing(tuple(Sample(id, position[label], image) for id, label, image in rows), classes)


def _sorted(labels: Iterable[str]) -> tuple[str, ...]:
    are_numbers = all(map(NUMBER.fullmatch, labels))
    return tuple(sorted(labels, key=lambda text: (float(text) if are_numbers else 0, text)))


def _position(classes: Sequence[str], labels: Iterable[str]) -> dict[str, int]:
    """Return the class of each label that has one: of its name, or where not all are names, of its number."""
    by_name = {name: number for number, name in enumerate(classes)}
    if all(label in by_name for label in labels):
        return by_name
    whole = (label for label in labels if label.isascii() and label.isdecimal() and len(label) < 10)
    return {label: int(label) for label in whole if int(label) < len(classes)}
