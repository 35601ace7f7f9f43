"""What lies in a folder of images, a table of them, or a packaged set: `survey(place) -> Survey`.

In goes what a person names; out come the sources that a recipe would name, with every image listed and a sample
of them opened. No MXNet here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import a_few, counted, listed
from runtime.data import problems
from runtime.data.formats import why_no_image
from runtime.data.images import Facts, Reading, look_inside
from runtime.data.listing import ImageRef, Listing
from runtime.data.problems import quoted
from runtime.data.similar_labels import alike, meant
from runtime.data.sources import files as sources
from runtime.data.sources import packaged as packaged_sets
from runtime.data.sources.files import TABLE_ENDINGS, folders_in, innermost, is_folder, passed_over
from runtime.data.sources.scenes import scenes
from runtime.data.sources.set_names import ROLES, classes_within, folders_within, role_of, sets_among, sets_within
from runtime.data.sources.skipped import ending_of, passed_line
from runtime.data.sources.table_labels import labels_of_objects
from runtime.data.sources.tags import tags
from runtime.data.tally import Tally
from runtime.data.targets import CLASS, LABELS, MASK, NUMBERS, TargetKind
from runtime.plan.size import Size
from runtime.system.prefetch import in_order
from runtime.tasks.catalog import TASKS
from runtime.vocabulary import VOCABULARY
from runtime.workflows.data_check.near_duplicates import FLAT
from runtime.workflows.data_check.thumbnails import thumbnail_of
from runtime.workflows.new.archives import archives_in
from runtime.workflows.new.descriptions import described_in
from runtime.workflows.new.masks import masks_in
from runtime.workflows.new.objects import left_out, objects_in
from runtime.workflows.new.outlines import outlines_in
from runtime.workflows.new.problems import NoReadableImage, NothingThere, OtherTask
from runtime.workflows.new.tables import Found, listing_of, survey_table

SAMPLE = 200  # images that are opened


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the opened images are like: the stored size of each that can be read, in no useful order.

    `grey` says that none has colours by its format; `broken` holds (path, reason) of those that cannot be read;
    `several` is how many files hold more pictures than the first. `transparent` counts those with transparency, of
    which `vanishing` are nearly blank over white, and not over black; `levels` is the largest value of 16 bits as it
    seems, None where it is that of 16 bits.
    """

    sizes: tuple[Size, ...]
    grey: bool
    broken: tuple[tuple[str, str], ...]
    several: int = 0
    transparent: int = 0
    vanishing: int = 0
    levels: int | None = None

    @property
    def count(self) -> int:
        """How many images were opened."""
        return len(self.sizes) + len(self.broken)

    @property
    def short_sides(self) -> tuple[int, ...]:
        """The shorter sides in pixels, rising."""
        return tuple(sorted(map(min, self.sizes)))


