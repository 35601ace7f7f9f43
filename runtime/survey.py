"""What lies in a folder of images, a table of them, or a packaged set: `survey(place) -> Survey`.

In goes what a person names; out come the sources that a recipe would name, with every image listed and a sample
of them opened. No MXNet here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from recipe_lang.diagnostics import RecipeError
from recipe_lang.phrases import listed
from recipe_lang.suggest import suggest
from runtime.data import packaged_sets, problems, sources, splits, tables
from runtime.data.images import find_broken
from runtime.data.labels import alike, meant
from runtime.data.problems import quoted
from runtime.data.sources import Listing, Sample
from runtime.survey_problems import NoReadableImage, NothingThere
from runtime.survey_tables import ROLES, TABLE_ENDINGS, Found, survey_table
from runtime.vocabulary import VOCABULARY

SAMPLE = 200  # images that are opened


@dataclass(frozen=True, slots=True)
class Look:
    """What the opened images are like: (width, height) in pixels of each that can be read, in no useful order.

    `grey` says that none has colours by its format; `broken` holds (path, reason) of those that cannot be read.
    """

    sizes: tuple[tuple[int, int], ...]
    grey: bool
    broken: tuple[tuple[str, str], ...]

    @property
    def looked(self) -> int:
        """How many images were opened."""
        return len(self.sizes) + len(self.broken)

    @property
    def short_sides(self) -> tuple[int, ...]:
        """The shorter sides in pixels, rising."""
        return tuple(sorted(map(min, self.sizes)))


@dataclass(frozen=True, slots=True)
class Survey:
    """What is there: a name for it, the sources of `train` and maybe `valid` and `test`, their images.

    All listings have the classes of `train`. `notes` are sentences about what was guessed or left out.
    """

    name: str
    sets: Mapping[str, Found]
    look: Look
    notes: tuple[str, ...] = ()

    @property
    def train(self) -> Listing:
        """The images to train on, before anything is held out."""
        return self.sets["train"].listing


_PACKAGED: Mapping[str, Mapping[str, tuple[str, Callable[[], Listing]]]] = {
    "digits": {"train": ("digits", packaged_sets.digits)},
    "solar_cells": {"train": ("solar_cells", packaged_sets.solar_cells)},
    "fashion_mnist": {
        "train": ("fashion_mnist", packaged_sets.fashion_mnist),
        "test": ("fashion_mnist(test)", lambda: packaged_sets.fashion_mnist(part="test")),
    },
}
_PLAIN_NAMES = {*ROLES, "images", "labels", "annotations", "meta", "metadata", "index", "data", "dataset"}


def survey(place: str) -> Survey:
    """Look at a folder, a table, or a packaged set by its name; a path that exists goes before a name.

    Raises:
        RecipeError: nothing is there, it is not laid out as any source wants it, or no image can be read.
    """
    path = Path(os.path.abspath(place))
    if not os.path.exists(place):
        if place not in _PACKAGED:
            raise RecipeError(NothingThere(path=place, sets=tuple(_PACKAGED), nearest=_nearest(place, path)))
        found = {role: Found(call, {}, load()) for role, (call, load) in _PACKAGED[place].items()}
        return Survey(place, found, _look(place, found), (VOCABULARY.families["source"].entries[place].doc,))
    try:
        found, notes = _in_folder(path) if path.is_dir() else _in_tables(path)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(problems.UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    return Survey(_name(path), found, _look(place, found), (*notes, *_hidden(path), *_alike(found["train"].listing)))


def _alike(listing: Listing) -> Iterator[str]:
    for names in alike(listing.classes, meant):
        yield f"Classes that may be one: {listed(tuple(map(quoted, names)), 'and')}."


def _nearest(place: str, path: Path) -> str:
    try:
        sources.existing(path, "folder")
    except RecipeError as error:
        return getattr(error.problems[0], "nearest", "") or suggest(place, _PACKAGED)
    return ""


def _name(path: Path) -> str:
    name = path.name if path.is_dir() else path.stem
    return path.parent.name if name.lower() in _PLAIN_NAMES and path.parent.name else name


def _in_folder(root: Path) -> tuple[dict[str, Found], list[str]]:
    folders, loose, tables = _contents(root)
    roles = _roles(root, folders)
    if roles:
        found, told = _sets(root, roles)
        others = ", ".join(quoted(name) for name in folders if name not in roles.values())
        return found, told + [f"Not used, since they are no sets: {others}."] * bool(others)
    notes: list[str] = []
    failed: RecipeError | None = None
    if loose and not folders and not tables:  # the table may lie beside the folder
        tables = [path for path in _contents(root.parent)[2] if _is_about(path, root)]
    for table in sorted(tables, key=lambda path: (_role(path.stem) != "train", path)):
        try:
            found, told = _in_tables(table, root)
        except RecipeError as error:
            failed = failed or error
            notes.append(_unused(table, error))
        else:
            if not _names_are_folders(found["train"].listing):
                return found, told
    try:
        return {"train": Found("folder", {"path": root}, sources.folder(root))}, notes
    except RecipeError as error:
        raise failed or error from None


def _contents(root: Path) -> tuple[list[str], int, list[Path]]:
    """Return the names of a folder's folders, the number of its images, and its tables; hidden ones do not count."""
    with os.scandir(root) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    folders = sorted(entry.name for entry in shown if entry.is_dir())
    endings = [(entry, os.path.splitext(entry.name)[1].lower()) for entry in shown if entry.is_file()]
    tables = sorted(root / entry.name for entry, ending in endings if ending in TABLE_ENDINGS)
    return folders, sum(ending in sources.IMAGE_ENDINGS for _, ending in endings), tables


