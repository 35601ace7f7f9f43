"""Images in MXNet's record files: of classes or numbers as `im2rec` writes them, of boxes as GluonCV reads them.

A record is an image file behind its label: one number, or as many of float32 as the head says. For boxes these are the
length of their head, that of a row, more of the head, then a row for each object: the class's number from 0, left, top,
right and bottom as fractions of the image (`im2rec --pack-label`). The index file is not needed, and images stay where
they are: what is listed are their places.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypeVar

from recipe_lang.problem import RecipeError
from runtime.data.boxes import FRACTIONS
from runtime.data.formats import is_image_start
from runtime.data.listing import Embedded, Listing, Sample
from runtime.data.problems import UnreadableData
from runtime.data.sources.annotations import Annotated, AnnotationError, Object, bad_annotation, listing
from runtime.data.sources.class_numbers import listing_of_classes
from runtime.data.sources.files import existing
from runtime.data.sources.problems import BadRecord, NoAnnotations
from runtime.data.targets import CLASS, LABELS, TargetKind

_MAGIC = 0xCED7230A
_HEAD = struct.Struct("<IfQQ")  # how many numbers the label has, or 0 and the number; two ids
_LARGEST = 1 << 28  # bytes of an image with its label
_MOST_PARTS = 1 << 16
_MOST_CLASSES = 100_000
_START = 16  # bytes that tell an image
_BEYOND = 1.5  # a fraction: more than a little outside


@dataclass(frozen=True, slots=True)
class Record:
    """A record: where it begins in the file, its label, and where its image lies."""

    number: int
    offset: int
    label: tuple[float, ...]
    image: Embedded

    @property
    def id(self) -> str:
        """What the image is known by."""
        return f"{self.number:08}"


_Read = TypeVar("_Read")


def rec(path: Path, names: Sequence[str], training: bool = True) -> Listing:
    """List the images of a record file with boxes; `names` are the classes in the order of their numbers.

    Raises:
        RecipeError: the file or a label in it cannot be used.
    """

    def annotated(record: Record) -> Annotated:
        objects = _objects(record.label, names, f"record {record.number + 1}")
        return Annotated(record.id, record.image, objects, FRACTIONS)

    file = existing(path, "file")
    try:
        return listing(file, _each(file, annotated), None, training, names)
    except AnnotationError as fault:
        raise bad_annotation(file, fault) from fault


def rec_labels(path: Path, kind: TargetKind, names: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of a record file with a class each, with labels (a 0 or 1 for each), or with numbers.

    Raises:
        RecipeError: the file or a label in it cannot be used.
    """
    file = existing(path, "file")
    try:
        records = _each(file, lambda record: record)
        if kind == CLASS:
            return _of_classes(file, records, names, training)
        width = len(records[0].label)
        usual = tuple(map(str, range(width))) if kind == LABELS else ("label",) if width == 1 else ()
        called = tuple(names or usual or (f"label {number}" for number in range(1, width + 1)))
        targets = [_numbers(record, len(called), kind == LABELS) for record in records]
    except AnnotationError as fault:
        raise RecipeError(BadRecord(path=str(file), place="", reason=str(fault), hint=fault.hint)) from fault
    samples = (Sample(record.id, target, record.image) for record, target in zip(records, targets, strict=True))
    return Listing(tuple(samples), called)


def first_record(path: Path) -> Record:
    """Return the first record of a file.

    Raises:
        RecipeError: it has none, or is no record file.
        OSError: it cannot be read.
    """
    try:
        found = next(read_rec(path), None)
    except AnnotationError as fault:
        raise RecipeError(BadRecord(path=str(path), place="", reason=str(fault), hint=fault.hint)) from fault
    if found is None:
        raise RecipeError(NoAnnotations(path=str(path), wanted="records"))
    return found


def has_boxes(label: Sequence[float]) -> bool:
    """Whether a label is a list of boxes."""
    if len(label) < 2 or not all(each.is_integer() for each in label[:2]):
        return False
    head, width = int(label[0]), int(label[1])
    return head >= 2 and width >= 5 and len(label) >= head and (len(label) - head) % width == 0


def classes_of_boxes(path: Path) -> set[int]:
    """Return the numbers of the classes of the boxes in a file.

    Raises:
        RecipeError: it is no record file.
    """
    labels = _each(path, lambda record: record.label)
    return {
        int(label[place])
        for label in labels
        if has_boxes(label)
        for place in range(int(label[0]), len(label), int(label[1]))
        if 0 <= label[place] < _MOST_CLASSES
    }


def _each(file: Path, made: Callable[[Record], _Read]) -> list[_Read]:
    try:
        found = [made(record) for record in read_rec(file)]
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or file), reason=reason)) from fault
    if not found:
        raise RecipeError(NoAnnotations(path=str(file), wanted="records"))
    return found


def _of_classes(file: Path, records: Sequence[Record], names: Sequence[str] | None, training: bool) -> Listing:
    labels = [_class(record) for record in records]
    ids, images = (record.id for record in records), (record.image for record in records)
    return listing_of_classes(file, ids, labels, images, names, training, lambda number: _place(records[number]))


