"""How a run began: `run.json`, written before the training, read when the run goes on.

It says which recipe, with which settings, where, and with what; versions are in the run's lock.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.plan.types import as_json
from runtime.runs.folder import read_json, write_json
from runtime.training.problems import NotResumable
from runtime.training.settings import MOST_THREADS

_FORMAT = 1
_KINDS: Mapping[str, tuple[type, ...]] = {
    "format": (int,),
    "recipe": (str,),
    "settings": (list,),
    "data_root": (str, type(None)),
    "outside": (bool,),
    "device": (str,),
    "workers": (int,),
    "cache": (bool,),
    "fuse": (bool,),
    "threads": (int,),
    "instructions": (str,),
    "resumed": (list,),
    "seed": (int, type(None)),
}
_LONGEST = 80  # characters, as `runtime.runs.lock.facts.shown` gives
_MOST_CHANGES = 20_000  # of 240 characters, so that the lock is not too long to be read


@dataclass(frozen=True, slots=True)
class RunManifest:
    """How a run began: the arguments of `ftr run`.

    `resumed` has for each time that it went on what was otherwise than at its beginning, as [name, before, then].
    """

    recipe: str
    settings: tuple[str, ...]
    data_root: str | None
    outside: bool
    device: str
    workers: int
    cache: bool
    fuse: bool
    threads: int
    instructions: str
    resumed: tuple[Any, ...] = ()
    seed: int | None = None  # in place of the recipe's

    def write(self, folder: Path) -> None:
        """Write `run.json`.

        Raises:
            OSError: it cannot be written.
        """
        plain = {name: value for name, value in as_json(self).items() if name != "seed" or value is not None}
        write_json(folder / "run.json", {"format": _FORMAT, **plain})


def read_manifest(folder: Path) -> RunManifest:
    """Read `run.json` of a run that is to go on.

    Raises:
        RecipeError: there is no such run, or the file is damaged.
    """
    if not (folder / "run.json").is_file():
        is_study = (folder / "study.json").is_file()  # of `ftr tune`
        reason = "it has no `run.json`: no run reached its first step there"
        reason = f"it is a study: `ftr tune --resume {shlex.quote(str(folder))}`" if is_study else reason
        raise RecipeError(NotResumable(path=str(folder), reason=reason if folder.is_dir() else "no such folder"))
    plain = read_json(folder, "run.json")
    if isinstance(plain, dict):
        plain.setdefault("seed", None)
    if not isinstance(plain, dict) or plain.keys() != _KINDS.keys() or plain["format"] != _FORMAT:
        raise RecipeError(NotResumable(path=str(folder), reason="`run.json` is of another kind or version"))
    for name, kinds in _KINDS.items():
        if type(plain[name]) not in kinds:
            raise RecipeError(NotResumable(path=str(folder), reason=f"`{name}` in `run.json` is of the wrong type"))
    is_text = all(isinstance(text, str) for text in plain["settings"]) and _are_changes(plain["resumed"])
    if not is_text or not 0 <= plain["workers"] <= 64 or not 1 <= plain["threads"] <= MOST_THREADS:
        raise RecipeError(NotResumable(path=str(folder), reason="`run.json` has a wrong value"))
    del plain["format"]
    return RunManifest(**{**plain, "settings": tuple(plain["settings"]), "resumed": tuple(plain["resumed"])})


def _are_changes(resumed: list[Any]) -> bool:
    """Tell whether something has the form of `RunManifest.resumed`, and no more in it than runs that went on write."""
    if not all(isinstance(changes, list) for changes in resumed) or sum(map(len, resumed)) > _MOST_CHANGES:
        return False
    every = [change for changes in resumed for change in changes]
    return all(isinstance(change, list) and [type(text) for text in change] == [str] * 3 for change in every) and all(
        len(text) <= _LONGEST for change in every for text in change
    )
