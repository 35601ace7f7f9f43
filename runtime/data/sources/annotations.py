"""Annotations of objects, whatever file they come from: what a reader finds in it, and the listing made of that.

A reader gives an `Annotated` for each image, with the objects as they are written. What no network can learn of is
left out here, by rule, and counted: boxes without an area, inverted ones, those outside of their image, and objects of
classes that the recipe does not name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data.boxes import Boxes
from runtime.data.listing import DroppedObject, Embedded, Listing, Sample
from runtime.data.similar_labels import meant
from runtime.data.sources.problems import (
    BackgroundClass,
    BadAnnotation,
    ClassesWithoutObjects,
    ImagesNotThere,
    NoObjects,
)
from runtime.plan.size import Size

_SHOWN = 5
_LARGEST = 1e7  # pixels of a side: what is beyond is no place in an image
OTHER_CLASS, INVERTED = "of classes that `classes` does not name", "inverted"
NO_AREA, OUTSIDE = "without an area", "outside of their image"
"""Why an object takes no part."""
_BACKGROUND = frozenset(("background", "void", "unlabeled", "unlabelled", "ignore"))


@dataclass(frozen=True, slots=True)
class Object:
    """An object: its class and its box, as pixels or fractions, and what is to be known of it."""

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool = False
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """An image with its objects; `frame` is its size according to the annotation."""

    id: str
    image: Path | Embedded
    objects: Sequence[Object]
    frame: Size | None = None


class AnnotationError(ValueError):
    """An annotation that cannot be used: what is wrong, and in which line."""

    def __init__(self, reason: str, line: int = 0, hint: str = "") -> None:
        super().__init__(reason)
        self.line, self.hint = line, hint


def bad_annotation(path: Path, fault: AnnotationError) -> RecipeError:
    """Return the error that names the file and the line."""
    return RecipeError(BadAnnotation(path=str(path), line=fault.line, reason=str(fault), hint=fault.hint))


def number(text: str, what: str, line: int) -> float:
    """Return a coordinate.

    Raises:
        AnnotationError: it is not a finite number, or far too large.
    """
    try:
        found = float(text)
    except ValueError:
        raise AnnotationError(f"{what} is `{text[:40]}`, no number", line) from None
    if not isfinite(found) or abs(found) > _LARGEST:
        raise AnnotationError(f"{what} is {text[:40]}, no place in an image", line)
    return found


def listing(
    path: Path,
    found: Sequence[Annotated],
    classes: Sequence[str] | None,
    training: bool,
    declared: Sequence[str] = (),
) -> Listing:
    """Return images with their boxes. Classes are those that the recipe names, else all that objects have, sorted.

    `declared` are those that the annotation lists, with objects or without.

    Raises:
        RecipeError: an image is not there, nothing can be learned, or a class cannot be one.
    """
    missing = [each for each in found if isinstance(each.image, Path) and not os.path.isfile(each.image)]
    if missing:
        names = tuple(str(each.image) for each in missing[:_SHOWN])
        raise RecipeError(ImagesNotThere(path=str(path), names=names, total=len(missing)))
    counts = Counter(item.name for each in found for item in each.objects)
    names = tuple(classes) if classes is not None else tuple(sorted(counts))
    _check_classes(path, names, counts, classes is not None, training)
    dropped: list[DroppedObject] = []
    samples = tuple(Sample(each.id, _boxes(each, names, dropped), each.image) for each in found)
    unused = tuple(dict.fromkeys(name for name in declared if not counts[name]))
    return Listing(samples, names, left_out=tuple(dropped), unused=unused)


def _check_classes(path: Path, names: Sequence[str], counts: Counter[str], fixed: bool, training: bool) -> None:
    background = tuple(name for name in names if meant(name).strip(" _") in _BACKGROUND)
    if background:
        raise RecipeError(BackgroundClass(path=str(path), names=background))
    if training and not counts:
        raise RecipeError(NoObjects(path=str(path)))
    empty = tuple(name for name in names if not counts[name])
    if training and fixed and empty:
        nearest = suggest(empty[0], [name for name in counts if name not in names])
        raise RecipeError(
            ClassesWithoutObjects(path=str(path), names=empty, there=tuple(sorted(counts)), nearest=nearest)
        )


def _boxes(each: Annotated, names: Sequence[str], dropped: list[DroppedObject]) -> Boxes:
    place = {name: number for number, name in enumerate(names)}
    kept = []
    for item in each.objects:
        why = _no_use(item, place, each.frame)
        if why:
            dropped.append(DroppedObject(each.id, why, item.name, item.corners))
        else:
            kept.append(item)
    return Boxes.of(
        [item.corners for item in kept],
        [place[item.name] for item in kept],
        [item.difficult for item in kept],
        [item.crowd for item in kept],
        [_area(item) if item.area is None else item.area for item in kept],
        each.frame,
    )


def _no_use(item: Object, names: Iterable[str], frame: Size | None) -> str:
    """Return why an object is left out; nothing where it is not."""
    x0, y0, x1, y1 = item.corners
    if item.name not in names:
        return OTHER_CLASS
    if x1 < x0 or y1 < y0:
        return INVERTED
    if x1 == x0 or y1 == y0:
        return NO_AREA
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if frame is not None and not (0 <= x < frame.width and 0 <= y < frame.height):
        return OUTSIDE
    return ""


def _area(item: Object) -> float:
    x0, y0, x1, y1 = item.corners
    return (x1 - x0) * (y1 - y0)
