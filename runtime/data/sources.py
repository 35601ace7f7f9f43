"""Where labelled images come from: what a source is, and folders of images.

In goes what a recipe names; out comes a `Listing` of samples and classes.
Image files are listed, not read. Whatever a user can put right is raised as `RecipeError` without a place.
"""

from __future__ import annotations

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
from runtime.data.labels import alike, seen
from runtime.data.problems import quoted

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
    if groups := alike(classes, seen):
        raise RecipeError([problems.LabelsAlike(path=str(root), names=group) for group in groups])
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


def existing(path: Path, wanted: str) -> Path:
    """Return the path if it is a folder or a file as wanted; raise `RecipeError` with a suggestion if not."""
    right, other = (os.path.isdir, "file") if wanted == "folder" else (os.path.isfile, "folder")
    if right(path):
        return path
    if os.path.exists(path):
        raise RecipeError(problems.MissingPath(path=str(path), wanted=wanted, found=other))
    hint = meant_path(path)
    raise RecipeError(problems.MissingPath(path=str(path), wanted=wanted, nearest=nearest(path), hint=hint))


def meant_path(path: Path, root: Path = Path()) -> str:
    """Say what a path that leads nowhere was meant as: a URL, a home folder, one with backslashes; else nothing."""
    if any(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.]+:", part) for part in path.parts):  # `https:/` is left of `https://`
        return "it is a URL, and files are read from this machine only: fetch them, and name the files"
    if drive := next((part for part in path.parts if re.match(r"[A-Za-z]:($|\\)", part)), ""):
        return f"{quoted(drive[:2])} is a drive of Windows: write where its files lie on this machine"
    for place, part in enumerate(path.parts):
        if part.startswith("~") and (home := os.path.expanduser(part)) != part:
            return f"`~` is a folder's name here: write {quoted(Path(home, *path.parts[place + 1 :]))}"
    slashes = str(path).translate(_BACKSLASHES)
    if slashes != str(path):
        there = ", which is there" if os.path.exists(root / slashes) else ""
        return f"`/` separates the parts of a path, and a backslash does not: write {quoted(slashes)}{there}"
    return ""


# As they are written, and as the escapes of a string leave `"data\train"` and `"data\new"`.
_BACKSLASHES = str.maketrans({"\\": "/", "\t": "/t", "\n": "/n"})


def nearest(path: Path) -> str:
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
            return str(near) if os.path.exists(near) else nearest(near)
    return ""