@dataclass(frozen=True, slots=True)
class Survey:
    """What is there: a name for it, the sources of `train` and maybe `valid` and `test`, their images.

    All listings have the targets of `train`. `notes` are sentences about what was guessed or left out.
    """

    name: str
    sets: Mapping[str, Found]
    sampled: Sampled
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The task that learns the targets."""
        return self.sets["train"].task

    @property
    def train(self) -> Listing:
        """The images to train on, before anything is held out."""
        return self.sets["train"].listing


_CLASSES = next(name for name, task in TASKS.items() if task.target == CLASS)  # what folders are for
_PACKAGED: Mapping[str, Mapping[str, tuple[str, Callable[[], Listing]]]] = {
    "digits": {"train": ("digits", packaged_sets.digits)},
    "solar_cells": {"train": ("solar_cells", packaged_sets.solar_cells)},
    "fashion_mnist": {
        "train": ("fashion_mnist", packaged_sets.fashion_mnist),
        "test": ("fashion_mnist(test)", lambda: packaged_sets.fashion_mnist(part="test")),
    },
    "scenes": {"train": ("scenes", lambda: scenes("train")), "test": ("scenes(test)", lambda: scenes("test"))},
}
_OF_OBJECTS = ("scenes",)
_OF_OTHERS: Mapping[tuple[str, TargetKind], Mapping[str, tuple[str, Callable[[], Listing]]]] = {
    ("solar_cells", NUMBERS): {"train": ("solar_cells(probability)", lambda: packaged_sets.solar_cells("probability"))},
    ("scenes", MASK): {
        "train": ("scenes", lambda: scenes("train", with_masks=True)),
        "test": ("scenes(test)", lambda: scenes("test", with_masks=True)),
    },
    ("scenes", LABELS): {
        "train": ("scenes", lambda: labels_of_objects(scenes("train"))),
        "test": ("scenes(test)", lambda: labels_of_objects(scenes("test"))),
    },
}
_PLAIN_NAMES = {*ROLES, "images", "labels", "annotations", "meta", "metadata", "index", "data", "dataset"}


def survey(place: str, task: str = "") -> Survey:
    """Look at a folder, a table, or a packaged set by its name; a path that exists goes before a name.

    `task` is the one that is asked for; where it is empty, what is there decides.

    Raises:
        RecipeError: nothing is there, it is not laid out as any source wants it, or no image can be read.
    """
    path = Path(os.path.abspath(place))
    if not os.path.exists(place):
        if place not in _PACKAGED:
            raise RecipeError(NothingThere(path=place, sets=tuple(_PACKAGED), nearest=_nearest(place, path)))
        found = _packaged(place, task)
        return Survey(place, found, _sampled(place, found), (VOCABULARY.families["source"].entries[place].doc,))
    try:
        root = innermost(path) if path.is_dir() else path
        described, unused = described_in(path, task)
        if described is None and root != path:
            described, more = described_in(root, task)
            unused += more
        found, notes = (
            (described, unused)
            if described is not None
            else archives_in(root, task) or (_in_folder(root, task) if root.is_dir() else _in_tables(root, task=task))
        )
        notes += _hidden(root) if described else [*unused, *_hidden(root)]
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(problems.UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    found, copies = _without_copies(found)
    sampled = _sampled(place, found)
    return Survey(_name(path), found, sampled, (*notes, *copies, *_said(found, sampled)))


def _packaged(place: str, task: str) -> dict[str, Found]:
    sets = _PACKAGED[place]
    own = next(name for name, each in TASKS.items() if each.has_boxes == (place in _OF_OBJECTS))
    if task and (place, TASKS[task].target) in _OF_OTHERS:
        sets, own = _OF_OTHERS[place, TASKS[task].target], task
    if task not in ("", own):
        raise RecipeError(OtherTask(path=place, task=task, other=own))
    return {role: Found(call, {}, load(), own) for role, (call, load) in sets.items()}


def _without_copies(sets: Mapping[str, Found]) -> tuple[dict[str, Found], list[str]]:
    """Leave out sets whose images all train, as the `val` of small sets that come with tutorials; say which."""
    if any(isinstance(sample.image, np.ndarray) for sample in sets["train"].listing.samples):
        return dict(sets), []
    train = {sample.image for sample in sets["train"].listing.samples}
    copies = {
        role: len(each.listing.samples)
        for role, each in sets.items()
        if role != "train" and all(sample.image in train for sample in each.listing.samples)
    }
    notes = [
        f"The {role} set is not used: its {counted(count, 'image')} are among those that train, and tell nothing."
        for role, count in copies.items()
    ]
    return {role: each for role, each in sets.items() if role not in copies}, notes


def _said(found: Mapping[str, Found], sampled: Sampled) -> Iterator[str]:
    """Say which files are not used, what is not used of those that are, and which folders may not be classes."""
    if line := passed_line(passed_over(each.listing for each in found.values())):
        yield f"{line[0].upper()}{line[1:]}."
    if sampled.several:
        several = f"{sampled.several} of {sampled.count} image files looked at"
        yield f"Of files with several images, such as animations, the first is used: {several}."
    for names in alike(found["train"].listing.names, meant):
        kept, *merged = (json.dumps(name, ensure_ascii=False) for name in names)
        merges = f"`classes = class_map({{ {kept} = [{', '.join(merged)}] }})` in the data block makes one of them"
        yield f"Classes that may be the same: {listed(tuple(map(quoted, names)), 'and')}. {merges}."
    if found["train"].call != "folder":
        return
    within = folders_within(sample.id for sample in found["train"].listing.samples)
    if sets := sets_within(within):
        yield f"The classes have folders {a_few(sets)}, which look like sets: all their images are used."
    elif classes := classes_within(within):
        yield f"All class folders have folders {a_few(classes)}: are those the classes? `level = 2` takes them."


def _nearest(place: str, path: Path) -> str:
    try:
        sources.existing(path, "folder")
    except RecipeError as error:
        return getattr(error.problems[0], "nearest", "") or suggest(place, _PACKAGED)
    return ""


def _name(path: Path) -> str:
    name = path.name if path.is_dir() else path.stem.removesuffix(".tar")
    return path.parent.name if name.lower() in _PLAIN_NAMES and path.parent.name else name


def _in_folder(root: Path, task: str) -> tuple[dict[str, Found], list[str]]:
    if (not task or TASKS[task].has_boxes) and (found_objects := objects_in(root)):
        found, told = found_objects
        aligned = {role: _aligned(each, found["train"].listing, role) for role, each in found.items()}
        return aligned, [*told, *left_out(found)]
    if (not task or TASKS[task].target == MASK) and (found_masks := masks_in(root) or outlines_in(root)):
        return found_masks
    folders, loose, tables = _contents(root)
    has_classes = not task or TASKS[task].target == CLASS
    roles = _roles(root, folders) if has_classes else {}
    if roles:
        found, told = _sets(root, roles)
        others = ", ".join(quoted(name) for name in folders if name not in roles.values())
        told += [f"Not used, since they are not sets: {others}."] * bool(others)
        return found, told + [f"Not used, since they are in no set: {counted(loose, 'image')}."] * bool(loose)
    notes: list[str] = []
    failed: RecipeError | None = None
    of_numbers: tuple[dict[str, Found], list[str]] | None = None
    if loose and not folders and not tables:  # the table may lie beside the folder
        tables = [path for path in _contents(root.parent)[2] if _is_about(path, root, task)]
    for table in sorted(tables, key=lambda path: (role_of(path.stem) != "train", path)):
        try:
            found, told = _in_tables(table, root, task=task)
        except RecipeError as error:
            failed = failed or error
            notes.append(_unused(table, error))
        else:
            if TASKS[found["train"].task].target == NUMBERS:
                of_numbers = of_numbers or (found, told)
            elif TASKS[found["train"].task].target == LABELS or not _names_are_folders(found["train"].listing):
                return found, told
    if task and TASKS[task].target == LABELS:
        return _tagged(root, task)
    if not has_classes and not of_numbers:
        raise failed or RecipeError(OtherTask(path=str(root), task=task, other=_CLASSES))
    if of_numbers and not (has_classes and folders):
        return of_numbers
    try:
        found = {"train": Found("folder", {"path": root}, sources.folder(root), _CLASSES)}
    except RecipeError as error:
        if of_numbers:
            return of_numbers
        raise failed or error from None
    if of_numbers:
        args = of_numbers[0]["train"].args
        named = f"column {quoted(str(args['target']))} of {quoted(Path(args['file']).name)}"
        learns = "`ftr new … --task regression --force`"
        notes.append(f"The classes are the folders; {named} holds numbers: {learns} learns them.")
    return found, notes


def _tagged(root: Path, task: str) -> tuple[dict[str, Found], list[str]]:
    """Return a folder of images with tags, in one JSON file if there is one of a usual name."""
    file = next((root / name for name in ("tags.json", "labels.json") if (root / name).is_file()), None)
    args = {"path": root} if file is None else {"path": root, "file": file}
    return {"train": Found("tags", args, tags(root, file), task)}, []


def _aligned(found: Found, train: Listing, role: str) -> Found:
    listing = found.listing if role == "train" else TASKS[found.task].align(found.listing, train.names, role)
    return replace(found, listing=listing)


def _contents(root: Path) -> tuple[list[str], int, list[Path]]:
    """Return the names of a folder's folders, the number of its images, and its tables; hidden ones do not count."""
    with os.scandir(root) as entries:
        shown = [each for each in entries if not each.name.startswith(".") and not is_folder(each)]
        files = [root / each.name for each in shown if os.path.isfile(each.path)]
    tables = sorted(path for path in files if ending_of(path.name) in TABLE_ENDINGS)
    return folders_in(root), sum(why_no_image(path) is None for path in files), tables


