"""Objects as targets: what is known of them, how sets are drawn, and what makes them unusable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import counted
from runtime.data.boxes import Boxes
from runtime.data.listing import Listing
from runtime.tasks.class_names import beside_number
from runtime.tasks.detection.problems import ClassLeftWithoutObjects, UnknownObjects

_SHOWN = 8  # on the screen


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """The class names in order, and for each set the objects of each class that count and the count of images.

    `empty` are the images of each set without objects, `dropped` how many objects of the training set are left out, by
    reason. `thresholds` are the scores from which on a finished run shows a class.
    """

    classes: tuple[str, ...]
    objects: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    empty: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()

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
        pairs = zip(self.classes, self.objects["train"], strict=True)
        each = [f"{beside_number(name)} ({counted(count, 'object')})" for name, count in pairs]
        return "classes", f"{len(each)}: {', '.join(each[:_SHOWN])}{', …' if len(each) > _SHOWN else ''}"

    def brief(self) -> str:
        """Return what `ftr plan` says behind the training images."""
        empty = f", {self.empty['train']:,} images without" if self.empty.get("train") else ""
        objects, classes = sum(self.objects["train"]), counted(len(self.classes), "class", "classes")
        return f" ({counted(objects, 'object')} of {classes}{empty})"

    def outputs(self) -> str:
        """Return what an exported model gives."""
        shown = ", ".join(self.classes[:_SHOWN]) + (", …: see classes.json" if len(self.classes) > _SHOWN else "")
        return (
            "(batch, 100, 6), the surest first: class, score and x0, y0, x1, y1 in pixels of the input, -1 in rows"
            f" beyond the last object; the classes are {shown}"
        )


def facts(sets: Mapping[str, Listing]) -> BoxFacts:
    """Return what is known of the objects of the sets."""
    return BoxFacts(
        sets["train"].names,
        objects={name: object_counts(each) for name, each in sets.items()},
        empty={name: sum(not len(sample.target) for sample in each.samples) for name, each in sets.items()},
        dropped=sets["train"].dropped,
        counts={name: (len(each.samples),) for name, each in sets.items()},
    )


def object_counts(listing: Listing) -> tuple[int, ...]:
    """Return the number of objects of each class that count, in the order of the names."""
    found = np.zeros(len(listing.names), np.int64)
    for sample in listing.samples:
        found += np.bincount(sample.target.classes[sample.target.counts], minlength=len(found))
    return tuple(found.tolist())


def strata(listing: Listing) -> dict[str, tuple[int, ...]]:
    """Return the classes that each image shows."""
    return {sample.id: tuple(np.unique(sample.target.classes).tolist()) for sample in listing.samples}


def align(listing: Listing, classes: tuple[str, ...], set_name: str) -> Listing:
    """Return a listing with its objects renumbered, by name, to the classes of training.

    Raises:
        RecipeError: it has objects of a class that training has not.
    """
    if listing.names == classes:
        return listing
    counts = object_counts(listing)
    unknown = tuple(n for n, count in zip(listing.names, counts, strict=True) if count and n not in classes)
    if unknown:
        nearest = suggest(unknown[0], classes)
        raise RecipeError(UnknownObjects(set_name=set_name, names=unknown, classes=classes, nearest=nearest))
    place = np.array([classes.index(name) if name in classes else -1 for name in listing.names])
    samples = (replace(sample, target=_renumbered(sample.target, place)) for sample in listing.samples)
    return replace(listing, samples=tuple(samples), names=classes)


def _renumbered(boxes: Boxes, place: np.ndarray[Any, Any]) -> Boxes:
    found = replace(boxes, classes=place[boxes.classes])
    return found.chosen(found.classes >= 0)  # a class that has ignored objects alone


def without_objects(sets: Mapping[str, Listing]) -> list[Problem]:
    """Return the classes of which the training images have no object left."""
    train = sets["train"]
    empty = tuple(name for name, count in zip(train.names, object_counts(train), strict=True) if not count)
    return [ClassLeftWithoutObjects(names=empty)] if empty else []


def text(boxes: Boxes, names: tuple[str, ...]) -> str:
    """Return boxes as text, from which they could be had again."""
    rows: Iterable[str] = (
        " ".join(
            [names[label], *map(repr, corners), *(["difficult"] if difficult else []), *(["crowd"] if crowd else [])]
        )
        for label, corners, difficult, crowd in zip(
            boxes.classes.tolist(), boxes.corners.tolist(), boxes.difficult, boxes.crowd, strict=True
        )
    )
    return "; ".join([*rows, f"of {boxes.frame}" if boxes.frame is not None else "of any size"])


def caption(boxes: Boxes, names: Sequence[str]) -> str:
    """Return how many objects of each class there are."""
    each = np.bincount(boxes.classes, minlength=len(names)).tolist()
    return (
        ", ".join(f"{count} x {beside_number(name)}" for name, count in zip(names, each, strict=True) if count)
        or "nothing"
    )


SHOWN = 0.4
"""The score from which on an object is shown where validation has not said which."""


def thresholds(result: Mapping[str, Any], names: Sequence[str]) -> tuple[float, ...]:
    """Return the score of each class with the best F1 on validation, according to `result.json`."""
    valid = result.get("valid")
    rows = valid.get("by_class") if isinstance(valid, dict) else None
    best = {
        row["name"]: row["threshold"]
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and isinstance(row.get("name"), str) and _is_share(row.get("threshold"))
    }
    return tuple(best.get(name, SHOWN) for name in names)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
