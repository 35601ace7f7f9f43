"""What a run folder says before the training, of a run that begins and of one that resumes.

In go the recipe, its plan, the manifest and the lock's facts; out comes a `Start`, from which the writer (`writer.py`)
goes on. `plan.json` is written last: a folder without it holds a run that was killed before it had begun.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.compose.load import parse
from recipe_lang.output.flatten import flatten
from recipe_lang.output.formatter import recipe_text
from recipe_lang.output.resolved import print_recipe
from runtime.plan.types import Plan
from runtime.runs.folder import read_json, remove_leftovers, write_json, write_text
from runtime.runs.lock.facts import SURROUNDINGS, changed_since, differences
from runtime.runs.lock.file import LOCK, Facts, Lock, existing_lock, lock_text
from runtime.runs.manifest import RunManifest, read_manifest
from runtime.runs.own_graph import keep_graph
from runtime.runs.resume import Resume
from runtime.runs.seed import seeded_text
from runtime.tasks.catalog import TASKS
from runtime.training.events import Resumed
from runtime.training.state import Checkpoint
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Start:
    """How a run starts: `run.json`, the lock's facts, and what `result.json` says of the recipe.

    `checkpoint` is where it resumes, `resumed` what is told of that.
    """

    folder: Path
    began: RunManifest
    facts: Facts
    said: Mapping[str, Any]
    checkpoint: Checkpoint | None = None
    resumed: Resumed | None = None


def write_start(folder: Path, recipe: CheckedRecipe, plan: Plan, began: RunManifest, facts: Facts) -> Start:
    """Write all that a run folder says before the training.

    Raises:
        OSError: it cannot be written.
    """
    began.write(folder)
    write_text(folder / "recipe.ftr", _as_written(recipe))
    write_text(folder / "resolved.ftr", print_recipe(recipe, VOCABULARY))
    keep_graph(folder, plan)
    write_json(folder / TASKS[plan.task].file, plan.data.target.as_file())
    write_text(folder / LOCK, lock_text(facts))
    write_json(folder / "plan.json", plan)
    settings = {param.name: param.value for param in recipe.params if param.was_set}
    return Start(folder, began, facts, {"settings": settings})


def write_restart(
    resume: Resume, recipe: CheckedRecipe, plan: Plan, now: RunManifest, facts: Facts, checkpoint: Checkpoint | None
) -> Start:
    """Write what a run folder no longer says rightly when its run resumes; `now` is how that was asked for.

    What was trained from the checkpoint on is noted with all that differs since. Without a checkpoint it does not
    matter with what the run began.

    Raises:
        OSError: it cannot be written.
        RecipeError: what the folder says cannot be read.
    """
    folder, old = resume.folder, read_manifest(resume.folder)
    remove_leftovers(folder)
    if not (folder / "plan.json").exists():
        return replace(write_start(folder, recipe, plan, now, facts), resumed=Resumed(0, 0, 0))
    lock, began = existing_lock(folder), now
    changes: list[list[str]] = []
    if checkpoint is not None:
        compared = (*SURROUNDINGS, "machine", *(("recipe",) if resume.extend else ()))
        changes = [[each.name, each.locked, each.now] for each in differences(lock.facts, facts, compared)]
        began = replace(now if resume.extend else old, resumed=(*old.resumed, changes))
        facts = {**facts, **changed_since(began.resumed)}
    elif not resume.extend:
        began = replace(now, recipe=old.recipe, settings=old.settings, data_root=old.data_root, outside=old.outside)
    begins = write_start(folder, recipe, plan, began, facts) if resume.extend else _kept(folder, began, lock, facts)
    if checkpoint is None:
        if not resume.extend:
            write_text(folder / LOCK, lock_text(begins.facts))
        return replace(begins, resumed=Resumed(0, 0, 0))
    state = checkpoint.state
    told = tuple((name, before, then) for name, before, then in changes)
    resumed = Resumed(state.stage, state.epoch, state.step, told, checkpoint.passed_over)
    return replace(begins, checkpoint=checkpoint, resumed=resumed)


def _kept(folder: Path, began: RunManifest, lock: Lock, facts: Facts) -> Start:
    """Keep what the folder says of the recipe: the one that the run resumes with may be written otherwise."""
    began.write(folder)
    plan = read_json(folder, "plan.json")
    names = {name for text in began.settings for name in re.findall(r"\w+", text.partition("=")[0])[-1:]}
    settings = {name: value for name, value in plan["params"].items() if name in names}
    said = {"recipe": str(plan["name"]), "hash": str(plan["hash"]), "params": plan["params"], "settings": settings}
    others = {key: fact for key, fact in facts.items() if key[0] not in _OF_RECIPE}
    return Start(folder, began, others | {key: fact for key, fact in lock.facts.items() if key[0] in _OF_RECIPE}, said)


_OF_RECIPE = ("recipe", "parents")


def _as_written(recipe: CheckedRecipe) -> str:
    """Return the recipe's text; one that builds on others or is JSON, as one `.ftr` text that says the same."""
    source, written = recipe.source, recipe.written
    if written.parent is None and not source.is_json:
        for text in (source.text, seeded_text(written)):
            if parse(replace(source, text=text)).items == written.items:
                return text
    return recipe_text(flatten(recipe))
