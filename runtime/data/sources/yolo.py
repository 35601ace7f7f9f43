"""Objects annotated as YOLO has them: a file of numbers for each image, and a `data.yaml` that names classes and sets.

A line is a class's number and a box as fractions of the image, (middle x, middle y, width, height); of an outline, with
more numbers, it is the box around it. The file of an image lies in `labels` where the image lies in `images`. An image
without one has no objects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data.boxes import FRACTIONS
from runtime.data.listing import Listing
from runtime.data.problems import UnreadableData
from runtime.data.sources.annotations import Annotated, AnnotationError, Object, bad_annotation, listing, number
from runtime.data.sources.files import existing, images_below
from runtime.data.sources.problems import NoAnnotations, NoSuchSplit

_LARGEST_FILE = 16_000_000
_NAMES = ("data.yaml", "data.yml", "dataset.yaml")
_SPLITS = ("train", "val", "valid", "test")
_BEYOND = 1.5  # a fraction: more than a little outside


def yolo(path: Path, split: str, classes: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of a split; `path` is a `data.yaml`, or the folder that has one.

    Raises:
        RecipeError: the file, the split or an annotation cannot be used.
    """
    if os.path.isdir(path):
        file = next((path / name for name in _NAMES if (path / name).is_file()), None)
        if file is None:
            raise RecipeError(NoAnnotations(path=str(path), wanted="`data.yaml`"))
    else:
        file = existing(path, "file")
    try:
        names, places = _sets(file, split)
        images = [image for place in places for image in _images(place)]
        found = [_annotated(file.parent, image, names) for image in dict.fromkeys(images)]
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    except AnnotationError as fault:
        raise bad_annotation(file, fault) from fault
    if not found:
        raise RecipeError(NoAnnotations(path=str(places[0]), wanted="images"))
    return listing(file, sorted(found, key=lambda each: each.id), classes, training, names)


def _sets(file: Path, split: str) -> tuple[tuple[str, ...], list[Path]]:
    """Return the classes' names, and where the images of a split are."""
    plain = read_data_yaml(file)
    names = plain.get("names", ())
    if not isinstance(names, tuple) or not names:
        raise AnnotationError("it has no list `names` of the classes")
    there = tuple(each for each in _SPLITS if plain.get(each))
    wanted = split if split in there else {"valid": "val", "val": "valid"}.get(split, split)
    if wanted not in there:
        raise RecipeError(NoSuchSplit(path=str(file), split=split, there=there, nearest=suggest(split, there)))
    base = file.parent
    top = plain.get("path", "")
    if isinstance(top, str) and top and (base / top).is_dir():  # else a path on the machine where it was made
        base = base / top
    written = plain[wanted]
    places = [_place(base, each) for each in ((written,) if isinstance(written, str) else written)]
    for place in places:
        if not place.exists():
            raise AnnotationError(f"`{wanted}` names `{place}`, which is not there")
    return names, places


def _place(base: Path, written: str) -> Path:
    """Return where a path of `data.yaml` leads; Roboflow's `../train/images` are beside the file."""
    place = base / written
    return base / written.removeprefix("../") if written.startswith("../") and not place.exists() else place


def _images(place: Path) -> list[Path]:
    if place.is_dir():
        return images_below(place)[0]
    lines = _text(place).splitlines()
    return [place.parent / line.strip() for line in lines if line.strip()]


def _annotated(root: Path, image: Path, names: Sequence[str]) -> Annotated:
    head, images, tail = image.as_posix().rpartition("/images/")
    labels = Path(f"{head}/labels/{tail}" if images else image).with_suffix(".txt")
    try:
        objects = read_yolo(labels, names) if labels.is_file() else []
    except AnnotationError as fault:
        raise bad_annotation(labels, fault) from fault
    id = Path(os.path.relpath(image, root)).as_posix()
    return Annotated(id, image, objects, FRACTIONS)


