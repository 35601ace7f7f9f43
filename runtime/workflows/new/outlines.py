"""Folders of images with outlines of areas: `outlines_in(folder)` gives the sources that make masks of them.

They are told by their files of JSON: COCO's, whose annotations have a `segmentation`, or LabelMe's, one for each image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few
from runtime.data.listing import Listing
from runtime.data.sources.files import folders_in
from runtime.data.sources.outlines import coco_masks, labelme
from runtime.data.sources.set_names import role_of
from runtime.data.targets import MASK
from runtime.tasks.catalog import TASKS
from runtime.workflows.new.objects import coco_files, ends_of
from runtime.workflows.new.tables import Found

_TASK = next(name for name, task in TASKS.items() if task.target == MASK)

Sets = dict[str, Found]
_Load = Callable[[list[str] | None, bool], Listing]  # the classes, and whether the images train
_Call = tuple[str, dict[str, Path], _Load]


def outlines_in(root: Path) -> tuple[Sets, list[str]] | None:
    """Return the sources of a folder of images with outlines, and what was left out; None where it is no such folder.

    Raises:
        RecipeError: its outlines cannot be used.
        OSError: a folder cannot be read.
    """
    for looks in (_coco, _labelme):
        if calls := looks(root):
            return _loaded(calls)
    return None


def _loaded(calls: Mapping[str, _Call]) -> tuple[Sets, list[str]]:
    """List the sets, each with the classes of `train`; one that cannot be read is left out, and said."""
    name, args, load = calls["train"]
    train = load(None, True)
    classes = list(train.names)
    found, notes = {"train": Found(name, {**args, "classes": classes}, train, _TASK)}, []
    for role in ("valid", "test"):
        if role not in calls:
            continue
        name, args, load = calls[role]
        try:
            found[role] = Found(name, {**args, "classes": classes}, load(classes, False), _TASK)
            others = [each for each in load(None, False).names if each not in classes]
        except RecipeError as error:
            notes.append(f"The {role} set is not used: {error.problems[0].message()}.")
            continue
        if others:
            notes.append(f"Background in the {role} set, since no image of train shows them: {a_few(others)}.")
    return found, notes


def _coco(root: Path) -> dict[str, _Call]:
    return {
        role: ("coco", {"images": images, "annotations": path}, partial(coco_masks, images, path))
        for role, (images, path) in coco_files(root, b'"segmentation"').items()
    }


def _labelme(root: Path) -> dict[str, _Call]:
    """Find files of LabelMe: in folders of sets, or anywhere below one folder."""
    places = {role: root / name for name in folders_in(root) if (role := role_of(name)) and _has_shapes(root / name)}
    if "train" not in places:
        places = {"train": root} if _has_shapes(root) else {}
    return {role: ("labelme", {"path": place}, partial(labelme, place)) for role, place in places.items()}


def _has_shapes(folder: Path) -> bool:
    first = next(iter(sorted(folder.glob("*.json"))), None) or next(iter(sorted(folder.glob("*/*.json"))), None)
    return first is not None and b'"shapes"' in (ends := ends_of(first)) and b'"imagePath"' in ends