def _hidden(path: Path) -> Iterator[str]:
    """Say which hidden folders of a folder have images and are not used, those of its folders of sets included."""
    if not path.is_dir():
        return
    places = [path, *(path / name for name in _contents(path)[0] if role_of(name))]
    names = sorted(each.name for place in places for each in place.iterdir() if each.name.startswith("."))
    names = [name for name in names if any(_contents(place / name)[1] for place in places if (place / name).is_dir())]
    if names:
        yield f"Not used, since they are hidden: {', '.join(map(quoted, dict.fromkeys(names)))}."


def _roles(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Return the folders that are sets by their role; empty where the folders are classes.

    A class may be called `train`: it is a set where nothing else lies beside it.
    """
    is_alone = [role_of(name) for name in folders] == ["train"] and bool(folders_in(root / folders[0]))
    sets = {folders[0]: "train"} if is_alone else sets_among(folders, lambda name: folders_in(innermost(root / name)))
    return {role: name for name, role in sets.items()} if "train" in sets.values() else {}


def _sets(root: Path, roles: Mapping[str, str]) -> tuple[dict[str, Found], list[str]]:
    place = innermost(root / roles["train"])
    train = sources.folder(place)
    found = {"train": Found("folder", {"path": place}, train, _CLASSES)}
    notes = []
    for role in ("valid", "test"):
        if role not in roles:
            continue
        path = innermost(root / roles[role])
        try:
            listing = sources.folder(path, training=False)
        except RecipeError:  # test images without labels are common
            notes.append(f"Folder {quoted(roles[role])} is not used: it has no folders of classes.")
            continue
        if listing.samples and not set(listing.names) & set(train.names):
            notes.append(f"Folder {quoted(roles[role])} is not used: it has none of the classes.")
        elif listing.samples:
            found[role] = Found("folder", {"path": path}, TASKS[_CLASSES].align(listing, train.names, role), _CLASSES)
        else:
            notes.append(f"Folder {quoted(roles[role])} is not used: it has no images.")
    return found, notes


def _in_tables(path: Path, *roots: Path, task: str) -> tuple[dict[str, Found], list[str]]:
    """Return the sources of a table, and of the tables of the other sets beside a table that is called `train`."""
    train, told = survey_table(path, roots, task)
    found, notes = {"train": train}, list(told)
    if role_of(path.stem) != "train":
        return found, notes
    for other in _contents(path.parent)[2]:
        role = role_of(other.stem)
        if role is None or role in found:
            continue
        args = {name: each for name, each in train.args.items() if name != "weights"} | {"file": other}
        try:
            listing = listing_of(args, training=False)
        except RecipeError as error:  # a test table without labels is common
            notes.append(_unused(other, error))
            continue
        aligned = TASKS[train.task].align(listing, train.listing.names, role)
        found[role] = Found("csv", args, aligned, train.task)
    return found, notes


def _unused(table: Path, error: RecipeError) -> str:
    reason = error.problems[0].message().replace(f"{table.parent}{os.sep}", "")
    return f"{quoted(table.name)} is not used: {reason}."


def _is_about(table: Path, root: Path, task: str) -> bool:
    try:
        found, _ = survey_table(table, (root,), task)
    except RecipeError:
        return False
    return all(isinstance(each.image, Path) and each.image.is_relative_to(root) for each in found.listing.samples)


def _names_are_folders(listing: Listing) -> bool:
    """Whether a table says what the folders of its images say anyway."""
    return all(listing.names[sample.target] in sample.id.split("/")[:-1] for sample in listing.samples)


def _sampled(place: str, found: Mapping[str, Found]) -> Sampled:
    samples = [
        sample if role == "train" else replace(sample, id=f"{role}/{sample.id}")
        for role, each in found.items()
        for sample in each.listing.samples
    ]
    step = len(samples) / min(SAMPLE, len(samples))
    chosen = [samples[int(index * step)] for index in range(min(SAMPLE, len(samples)))]
    each = list(in_order(look_inside, (sample.image for sample in chosen), 2, 16))
    broken = tuple((sample.id, facts) for sample, facts in zip(chosen, each, strict=True) if isinstance(facts, str))
    seen = [facts for facts in each if isinstance(facts, Facts)]
    if not seen:
        raise RecipeError(NoReadableImage(path=place, looked=len(chosen), images=broken[:5]))
    grey = all(facts.mode in ("1", "L", "LA") or facts.mode.startswith("I") for facts in seen)
    tally = Tally()
    for facts in seen:
        tally.add(facts.traits)
    transparent = [
        sample
        for sample, facts in zip(chosen, each, strict=True)
        if isinstance(facts, Facts) and facts.traits.transparent
    ]
    return Sampled(
        tuple(facts.size for facts in seen),
        grey,
        broken,
        sum(facts.several for facts in seen),
        tally.transparent,
        sum(_vanishes(sample.image) for sample in transparent),
        tally.levels,
    )


def _vanishes(image: ImageRef) -> bool:
    """Whether an image with transparency is nearly blank over white, and not over black."""
    white, black = (thumbnail_of(image, Reading(flatten_alpha=ground)).spread for ground in ("white", "black"))
    return white < FLAT <= black
