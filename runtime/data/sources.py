"""Where labelled images come from: folders, tables, and the sets that packages bring.

In goes what a recipe names (a path, the columns of a table); out comes a `Listing` of samples and classes.
Image files are listed, not read. Whatever a user can put right is raised as `RecipeError` without a place.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from recipe_lang.diagnostics import RecipeError
from recipe_lang.suggest import suggest
from runtime.data import problems

Pixels: TypeAlias = npt.NDArray[np.uint8]
ImageRef: TypeAlias = "Path | Pixels"


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image.

    `id` is the image's path relative to its source in POSIX form, or its row's key: it is the same on every
    machine, and all randomness of the sample derives from it. `label` is a position in the listing's
    `classes`. `image` is a path, or uint8 pixels of shape (H, W) or (H, W, 3).
    """

    id: str
    label: int
    image: ImageRef = field(compare=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """Labelled images with the names of their classes; a class may have no sample here."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]

    def counts(self) -> tuple[int, ...]:
        """Return the number of samples of each class, in the order of `classes`."""
        found = Counter(sample.label for sample in self.samples)
        return tuple(found[label] for label in range(len(self.classes)))


IMAGE_ENDINGS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"),
    )
)
_SETS = frozenset(("train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"))


def folder(path: Path, training: bool = True) -> Listing:
    """List a folder with one subfolder per class; images may lie at any depth below their class.

    Classes are the subfolders' names, sorted by code points as torchvision's `ImageFolder` sorts them. Hidden
    files and folders, and files that do not end like an image, are passed over. For a set that only
    evaluates (`training` false) a class may be empty and one class is enough.
    """
    root = existing(path, "folder")
    try:
        classes, loose = _class_folders(root)
        found = {name: sorted(_images(root / name, name)) for name in classes}
        if training:
            _check_folder(root, found)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(problems.UnreadableData(path=str(fault.filename or root), reason=reason)) from fault
    if not classes:
        raise RecipeError(problems.NoClassFolders(path=str(root), loose=loose))
    samples = (Sample(name, label, path) for label, images in enumerate(found.values()) for name, path in images)
    return Listing(tuple(samples), classes)


def _class_folders(root: Path) -> tuple[tuple[str, ...], int]:
    """Return the class folders' names, sorted, and the number of images beside them."""
    with os.scandir(root) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    classes = tuple(sorted(entry.name for entry in shown if entry.is_dir()))
    if len(classes) > 1 and {name.lower() for name in classes} <= _SETS:
        # The training set first: it is the one to suggest.
        names = tuple(sorted(classes, key=lambda name: not name.lower().startswith("train")))
        raise RecipeError(problems.SetsAsClasses(path=str(root), names=names))
    return classes, sum(_is_image(entry.name) for entry in shown if entry.is_file())


def _images(place: Path, prefix: str, above: frozenset[str] = frozenset()) -> Iterator[tuple[str, Path]]:
    """Yield (path relative to the source in POSIX form, path) of all images below a folder."""
    real = os.path.realpath(place)
    if real in above:  # a link to a folder that holds it
        return
    with os.scandir(place) as entries:
        for entry in entries:
            name = f"{prefix}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _images(place / entry.name, name, above | {real})
            elif _is_image(entry.name) and entry.is_file():
                yield name, place / entry.name


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_ENDINGS


def _check_folder(root: Path, found: dict[str, list[tuple[str, Path]]]) -> None:
    if len(found) == 1:
        (name,) = found
        with os.scandir(root / name) as entries:
            folders = sum(entry.is_dir() and not entry.name.startswith(".") for entry in entries)
        deeper = str(root / name) if folders > 1 else ""
        raise RecipeError(problems.OneClass(path=str(root), name=name, deeper=deeper))
    empty = tuple(name for name, images in found.items() if not images)
    if empty:
        endings = Counter(
            os.path.splitext(file)[1].lower()
            for name in empty
            for _, _, files in os.walk(root / name)
            for file in files
            if not file.startswith(".")
        )
        others = tuple(ending for ending, _ in endings.most_common() if ending)
        raise RecipeError(problems.EmptyClass(path=str(root), names=empty, others=others))


def csv_file(path: Path, image: str, label: str, root: Path | None = None, training: bool = True) -> Listing:
    """List the images that a table names: `image` and `label` are columns of its first line.

    The table is UTF-8 text with commas, semicolons or tabs. Image paths are relative to `root`, by default
    the table's own folder. Classes are the labels as text, sorted by value where all are numbers, else by
    code points. For a set that only evaluates (`training` false) one class is enough.
    """
    table = existing(path, "file")
    base = table.parent if root is None else existing(root, "folder")
    rows = _rows(table, image, label)
    missing = [(line, name) for line, name, _ in rows if not os.path.isfile(base / name)]
    if missing:
        line, name = missing[0]
        raise RecipeError(
            problems.MissingImages(
                path=str(table),
                root=str(base),
                names=tuple(name for _, name in missing[:5]),
                line=line,
                total=len(missing),
                nearest=_nearest(base / name),
            )
        )
    labels = {text for _, _, text in rows}
    classes = tuple(sorted(labels, key=_by_value if all(map(_NUMBER.fullmatch, labels)) else None))
    if training and len(classes) == 1:
        raise RecipeError(problems.OneClass(path=str(table), name=classes[0]))
    position = {name: index for index, name in enumerate(classes)}
    return Listing(tuple(Sample(name, position[text], base / name) for _, name, text in rows), classes)


_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def _by_value(text: str) -> tuple[float, str]:
    return float(text), text


def _rows(table: Path, image: str, label: str) -> list[tuple[int, str, str]]:
    """Return (line number, image path, label) of each row that is not blank."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = list(file)
        delimiter, columns = _header(table, lines, image, label)
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        next(reader)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError:
        raise RecipeError(problems.UnreadableTable(path=str(table), reason="it is not UTF-8 text")) from None
    except csv.Error as fault:
        raise RecipeError(problems.UnreadableTable(path=str(table), reason=str(fault))) from fault
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(problems.UnreadableData(path=str(table), reason=reason)) from fault
    if not rows:
        raise RecipeError(problems.UnreadableTable(path=str(table), reason="it has no rows"))
    return _checked_rows(table, rows, *columns)


def _header(table: Path, lines: list[str], image: str, label: str) -> tuple[str, tuple[int, int]]:
    """Return the delimiter under which both columns exist, and their positions."""
    names: list[str] = []
    for delimiter in ",;\t":
        cells = next(csv.reader(lines, delimiter=delimiter, skipinitialspace=True), [])
        header = [cell.strip() for cell in cells]
        if image in header and label in header:
            return delimiter, (header.index(image), header.index(label))
        names = max(names, header, key=len)
    if not any(names):
        raise RecipeError(problems.UnreadableTable(path=str(table), reason="it has no columns"))
    wrong = next(name for name in (image, label) if name not in names)
    raise RecipeError(
        problems.MissingColumn(path=str(table), column=wrong, columns=tuple(names), nearest=suggest(wrong, names))
    )


def _checked_rows(table: Path, rows: list[tuple[int, list[str]]], image: int, label: int) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    bad: list[problems.BadRow] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        cells = [cell.strip() for cell in row] + [""] * (1 + max(image, label))
        if not cells[image] or not cells[label]:
            reason = f"the {'label' if cells[image] else 'image'} is empty"
            bad.append(problems.BadRow(path=str(table), line=line, reason=reason))
            continue
        name = Path(os.path.normpath(cells[image])).as_posix()
        if lines.setdefault(name, line) != line:
            reason = f"image {problems.quoted(name)} stands in line {lines[name]} already"
            bad.append(problems.BadRow(path=str(table), line=line, reason=reason))
        found.append((line, name, cells[label]))
    if bad:
        raise RecipeError(bad[:5])
    return found


def existing(path: Path, wanted: str) -> Path:
    """Return the path if it is a folder or a file as wanted; raise `RecipeError` with a suggestion if not."""
    right, other = (os.path.isdir, "file") if wanted == "folder" else (os.path.isfile, "folder")
    if right(path):
        return path
    found = other if os.path.exists(path) else ""
    nearest = "" if found else _nearest(path)
    raise RecipeError(problems.MissingPath(path=str(path), wanted=wanted, found=found, nearest=nearest))


def _nearest(path: Path) -> str:
    """Return the existing path that looks most like a missing one, or an empty text."""
    for parent in path.parents:
        if os.path.isdir(parent):
            first, *rest = path.relative_to(parent).parts
            try:
                name = suggest(first, os.listdir(parent))
            except OSError:
                return ""
            if name in ("", first):  # the same: a link to nothing, or a file where a folder should be
                return ""
            near = parent.joinpath(name, *rest)
            # The next part may be misspelt as well.
            return str(near) if os.path.exists(near) else _nearest(near)
    return ""
