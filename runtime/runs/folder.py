"""The run folder: what a run leaves, written atomically.

recipe.ftr       the recipe as written
resolved.ftr     every value, as it was run
plan.json        the plan
run.json         how the run began: the command's arguments
classes.json     the names of the classes, in the order of the scores
images.json      which images it trains and validates on, by 64 bits of a hash of each; no pack holds it
metrics.jsonl    one line for each event, as they come
model.params     the final weights; of an interrupted or failed run, what `result.json` says under `weights`
stages/1.params  the weights that the first stage handed on, and so on; those of the last are `model.params`
model-symbol.json, model-0000.params   the same, exported: needs no ftr to run
checkpoints/     where the run can go on: the last two while it runs, the last when it is over
curves.png       loss, rate and metrics over the steps
recipe.ftr.lock  what it was made from, by hashes and versions, and the result, for `ftr verify`
result.json      what came out; `missing` names what was to be written after it, exported model or curves, and was not

`metrics.jsonl` and `result.json` count stages from 1, as the screen does. Epoch 0 is what a stage began with.

A run that was interrupted or failed leaves all but the exported model, the curves and the result in the lock, and no
weights when they are of no use.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.problem import RecipeError
from recipe_lang.syntax.nodes import Recipe
from runtime.plan.types import TargetFacts, as_json
from runtime.system.files import sync_folder, whole_file
from runtime.tasks.protocol import Task
from runtime.training.problems import FolderBusy, FolderTaken, NotARun, NotWritable
from runtime.vocabulary import VOCABULARY

_MAX_JSON = 64_000_000


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a run folder for oneself as long as the block lasts. The system lets go of it when the process ends.

    Raises:
        RecipeError: another run has it.
        OSError: there is no such folder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecipeError(FolderBusy(path=str(folder))) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove what a run that was killed had half written.

    Raises:
        OSError: it cannot be removed.
    """
    for path in (*folder.glob(".*"), *(folder / _STAGES).glob(".*")):
        if path.is_file():
            path.unlink()


def stage_weights(folder: Path, position: int) -> Path:
    """Return the file with the weights that a stage handed on to the next."""
    return folder / _STAGES / f"{position + 1}.params"


_STAGES = "stages"


def create_folder(out: Path | None, name: str) -> Path:
    """Create a new folder: `out`, or the next free `runs/<name>-<n>`.

    Two runs that start together get two numbers: creation is exclusive.

    Raises:
        RecipeError: `out` holds something already, or nothing can be created.
    """
    with writing(out or Path("runs")):
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            if any(not path.match(".run.json.*") for path in out.iterdir()):  # what a run that was killed leaves
                raise RecipeError(FolderTaken(path=str(out), is_run=(out / "run.json").exists()))
            return out
        safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "recipe"
        parent = Path("runs")
        parent.mkdir(exist_ok=True)
        taken = [int(m[1]) for p in parent.iterdir() if (m := re.fullmatch(re.escape(safe) + r"-(\d+)", p.name))]
        number = max(taken, default=0) + 1
        while True:
            try:
                (parent / f"{safe}-{number}").mkdir()
            except FileExistsError:
                number += 1
            else:
                sync_folder(parent)
                return parent / f"{safe}-{number}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into the user's error (a full disk, a folder that may not be written).

    Raises:
        RecipeError: the operating system refused.
    """
    try:
        yield
    except OSError as error:
        name = re.sub(_TEMPORARY, r"\1", str(error.filename or path))
        raise RecipeError(NotWritable(path=name, reason=error.strerror or str(error))) from error


_TEMPORARY = r"(?:^|(?<=/))\.([^/]+)\.(?:[a-z0-9_]{8}|\d+\.part)$"
"""How `write_text` and its like name a file until it is whole."""


def write_text(path: Path, text: str) -> None:
    """Write a file of text whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    # A file name that is not UTF-8 has surrogates in it: as \udcXX they are JSON, and load again.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name, to the disk, then renamed.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically.

    Raises:
        OSError: it cannot be written.
    """
    write_text(path, json.dumps(as_json(value), indent=2, ensure_ascii=False) + "\n")


def read_json(folder: Path, name: str) -> Any:
    """Read a JSON file of a run folder that may come from somebody else.

    Raises:
        RecipeError: it is not there, too large, or no JSON.
    """
    path = folder / name
    try:
        if path.stat().st_size > _MAX_JSON:
            raise RecipeError(NotARun(path=str(folder), reason=f"`{name}` is too large"))
        return json.loads(path.read_text(encoding="utf-8"), parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        reason = f"`{name}` cannot be read ({getattr(error, 'strerror', None) or error})"
        raise RecipeError(NotARun(path=str(folder), reason=reason)) from error


LATER = "it is written after the result"
"""Why a file is missing from the result while the run is still to write it."""


def has_ended(folder: Path) -> bool:
    """Whether a run has trained to its end, and has written all that comes behind its result, or has said why not."""
    try:
        result = read_json(folder, "result.json")
    except RecipeError:  # not there, or not whole
        return False
    if not isinstance(result, dict) or result.get("status") != "finished":
        return False
    missing = result.get("missing")
    return not isinstance(missing, list) or all(LATER not in each for each in missing if isinstance(each, list))


def _whole(digits: str) -> int | float:
    """Return a whole number; one that is larger than any of ours as a float, since not every `int` can become one."""
    return int(digits) if len(digits) < 20 else float(digits)


def read_targets(folder: Path, task: Task, result: Mapping[str, Any]) -> TargetFacts:
    """Read what a run's outputs are: the names of its classes, in the order of the scores, and what its result adds.

    Raises:
        RecipeError: it is not there, or is not what the task writes.
    """
    plain = read_json(folder, task.file)
    try:
        return task.read(plain, result)
    except ValueError as error:
        raise RecipeError(NotARun(path=str(folder), reason=str(error))) from error


def written_recipe(tree: Recipe, result: Mapping[str, Any]) -> CheckedRecipe:
    """Check the tree of a run's `recipe.ftr` with the settings that `result.json` names: its paths are still relative.

    Raises:
        RecipeError: it is wrong.
    """
    given = result.get("settings", result.get("params"))
    settings = [f"{name}={value}" for name, value in given.items()] if isinstance(given, dict) else []
    return check(tree, VOCABULARY, settings)
