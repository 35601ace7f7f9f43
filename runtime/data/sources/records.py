"""Objects in MXNet's record files, as GluonCV's `RecordFileDetection` reads and `im2rec --pack-label` writes them.

A record is an image file behind a label of float32: the length of its head, that of a row, more of the head, then a row
for each object: the class's number from 0, left, top, right and bottom as fractions of the image. The index file is not
needed. Images are unpacked once, below the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import BinaryIO

from recipe_lang.problem import RecipeError
from runtime.data.boxes import FRACTIONS
from runtime.data.listing import Listing
from runtime.data.problems import UnreadableData
from runtime.data.sources.annotations import Annotated, AnnotationError, Object, bad_annotation, listing
from runtime.data.sources.files import existing
from runtime.data.sources.problems import NoAnnotations
from runtime.system.cache.disk import UNPACKED, cache_folder, hold_unpacked

_MAGIC = 0xCED7230A
_LARGEST = 1 << 28  # bytes of an image with its label
_BEYOND = 1.5  # a fraction: more than a little outside
_ENDINGS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}


def rec(path: Path, names: Sequence[str], training: bool = True) -> Listing:
    """List the images of a record file; `names` are the classes in the order of their numbers.

    Raises:
        RecipeError: the file or a label in it cannot be used, or the images cannot be unpacked.
    """
    file = existing(path, "file")
    try:
        folder = _folder(file)
        objects = _unpacked(file, folder, names)
        while objects and not hold_unpacked(folder):  # somebody cleared the cache meanwhile
            objects = _unpacked(file, folder, names)
    except AnnotationError as fault:
        raise bad_annotation(file, fault) from fault
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or file), reason=reason)) from fault
    if not objects:
        raise RecipeError(NoAnnotations(path=str(file), wanted="records"))
    found = [Annotated(name.partition(".")[0], folder / name, own, FRACTIONS) for name, own in objects.items()]
    return listing(file, found, None, training, names)


def _folder(file: Path) -> Path:
    """Return where the images of a file are unpacked: another place for another content."""
    told = os.stat(file)
    key = hashlib.sha256(repr((os.path.realpath(file), told.st_size, told.st_mtime_ns)).encode()).hexdigest()
    return cache_folder() / UNPACKED / key[:32]


def _unpacked(file: Path, folder: Path, names: Sequence[str]) -> dict[str, list[Object]]:
    """Return the objects by the name of the image; write the images to the folder, whole or not at all."""
    is_there = folder.is_dir()
    folder.parent.mkdir(parents=True, exist_ok=True)
    objects: dict[str, list[Object]] = {}
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        for number, (own, image, ending) in enumerate(read_rec(file, names)):
            name = f"{number:08}.{ending}"
            objects[name] = own
            if not is_there:
                (Path(place) / name).write_bytes(image)
        if not is_there and objects:
            made = tempfile.mkdtemp(dir=folder.parent)
            for name in objects:
                os.replace(Path(place) / name, Path(made) / name)
            try:
                os.rename(made, folder)
            except OSError:  # another process was faster
                shutil.rmtree(made, ignore_errors=True)
    return objects


def read_rec(path: Path, names: Sequence[str]) -> Iterator[tuple[list[Object], bytes, str]]:
    """Yield the objects, the image file and its ending of each record; one record is held at a time.

    Raises:
        AnnotationError: it is no record file, or a label is no list of boxes.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        number = 0
        while (content := _record(file, f"record {number + 1}")) is not None:
            yield _read(content, names, f"record {number + 1}")
            number += 1


def _record(file: BinaryIO, what: str) -> bytes | None:
    """Return the next record, which may be written in several parts; None at the end."""
    parts: list[bytes] = []
    while head := file.read(8):
        magic, length = struct.unpack("<II", head) if len(head) == 8 else (0, 0)
        kind, length = length >> 29, length & (1 << 29) - 1
        if magic != _MAGIC or kind not in ((2, 3) if parts else (0, 1)):
            raise AnnotationError(f"{what} does not begin as one: is it a record file of MXNet?")
        if length + sum(map(len, parts)) > _LARGEST:
            raise AnnotationError(f"{what} has more than {_LARGEST:,} bytes")
        part = file.read(length + -length % 4)
        if len(part) < length:
            raise AnnotationError(f"{what} ends in its middle: the file is cut off")
        parts.append(part[:length])
        if kind in (0, 3):
            return struct.pack("<I", _MAGIC).join(parts)
    if parts:
        raise AnnotationError(f"{what} ends in its middle: the file is cut off")
    return None


def _read(content: bytes, names: Sequence[str], what: str) -> tuple[list[Object], bytes, str]:
    if len(content) < 24:
        raise AnnotationError(f"{what} has no head")
    (count,) = struct.unpack_from("<I", content)
    image = content[24 + 4 * count :]
    ending = next((ending for start, ending in _ENDINGS.items() if image.startswith(start)), "")
    if not ending:
        raise AnnotationError(f"{what} has no JPEG or PNG behind its label")
    return _objects(struct.unpack_from(f"<{count}f", content, 24), names, what), image, ending


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