def read_yolo(path: Path, names: Sequence[str]) -> list[Object]:
    """Read the objects of an image.

    Raises:
        AnnotationError: it is not lines of a class and a box.
        OSError: it cannot be read.
    """
    found = []
    for line, text in enumerate(_text(path).splitlines(), 1):
        cells = text.split()
        if not cells:
            continue
        if len(cells) < 5 or len(cells) > 5 and len(cells) % 2 == 0:
            raise AnnotationError(f"a line is a class and four numbers, and this has {len(cells)} cells", line)
        values = [number(cell, "a coordinate", line) for cell in cells[1:]]
        if not re.fullmatch(r"\d{1,6}(\.0*)?", cells[0], re.ASCII):
            raise AnnotationError(f"the class is `{cells[0][:40]}`, no number of one", line)
        label = int(float(cells[0]))
        if label >= len(names):
            raise AnnotationError(f"the class is {label}, and there are {len(names)}, from 0 on", line)
        if max(map(abs, values)) > _BEYOND:
            raise AnnotationError(
                "a coordinate is far outside: are these pixels? YOLO has fractions of the image", line
            )
        found.append(Object(names[label], _corners(values)))
    return found


def _corners(values: Sequence[float]) -> tuple[float, float, float, float]:
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    xs, ys = values[::2], values[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _text(path: Path) -> str:
    if os.path.getsize(path) > _LARGEST_FILE:
        raise AnnotationError(f"it has more than {_LARGEST_FILE:,} bytes")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise AnnotationError("it is not UTF-8 text", 1 + content.count(b"\n", 0, fault.start)) from None
    if "\0" in text:
        raise AnnotationError("it is not text: it holds a NUL", 1 + text.count("\n", 0, text.index("\0")))
    return text


def read_data_yaml(path: Path) -> dict[str, str | tuple[str, ...]]:
    """Read what a `data.yaml` says at its top level: values that are text, and lists of text.

    It is the part of YAML that these files are written in: `key: value`, `[a, b]`, `- a` and `0: a` below a key.

    Raises:
        AnnotationError: a list is not closed, or numbers of classes have gaps.
        OSError: it cannot be read.
    """
    found: dict[str, str | tuple[str, ...]] = {}
    below: dict[str, dict[int, str]] = {}
    key = ""
    lines = iter(enumerate(_text(path).splitlines(), 1))
    for line, text in lines:
        text = _uncommented(text)
        if not text.strip() or text.strip() in ("---", "..."):
            continue
        if text[0] not in " \t-":
            key, colon, value = (part.strip() for part in text.partition(":"))
            if not colon:
                raise AnnotationError(f"`{text.strip()[:40]}` is not `key: value`", line)
            while value.startswith(("[", "{")) and not value.endswith(("]", "}")):
                _, more = next(lines, (0, None))
                if more is None or len(value) > _LARGEST_FILE:
                    raise AnnotationError("a list that opens here does not close", line)
                value = f"{value} {_uncommented(more).strip()}"
            found[key] = _values(value, line) if value.startswith(("[", "{")) else _unquoted(value)
        elif item := re.fullmatch(r"\s*-\s+(.*)|\s+(\d{1,6})\s*:\s*(.*)", text):
            rows = below.setdefault(key, {})
            rows[len(rows) if item[2] is None else int(item[2])] = _unquoted((item[1] or item[3] or "").strip())
    for name, rows in below.items():
        if sorted(rows) != list(range(len(rows))):
            raise AnnotationError(f"the numbers of `{name}` are not 0, 1, 2, …")
        found[name] = tuple(rows[place] for place in range(len(rows)))
    return found


def _values(text: str, line: int) -> tuple[str, ...]:
    items = re.findall(r"""\s*("[^"]*"|'[^']*'|[^,]*)\s*(?:,|$)""", text[1:-1])
    values = [each for each in map(str.strip, items) if each]
    if text[0] == "[":
        return tuple(map(_unquoted, values))
    pairs = [each.partition(":") for each in values]
    if not all(number.strip().isdecimal() for number, _, _ in pairs):
        raise AnnotationError("a map of classes has numbers before its names: `{0: cat, 1: dog}`", line)
    if [int(number) for number, _, _ in pairs] != list(range(len(pairs))):
        raise AnnotationError("the numbers of the classes are not 0, 1, 2, …", line)
    return tuple(_unquoted(name.strip()) for _, _, name in pairs)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _uncommented(text: str) -> str:
    return re.sub(r"(^|\s)#.*", "", text).rstrip()
