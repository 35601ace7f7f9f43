"""Files that hold many images: record files, shards, parquet, CIFAR and idx files: `archives_in(path)` gives sources.

They are told by their names. Which set a file is, train or test, its name says as well; what the labels are, its
beginning.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.sources.cifar import cifar, has_coarse_labels, is_cifar
from runtime.data.sources.files import folders_in
from runtime.data.sources.idx_files import mnist, sets_of_idx
from runtime.data.sources.packaged import fashion_mnist
from runtime.data.sources.parquet import columns_of, parquet
from runtime.data.sources.patterns import files_of
from runtime.data.sources.records import classes_of_boxes, first_record, has_boxes, rec, rec_labels
from runtime.data.sources.set_names import role_of
from runtime.data.sources.shards import Wanted, usual_members, webdataset
from runtime.data.targets import BOXES, CLASS, LABELS, NUMBERS
from runtime.tasks.catalog import TASKS
from runtime.workflows.new.problems import OtherTask
from runtime.workflows.new.tables import Bare, Found

_PARTS = ("train", "test")
_KMNIST = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_MOST_LINES = 10_000_000  # bytes of a list

Sets = dict[str, Found]
_OF = {task.target: name for name, task in TASKS.items()}


def archives_in(path: Path, task: str) -> tuple[Sets, list[str]] | None:
    """Return the sources of a file, or of a folder of such files, and notes on them; None where there are none.

    Raises:
        RecipeError: the files cannot be used.
        OSError: they cannot be read.
    """
    found = _found(path, task)
    if found is None:
        return None
    sets, notes = found
    other = sets["train"].task
    if task not in ("", other):
        raise RecipeError(OtherTask(path=str(path), task=task, other=other))
    return sets, notes


def _found(path: Path, task: str) -> tuple[Sets, list[str]] | None:
    if is_cifar(path):
        return _cifar(path)
    if path.is_dir() and (names := sets_of_idx(path)):
        return _idx(path, names)
    for ending, read in _BY_ENDING.items():
        files = _files(path, ending)
        if files:
            return read(files, task)
    return None


def _files(path: Path, ending: str) -> dict[str, Path]:
    """Return by role the path of the files with an ending: of a file, it and its neighbours that are other sets."""
    if path.is_file():
        if not path.name.endswith(ending):
            return {}
        if role_of(path.stem) != "train":
            return {"train": path}
        place = path.parent
    else:
        place = _place(path, ending)
    by_role: dict[str, list[Path]] = defaultdict(list)
    for each in sorted(place.iterdir()):
        if each.name.endswith(ending) and not each.name.startswith(".") and each.is_file():
            by_role[role_of(each.stem) or ""].append(each)
    if "train" not in by_role:
        every = sorted(each for files in by_role.values() for each in files)
        return {"train": _pattern(place, every, ending)} if every else {}
    return {role: _pattern(place, files, ending) for role, files in by_role.items() if role}


def _place(path: Path, ending: str) -> Path:
    """Return the folder that has the files: this one, or the only one in it that does."""
    names = [name for name in folders_in(path) if any((path / name).glob(f"*{ending}"))]
    return path / names[0] if len(names) == 1 and not any(path.glob(f"*{ending}")) else path


def _pattern(place: Path, files: Sequence[Path], ending: str) -> Path:
    """Return a path that stands for just these files of a folder."""
    if len(files) == 1:
        return files[0]
    start = os.path.commonprefix([each.name for each in files]).rstrip("0123456789")
    pattern = place / f"{start}*{ending}"
    stems = ",".join(each.name.removesuffix(ending) for each in files)
    return pattern if files_of(pattern, ending) == list(files) else place / f"{{{stems}}}{ending}"


def sets_of(
    call: str, args: Mapping[str, Mapping[str, Any]], task: str, load: Callable[[Mapping[str, Any], bool], Listing]
) -> tuple[Sets, list[str]]:
    """List the sets; one that is not `train` and cannot be read is left out, and said."""
    train = load(args["train"], True)
    found, notes = {"train": Found(call, args["train"], train, task)}, []
    for role in ("valid", "test"):
        if role in args:
            try:
                listing = TASKS[task].align(load(args[role], False), train.names, role)
                found[role] = Found(call, args[role], listing, task)
            except RecipeError as error:
                notes.append(f"The {role} set is not used: {error.problems[0].message()}.")
    return found, notes


def _cifar(path: Path) -> tuple[Sets, list[str]]:
    parts = {part: {"path": path, "part": Bare(part)} for part in _PARTS}
    sets, notes = sets_of("cifar", parts, _OF[CLASS], lambda args, _: cifar(path, args["part"]))
    coarse = "The classes are the 100 fine ones: `labels = coarse` takes the 20 superclasses."
    return sets, [*notes, *([coarse] if has_coarse_labels(path) else [])]


def _idx(path: Path, names: Sequence[str]) -> tuple[Sets, list[str]]:
    called = str(path).lower()
    if names == [""] and "fashion" in called:
        clothes = {part: {"part": Bare(part), "path": path} for part in _PARTS}
        return sets_of("fashion_mnist", clothes, _OF[CLASS], lambda args, _: fashion_mnist(path, args["part"]))
    others: dict[str, Any] = {"set": names[0]} if len(names) > 1 else {}
    if names == [""] and "kmnist" in called:
        others["names"] = list(_KMNIST)
    parts = {part: {"path": path, "part": Bare(part), **others} for part in _PARTS}
    sets, notes = sets_of(
        "mnist",
        parts,
        _OF[CLASS],
        lambda args, training: mnist(path, args["part"], args.get("set"), args.get("names"), training),
    )
    if len(names) > 1:
        notes.append(f"There are several sets, {a_few(tuple(names))}: `set` names another.")
    return sets, notes


def _records(files: Mapping[str, Path], task: str) -> tuple[Sets, list[str]]:
    first = first_record(files["train"])
    kind = CLASS if len(first.label) == 1 else BOXES if has_boxes(first.label) else NUMBERS
    if task and TASKS[task].target in (NUMBERS, LABELS) and kind != BOXES:
        kind = TASKS[task].target
    if kind == BOXES:
        return _boxes(files)
    names = _names_in_list(files["train"].with_suffix(".lst")) if kind == CLASS else None
    args = {role: {"path": file, **({"names": names} if names else {})} for role, file in files.items()}
    sets, notes = sets_of(
        "rec", args, _OF[kind], lambda each, training: rec_labels(each["path"], kind, names, training)
    )
    if kind == CLASS and names:
        notes.append(f"The names of the classes are the folders in {quoted(files['train'].with_suffix('.lst').name)}.")
    elif kind == CLASS:
        notes.append('The file has numbers of classes: `names = ["…"]` names them, in their order.')
    return sets, notes


def _boxes(files: Mapping[str, Path]) -> tuple[Sets, list[str]]:
    count = 1 + max((number for file in files.values() for number in classes_of_boxes(file)), default=0)
    names = [f"class {number}" for number in range(count)]
    args = {role: {"path": file, "names": names} for role, file in files.items()}
    sets, notes = sets_of("rec", args, _OF[BOXES], lambda each, training: rec(each["path"], names, training))
    return sets, [*notes, "The file has numbers of classes and no names: write these into `names`."]


def _names_in_list(path: Path) -> list[str] | None:
    """Return the names of classes that a list of `im2rec` shows: the folders of the images of each number."""
    if not path.is_file() or path.stat().st_size > _MOST_LINES:
        return None
    names: dict[str, str] = {}
    for line in path.read_text("utf-8", "replace").splitlines():
        cells = line.split("\t")
        folder = os.path.basename(os.path.dirname(cells[-1]))
        if len(cells) != 3 or not folder or names.setdefault(cells[1], folder) != folder:
            return None
    try:
        numbers = sorted((float(number), name) for number, name in names.items())
    except ValueError:
        return None
    found = [name for _, name in numbers]
    return found if [number for number, _ in numbers] == list(range(len(found))) and len(set(found)) > 1 else None


def _shards(files: Mapping[str, Path], task: str) -> tuple[Sets, list[str]]:  # noqa: ARG001
    wanted = usual_members(files_of(files["train"], ".tar")[0])
    usual = Wanted()
    others = {
        name: getattr(wanted, name)
        for name in ("label", "key", "image")
        if getattr(wanted, name) != getattr(usual, name)
    }
    args = {role: {"path": file, **others} for role, file in files.items()}
    return sets_of(
        "webdataset", args, _OF[CLASS], lambda each, training: webdataset(each["path"], wanted, None, training)
    )


def _parquet(files: Mapping[str, Path], task: str) -> tuple[Sets, list[str]]:  # noqa: ARG001
    images, labels = columns_of(files_of(files["train"], ".parquet")[0])
    image, label = (*images, "image")[0], (*labels, "label")[0]
    others = {name: column for name, column in (("image", image), ("label", label)) if column != name}
    args = {role: {"path": file, **others} for role, file in files.items()}
    sets, notes = sets_of(
        "parquet", args, _OF[CLASS], lambda each, training: parquet(each["path"], image, label, None, training)
    )
    if len(labels) > 1:
        named = ", ".join(map(quoted, labels[1:6]))
        notes.append(f"The classes are those of column {quoted(label)}; other columns could be meant: {named}.")
    return sets, notes


_BY_ENDING: Mapping[str, Callable[[Mapping[str, Path], str], tuple[Sets, list[str]]]] = {
    ".rec": _records,
    ".tar": _shards,
    ".parquet": _parquet,
}
ENDINGS = (*_BY_ENDING, ".tar.gz")
"""Endings of files that hold many images."""
