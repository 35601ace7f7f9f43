"""Does a run come out again? What is to be run, with which settings, and what the comparison says.

In goes the path of a recipe or of a run folder; out comes a `Subject`, what to train and the lock to compare with. Its
lock and that of the new run give a `Verdict`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.identity import resolved_hash
from recipe_lang.problem import RecipeError
from recipe_lang.syntax.parser import read_source
from runtime.runs.folder import read_json
from runtime.runs.lock.facts import HASHED, SUBJECT, SURROUNDINGS, Difference, differences, refuse
from runtime.runs.lock.file import Facts, Lock
from runtime.runs.lock.problems import LockWithoutResult
from runtime.runs.own_graph import naming_own_graph
from runtime.runs.pack.file import opened
from runtime.runs.pack.signature import is_pack
from runtime.training.problems import NotARun
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be run again: a recipe with its settings, its lock, and the sections of it that have to fit."""

    recipe: Path
    settings: tuple[str, ...]
    lock: Lock
    sections: tuple[str, ...]

    def refuse(self, facts: Facts) -> None:
        """Compare what a new run is made from with the lock.

        Raises:
            RecipeError: it is another recipe, or other data or weights: there is nothing to be repeated.
        """
        refuse(self.lock, self.sections, facts)


def subject(path: Path, lock: Lock, data_root: Path | None) -> Subject:
    """Return what is to be run again: a recipe, or what the folder of a run holds.

    That is its recipe with the paths that it ran with, or as it was written where the data lie elsewhere.

    Raises:
        RecipeError: the lock has no result, or the run folder's recipe is not that of its lock.
    """
    if not lock.has_result:
        raise RecipeError(
            LockWithoutResult(path=lock.source.name, command=f"run {'--resume ' * path.is_dir()}{quote(str(path))}")
        )
    if is_pack(path):
        with opened(path) as folder:
            return Subject(path, _settings(folder), lock, SUBJECT)
    if not os.path.isdir(path):
        return Subject(path, (), lock, SUBJECT)
    settings = _settings(path)
    for name, given in (("recipe.ftr", settings), ("resolved.ftr", ())):
        recipe = check(naming_own_graph(parse(read_source(path / name)), path), VOCABULARY, given)
        refuse(lock, ("recipe",), {**_of_recipe(lock), ("recipe", "resolved"): resolved_hash(recipe, VOCABULARY)})
    if data_root is None:
        return Subject(path / "resolved.ftr", (), lock, HASHED)
    return Subject(path / "recipe.ftr", settings, lock, HASHED)


def _settings(folder: Path) -> tuple[str, ...]:
    result = read_json(folder, "result.json")
    given = result.get("settings") if isinstance(result, dict) else None
    if not isinstance(given, dict):
        raise RecipeError(NotARun(path=str(folder), reason="`result.json` does not say with which settings"))
    return tuple(f"{name}={value}" for name, value in given.items())


def _of_recipe(lock: Lock) -> Facts:
    return {key: fact for key, fact in lock.facts.items() if key[0] == "recipe"}


def settings_of(lock: Lock, workers: int, device: str | None) -> RunSettings:
    """Return the settings of a run that may give the lock's bits, on another device if that is asked for.

    Raises:
        RecipeError: the lock has none that a run can have.
    """
    fuse = lock.choice("fuse", ("on", "off")) == "on"
    locked = lock.facts.get(("run", "device"))
    if not isinstance(locked, str):
        raise lock.broken(("run", "device"), "`run.device` is not text")
    return RunSettings(device or locked, workers, fuse=fuse)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a second run shows: where its result differs, what may be the reason, and whether its claims hold."""

    results: tuple[Difference, ...]
    reasons: tuple[Difference, ...]
    claims: tuple[bool, ...]

    @property
    def text(self) -> str:
        """The verdict in one sentence."""
        if not self.results:
            return "identical: the same weights, bit for bit, and the same metrics"
        if not self.reasons:
            return "fails: a different result, though the machine, the versions and the settings are those of the lock"
        if not self.claims:
            return "fails: not identical, and the recipe has no `expect` that could hold"
        if not all(self.claims):
            return "fails: not identical, and not all claims hold"
        return "holds: not identical, but all claims hold"

    @property
    def fine(self) -> bool:
        """Whether the run has come out again: identical, or its claims hold where the surroundings differ."""
        return not self.text.startswith("fails")


def of_seeds(verdicts: Sequence[tuple[int, Verdict]], summary: Mapping[str, Any]) -> Verdict:
    """Return what second runs with several seeds show together, by each with its seed and by their own summary."""
    claims = tuple(claim["holds"] for claim in summary["expect"] if claim["holds"] is not None)
    results = [
        replace(each, key=(f"seed {seed}: {each.key[0]}", each.key[1]))
        for seed, verdict in verdicts
        for each in verdict.results
    ]
    reasons = {each.key: each for _, verdict in verdicts for each in verdict.reasons}
    return Verdict(tuple(results), tuple(reasons.values()), claims)


def compare(locked: Facts, now: Facts) -> Verdict:
    """Compare the facts of two finished runs."""
    claims = tuple(fact is True for (section, _), fact in now.items() if section == "result.claims")
    reasons = differences(locked, now, (*SURROUNDINGS, "machine", "resumed"))
    return Verdict(tuple(differences(locked, now, ("result",))), tuple(reasons), claims)