def _hidden(path: Path) -> Iterator[str]:
    """Say which hidden folders of a folder have images and are not used, those of its folders of sets included."""
    if not path.is_dir():
        return
    places = [path, *(path / name for name in _contents(path)[0] if _role(name))]
    names = sorted(each.name for place in places for each in place.iterdir() if each.name.startswith("."))
    names = [name for name in names if any(_contents(place / name)[1] for place in places if (place / name).is_dir())]
    if names:
        yield f"Not used, since they are hidden: {', '.join(map(quoted, dict.fromkeys(names)))}."


def _role(name: str) -> str | None:
    return ROLES.get(name.lower())


def _roles(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Return the folders that are sets by their role; empty where the folders are classes.

    A class may be called `train`: it is a set where another set lies beside it, or nothing else at all.
    """
    roles: dict[str, str] = {}
    for name in folders:
        role = _role(name)
        if role is not None and role not in roles:
            roles[role] = name
    has_classes = "train" in roles and bool(_contents(root / roles["train"])[0])
    return roles if has_classes and (len(roles) > 1 or len(folders) == 1) else {}


def _sets(root: Path, roles: Mapping[str, str]) -> tuple[dict[str, Found], list[str]]:
    train = sources.folder(root / roles["train"])
    found = {"train": Found("folder", {"path": root / roles["train"]}, train)}
    notes = []
    for role in ("valid", "test"):
        if role not in roles:
            continue
        path = root / roles[role]
        try:
            listing = sources.folder(path, training=False)
        except RecipeError:  # test images without labels are common
            notes.append(f"Folder {quoted(roles[role])} is not used: it has no folders of classes.")
            continue
        if listing.samples:
            found[role] = Found("folder", {"path": path}, splits.align(listing, train.classes, role))
        else:
            notes.append(f"Folder {quoted(roles[role])} is not used: it has no images.")
    return found, notes


def _in_tables(path: Path, *roots: Path) -> tuple[dict[str, Found], list[str]]:
    """Return the sources of a table, and of the tables of the other sets beside a table that is called `train`."""
    train, told = survey_table(path, roots)
    found, notes = {"train": train}, list(told)
    if _role(path.stem) != "train":
        return found, notes
    for other in _contents(path.parent)[2]:
        role = _role(other.stem)
        if role is None or role in found:
            continue
        columns = str(train.args["image"]), str(train.args["label"])
        root = train.args.get("root")
        try:
            listing = tables.csv_file(other, *columns, Path(root) if root else None, training=False)
        except RecipeError as error:  # a test table without labels is common
            notes.append(_unused(other, error))
            continue
        args = {**train.args, "file": other}
        found[role] = Found("csv", args, splits.align(listing, train.listing.classes, role))
    return found, notes


def _unused(table: Path, error: RecipeError) -> str:
    reason = error.problems[0].message().replace(f"{table.parent}{os.sep}", "")
    return f"{quoted(table.name)} is not used: {reason}."


def _is_about(table: Path, root: Path) -> bool:
    try:
        found, _ = survey_table(table, (root,))
    except RecipeError:
        return False
    return all(isinstance(each.image, Path) and each.image.is_relative_to(root) for each in found.listing.samples)


def _names_are_folders(listing: Listing) -> bool:
    """Whether a table says what the folders of its images say anyway."""
    return all(listing.classes[sample.label] in sample.id.split("/")[:-1] for sample in listing.samples)


def _look(place: str, found: Mapping[str, Found]) -> Look:
    samples = [
        sample if role == "train" else replace(sample, id=f"{role}/{sample.id}")
        for role, each in found.items()
        for sample in each.listing.samples
    ]
    step = len(samples) / min(SAMPLE, len(samples))
    chosen = [samples[int(index * step)] for index in range(min(SAMPLE, len(samples)))]
    broken = find_broken(chosen, threads=2)
    unreadable = {name for name, _ in broken}
    seen = [_size(sample) for sample in chosen if sample.id not in unreadable]
    if not seen:
        raise RecipeError(NoReadableImage(path=place, looked=len(chosen), images=tuple(broken[:5])))
    return Look(tuple(size for size, _ in seen), all(grey for _, grey in seen), tuple(broken))


def _size(sample: Sample) -> tuple[tuple[int, int], bool]:
    """Return the (width, height) of an image that can be read, and whether its format has no colours."""
    if isinstance(sample.image, np.ndarray):
        return (sample.image.shape[1], sample.image.shape[0]), sample.image.ndim == 2
    with Image.open(sample.image) as image:
        return image.size, image.mode in ("1", "L", "LA") or image.mode.startswith("I")
