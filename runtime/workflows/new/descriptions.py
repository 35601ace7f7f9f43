"""Croissant descriptions as a start for a recipe: `described_in(path)` gives the sources of its splits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few
from runtime.data.problems import quoted
from runtime.data.sources.croissant import croissant, splits_of
from runtime.data.sources.croissant_fields import Wanted
from runtime.data.sources.set_names import role_of
from runtime.data.targets import CLASS
from runtime.tasks.catalog import TASKS
from runtime.workflows.new.archives import Sets, sets_of

_ENDINGS = (".json", ".jsonld")
_MARK = b"mlcommons.org/croissant"
_START = 1 << 16  # bytes that hold the context
_MOST = 20  # files of a folder that are looked at
_TASK = next(name for name, task in TASKS.items() if task.target == CLASS)


def described_in(path: Path, task: str) -> tuple[Sets | None, list[str]]:
    """Return the sources of a description, or of the one in a folder, and notes; None where there is none.

    One that is named has to be of use; one that lies in a folder is left aside where it is not, and that is said.

    Raises:
        RecipeError: the description that is named cannot be used.
        OSError: a file cannot be read.
    """
    if task not in ("", _TASK):
        return None, []
    if path.is_file():
        return _sets(path) if _is_description(path) else (None, [])
    there = sorted(each for each in path.iterdir() if each.suffix in _ENDINGS and each.is_file())[:_MOST]
    notes = []
    for each in filter(_is_description, there):
        try:
            return _sets(each)
        except RecipeError as error:
            reason = error.problems[0].message().replace(f"{path}{os.sep}", "")
            notes.append(f"The Croissant description {quoted(each.name)} is not used: {reason}.")
    return None, notes


def _is_description(path: Path) -> bool:
    if path.suffix not in _ENDINGS:
        return False
    with open(path, "rb") as file:
        return _MARK in file.read(_START)


def _sets(path: Path) -> tuple[Sets, list[str]]:
    splits = splits_of(path)
    named = {role: split for split in reversed(splits) if (role := role_of(split))}
    if splits and "train" not in named:
        named["train"] = splits[0]
    args: dict[str, dict[str, Any]] = {role: {"path": path, "split": split} for role, split in named.items()}
    sets, notes = sets_of(
        "croissant",
        args or {"train": {"path": path}},
        _TASK,
        lambda each, training: croissant(each["path"], Wanted(split=each.get("split")), training=training),
    )
    if others := tuple(each for each in splits if each not in named.values()):
        notes.append(f"Splits that are not used: {a_few(others)}.")
    return sets, notes