def _place(record: Record) -> str:
    return f"record {record.number + 1:,} (byte {record.offset:,})"


def _class(record: Record) -> str:
    if len(record.label) != 1:
        hint = "is it of boxes (`task = detection`), of numbers (`regression`) or of labels (`multi_label`)?"
        raise AnnotationError(f"{_place(record)} has a label of {len(record.label)} numbers, no class", hint=hint)
    (label,) = record.label
    if not label.is_integer() or label < 0:
        raise AnnotationError(f"{_place(record)} has the label {label:g}, no number of a class")
    return str(int(label))


def _numbers(record: Record, width: int, flags: bool) -> tuple[float, ...]:
    label = record.label
    if len(label) != width:
        raise AnnotationError(f"{_place(record)} has a label of {len(label)} numbers, others or `names` have {width}")
    if not all(map(isfinite, label)):
        raise AnnotationError(f"{_place(record)} has a label that is no finite number")
    if not flags:
        return label
    if not set(label) <= {0.0, 1.0}:
        raise AnnotationError(f"{_place(record)} has labels other than 0 and 1")
    return tuple(number for number, each in enumerate(label) if each)


def read_rec(path: Path) -> Iterator[Record]:
    """Yield the records of a file; of their images only the first bytes are read.

    Raises:
        AnnotationError: it is no record file.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        for number, spans in enumerate(_records(file.fileno())):
            yield _record(path, file.fileno(), number, spans)


_Spans = tuple[tuple[int, int], ...]


def _records(file: int) -> Iterator[_Spans]:
    """Yield where the content of each record lies, which may be written in several parts.

    A part ends where the content has the number that records begin with: the number stands there as the beginning of
    the next part, and belongs to the content.
    """
    offset, end, number = 0, os.fstat(file).st_size, 0
    while offset < end:
        number += 1
        what = f"record {number:,} (byte {offset:,})"
        parts: list[tuple[int, int]] = []
        kind = 1
        while kind in (1, 2):
            head = os.pread(file, 8, offset)
            if parts and not head:
                raise AnnotationError(f"{what} ends in its middle: the file is cut off")
            magic, length = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
            kind, length = length >> 29, length & (1 << 29) - 1
            if magic != _MAGIC or kind not in ((2, 3) if parts else (0, 1)):
                raise AnnotationError(f"{what} does not begin as one: is it a record file of MXNet?")
            if parts:
                parts.append((offset, 4))
            parts.append((offset + 8, length))
            if sum(length for _, length in parts) > _LARGEST or len(parts) > _MOST_PARTS:
                raise AnnotationError(f"{what} has more than {_LARGEST:,} bytes, or {_MOST_PARTS:,} parts")
            if offset + 8 + length > end:
                raise AnnotationError(f"{what} ends in its middle: the file is cut off")
            offset += 8 + length + -length % 4
        yield tuple(parts)


def _record(path: Path, file: int, number: int, spans: _Spans) -> Record:
    offset = spans[0][0] - 8
    what = f"record {number + 1:,} (byte {offset:,})"
    head = _bytes(file, spans, _HEAD.size)
    if len(head) < _HEAD.size:
        raise AnnotationError(f"{what} has no head")
    count, single, _, _ = _HEAD.unpack(head)
    behind = _behind(spans, _HEAD.size)
    image = _behind(behind, 4 * count)
    if not is_image_start(_bytes(file, image, _START)):
        raise AnnotationError(f"{what} has no JPEG, PNG or other image behind its label")
    label = struct.unpack(f"<{count}f", _bytes(file, behind, 4 * count)) if count else (single,)
    return Record(number, offset, label, Embedded(path, image))


def _behind(spans: _Spans, count: int) -> _Spans:
    """Return spans without their first bytes."""
    found = []
    for offset, length in spans:
        gone = min(count, length)
        count -= gone
        if gone < length:
            found.append((offset + gone, length - gone))
    return tuple(found)


def _bytes(file: int, spans: _Spans, count: int) -> bytes:
    found = b""
    for offset, length in spans:
        if len(found) < count:
            found += os.pread(file, min(length, count - len(found)), offset)
    return found


def _objects(label: Sequence[float], names: Sequence[str], what: str) -> list[Object]:
    if len(label) < 2 or not all(map(isfinite, label)):
        raise AnnotationError(f"the label of {what} is no list of boxes: `im2rec --pack-label` writes such")
    head, width = int(label[0]), int(label[1])
    if head < 2 or width < 5 or len(label) < head or (len(label) - head) % width:
        raise AnnotationError(f"the label of {what} is no list of boxes: a head of {head}, rows of {width} numbers")
    found = []
    for place in range(head, len(label), width):
        number, *corners = label[place : place + 5]
        if number == -1:  # a row that fills up
            continue
        if not (number.is_integer() and 0 <= number < len(names)):
            raise AnnotationError(f"{what} has the class {number:g}, and `names` has {len(names)}, from 0 on")
        if max(map(abs, corners)) > _BEYOND:
            raise AnnotationError(f"a box of {what} is far outside: are these pixels? Records have fractions")
        x0, y0, x1, y1 = corners
        found.append(Object(names[int(number)], (x0, y0, x1, y1)))
    return found
