"""What `ftr data check` finds in boxes: those that are there twice, too small, of another image, or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from recipe_lang.words import counted, printable
from runtime.data.boxes import FRACTIONS, Boxes, overlaps
from runtime.data.images import ImageError
from runtime.data.listing import Listing
from runtime.plan.size import Size
from runtime.tasks.detection.assignment import LEAST_SIDE
from runtime.tasks.detection.targets import object_counts

_TWICE = 0.95  # overlap from which on two boxes are one
_AGREE = 0.5


def of_sets(sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
    """Yield the classes that not all sets have objects of."""
    for label in sets["train"].unused:
        if all(label in each.unused for each in sets.values() if each.unused):
            yield "one_set", f"{printable(label)}: the annotation lists it, and no object has it"
    if len(sets) < 2:
        return
    counts = {name: object_counts(listing) for name, listing in sets.items()}
    for place, label in enumerate(next(iter(sets.values())).names):
        having = {name: each[place] for name, each in counts.items() if each[place]}
        if len(having) < len(sets):
            shown = ", ".join(f"{counted(count, 'object')} in {name}" for name, count in having.items())
            lacking = ", ".join(name for name in sets if name not in having)
            yield "one_set", f"{printable(label)}: {shown or 'no object'}, none in {lacking}"


def of_image(boxes: Boxes, size: Size, learned: Size, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of the boxes of an image of a size; `learned` is that of the network's input."""
    frame = boxes.frame
    if frame is not None and frame not in (size, FRACTIONS):
        try:
            boxes.at(size)
        except ImageError as fault:
            yield "frame", str(fault)
            return
        yield "scaled", f"it has {size} pixels, its annotation is of {frame}: boxes are scaled"
    if not len(boxes):
        yield "empty", ""
        return
    here = boxes.at(size)
    yield from _twice(here, names)
    sides = (here.corners[:, 2:] - here.corners[:, :2]) * (learned.width / size.width, learned.height / size.height)
    tiny = here.counts & (sides < LEAST_SIDE).any(axis=1)
    if tiny.any():
        least = " x ".join(f"{side:.1f}" for side in sides[tiny][sides[tiny].min(axis=1).argmin()])
        yield "tiny", f"{counted(int(tiny.sum()), 'object')}, the least {least} pixels of the network's input"


def _twice(here: Boxes, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    rows, columns = np.nonzero(np.triu(overlaps(here.corners, here.corners) >= _TWICE, 1))
    same = here.classes[rows] == here.classes[columns]
    if same.any():
        each = Counter(names[label] for label in here.classes[rows[same]])
        yield "box_twice", ", ".join(f"{printable(name)} {count}" for name, count in each.items())
    if not same.all():
        pairs = {
            f"{printable(names[one])} and {printable(names[other])}"
            for one, other in zip(here.classes[rows[~same]], here.classes[columns[~same]], strict=True)
        }
        yield "box_classes", ", ".join(sorted(pairs))


def compared(one: Boxes, other: Boxes) -> str:
    """Say how many boxes of two images that are the same, or nearly so, agree; one may be the mirror image."""
    scaled = [_as_fractions(each) for each in (one, other)]
    mirrored = replace(scaled[1], corners=np.array([1, 0, 1, 0]) + scaled[1].corners[:, [2, 1, 0, 3]] * [-1, 1, -1, 1])
    agree = max(_agreeing(scaled[0], each) for each in (scaled[1], mirrored))
    most = max(len(one), len(other))
    if not most:
        return "both without objects"
    return f"all {counted(most, 'box', 'boxes')} agree" if agree == most else f"{agree} of {most} boxes agree"


def _as_fractions(boxes: Boxes) -> Boxes:
    frame = boxes.frame
    if frame is None:  # its image is not read for this
        reach = boxes.corners[:, 2:].max(axis=0, initial=1.0)
        frame = Size(int(reach[1]) + 1, int(reach[0]) + 1)
    return replace(boxes, corners=boxes.corners / (frame.width, frame.height, frame.width, frame.height))


def _agreeing(one: Boxes, other: Boxes) -> int:
    """Return how many boxes have a partner of their class; each is one at most once, the largest overlap first."""
    shared = overlaps(one.corners, other.corners) * (one.classes[:, None] == other.classes[None])
    count = 0
    while shared.size and shared.max() >= _AGREE:
        row, column = np.unravel_index(shared.argmax(), shared.shape)
        shared[row], shared[:, column] = 0, 0
        count += 1
    return count
