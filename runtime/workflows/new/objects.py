"""Folders of images with boxes of objects: `objects_in(folder)` gives the sources that read them.

They are told by their annotations: VOC's lists or XML files, COCO's JSON, YOLO's `data.yaml`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few, counted
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.sources.annotations import AnnotationError, bad_annotation
from runtime.data.sources.coco import coco, number_of
from runtime.data.sources.files import folders_in
from runtime.data.sources.set_names import role_of
from runtime.data.sources.voc import voc
from runtime.data.sources.yolo import read_data_yaml, yolo
from runtime.tasks.catalog import TASKS
from runtime.workflows.new.tables import Found

_TASK = next(name for name, task in TASKS.items() if task.has_boxes)
_DATA_YAML = ("data.yaml", "data.yml", "dataset.yaml")
_HEAD = 100_000  # bytes of a JSON file that tell whether it has annotations

Sets = dict[str, Found]
_Call = tuple[str, dict[str, Path | str], Callable[[bool], Listing]]


def objects_in(root: Path) -> tuple[Sets, list[str]] | None:
    """Return the sources of a folder of images with boxes, and what was left out; None where it is no such folder.

    Raises:
        RecipeError: its annotations cannot be used.
        OSError: a folder cannot be read.
    """
    for looks in (_yolo, _voc_lists, _coco, _voc_folders):
        if found := looks(root):
            return found
    return None


def _loaded(calls: Mapping[str, _Call]) -> tuple[Sets, list[str]]:
    """List the sets; one that is not `train` and cannot be read is left out, and said."""
    name, args, load = calls["train"]
    found, notes = {"train": Found(name, args, load(True), _TASK)}, []
    for role in ("valid", "test"):
        if role not in calls:
            continue
        name, args, load = calls[role]
        try:
            found[role] = Found(name, args, load(False), _TASK)
        except RecipeError as error:
            notes.append(f"The {role} set is not used: {error.problems[0].message()}.")
    return found, notes


def _roles(names: Mapping[str, str]) -> dict[str, str]:
    """Return names by the role of what they are called."""
    roles: dict[str, str] = {}
    for called, name in names.items():
        role = role_of(called)
        if role is not None:
            roles.setdefault(role, name)
    return roles if "train" in roles else {}


def _yolo(root: Path) -> tuple[Sets, list[str]] | None:
    file = next((root / name for name in _DATA_YAML if (root / name).is_file()), None)
    if file is None:
        return None
    try:
        said = read_data_yaml(file)
    except AnnotationError as fault:
        raise bad_annotation(file, fault) from fault
    roles = _roles({name: name for name in ("train", "val", "valid", "test") if said.get(name)})
    if not roles:
        return None
    place = root if file.name in _DATA_YAML[:1] else file
    return _loaded(
        {
            role: (
                "yolo",
                {"path": place, **({} if split == "train" else {"split": split})},
                partial(yolo, place, split, None),
            )
            for role, split in roles.items()
        }
    )


def _voc_lists(root: Path) -> tuple[Sets, list[str]] | None:
    if not (root / "Annotations").is_dir():
        return None
    folder = root / "ImageSets" / "Main"
    roles = _roles({each.stem: each.stem for each in sorted(folder.glob("*.txt"))}) if folder.is_dir() else {}
    if not roles:
        return _loaded({"train": ("voc", {"path": root}, partial(voc, root, None, None))})
    return _loaded(
        {
            role: (
                "voc",
                {"path": root, "split": split},
                partial(voc, root, split, None),
            )
            for role, split in roles.items()
        }
    )


def _voc_folders(root: Path) -> tuple[Sets, list[str]] | None:
    """Find XML files beside images: in folders of sets, or in one folder."""
    roles = _roles({name: name for name in folders_in(root) if _has_xml(root / name)})
    if roles:
        places = {role: root / name for role, name in roles.items()}
    elif _has_xml(root):
        places = {"train": root}
    else:
        return None
    return _loaded({role: ("voc", {"path": place}, partial(voc, place, None, None)) for role, place in places.items()})


def _has_xml(folder: Path) -> bool:
    first = next(iter(sorted(folder.glob("*.xml"))), None)
    return first is not None and b"<annotation" in first.read_bytes()[:2000]


def _coco(root: Path) -> tuple[Sets, list[str]] | None:
    files = coco_files(root, b'"bbox"')
    if not files:
        return None
    found, notes = _loaded(
        {
            role: (
                "coco",
                {"images": images, "annotations": path},
                partial(coco, images, path, None),
            )
            for role, (images, path) in files.items()
        }
    )
    outlined = _outlined(files["train"][1])
    if outlined:
        notes.append(
            f"{counted(outlined, 'object')} {'has an outline' if outlined == 1 else 'have outlines'} as well: "
            "`ftr new … --task segmentation --force` learns a class for each pixel."
        )
    return found, notes


def coco_files(root: Path, key: bytes) -> dict[str, tuple[Path, Path]]:
    """Return the folder of images and the file of each set of COCO, by its role; empty where there are none.

    The files have a key of annotations. They lie in the folder of images that they are about, or in `annotations`.
    """
    files = {path: image for path in _json_files(root, key) if (image := _first_image(path))}
    pairs = {path: folder for path, image in files.items() if (folder := _folder_of(root, path, image)) is not None}
    roles: dict[str, Path] = {}
    for path in pairs:
        role = role_of(path.stem) or role_of(path.parent.name)
        if role:
            roles.setdefault(role, path)
    if "train" not in roles:
        if len(pairs) != 1:
            return {}
        roles = {"train": next(iter(pairs))}
    return {role: (pairs[path], path) for role, path in roles.items()}


def _outlined(path: Path) -> int:
    """Return how many objects of a file of COCO have more of an outline than a box."""
    shapes = [each.get("segmentation") for each in json.loads(path.read_bytes())["annotations"]]
    return sum(isinstance(shape, dict) or isinstance(shape, list) and any(map(_is_no_box, shape)) for shape in shapes)


def _is_no_box(ring: object) -> bool:
    """Whether points x, y, … have more than two places in either direction."""
    if not isinstance(ring, list) or not all(map(number_of, ring)):
        return False
    return len(set(ring[::2])) > 2 or len(set(ring[1::2])) > 2


def _json_files(root: Path, key: bytes) -> list[Path]:
    folders = [root, *(root / name for name in folders_in(root))]
    return [path for folder in folders for path in sorted(folder.glob("*.json")) if key in ends_of(path)]


def ends_of(path: Path) -> bytes:
    """Return the beginning and the end of a file, which tell what it has."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, os.path.getsize(path) - _HEAD))
        return head + file.read(_HEAD)


def _first_image(path: Path) -> str:
    try:
        name = json.loads(path.read_bytes())["images"][0]["file_name"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def _folder_of(root: Path, path: Path, image: str) -> Path | None:
    """Return the folder that has a file's first image: its own, or one below the root, at most two deep."""
    folders = [path.parent, root, *(root / name for name in folders_in(root))]
    folders += [each / name for each in folders[2:] for name in folders_in(each)]
    return next((folder for folder in folders if (folder / image).is_file()), None)


def left_out(sets: Mapping[str, Found]) -> Iterator[str]:
    """Say which objects are left out, and which classes have none."""
    if unused := sets["train"].listing.unused:
        yield f"No classes, since no object has them: {a_few(unused)}."
    for name, each in sets.items():
        for why, count in each.listing.dropped.items():
            yield f"Left out of {quoted(name)}: {counted(count, 'object')} {why}."
