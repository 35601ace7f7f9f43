"""A finished run, loaded from its folder or its pack.

Either may come from somebody else: its recipe is checked like any other, its weights are read by the bounded
reader, and nothing in it runs code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.syntax.parser import read_source
from recipe_lang.words import printable
from runtime.compile.compiler import data_plan
from runtime.compile.components import component
from runtime.compile.phases import stage_loss
from runtime.data.sets import under_root
from runtime.models.network import Model, build_model, frozen_units
from runtime.plan.types import Component, DataFacts, DataPlan, stage_name
from runtime.runs.base_weights import recorded_weights
from runtime.runs.folder import read_json, read_targets, stage_weights, written_recipe
from runtime.runs.own_graph import with_own_graph
from runtime.runs.pack.file import opened
from runtime.runs.pack.signature import is_pack
from runtime.runs.recipe_files import read_recipe
from runtime.runs.seeds import refuse_several
from runtime.system.files import nearest
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import Task, head_builder
from runtime.training.problems import NoStageWeights, NoSuchStage, NotARun
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import Arrays, read_params


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRun:
    """A run's recipe, task, data plan and trained network."""

    path: Path  # the folder of the run, or its pack
    recipe: CheckedRecipe
    task: Task
    data: DataPlan
    model: Model
    result: dict[str, Any]
    cut: int  # how many units its last stage left frozen
    loss: Component  # of that stage
    stage: str = ""  # whose weights these are, where not the final ones were asked for

    @property
    def unfinished(self) -> str:
        """That the run has not ended, and which weights it left; empty where it has, or where a stage's were asked."""
        status, weights = self.result.get("status"), self.result.get("weights")
        return "" if status == "finished" or self.stage else f"the run is {status}: these are {weights}"

    def move(self, context: Any) -> None:
        """Move its weights to a device."""
        for parameter in self.model.parameters.values():
            parameter.reset_ctx(context)


def load(path: Path, stage: str | None = None) -> TrainedRun:
    """Load a run from its folder or its pack; with `stage`, a title or a number, the weights that it handed on.

    Raises:
        RecipeError: it is neither, a file in it is damaged, or there are no such weights.
    """
    refuse_several(path)
    with opened(path) as folder:
        if not os.path.isfile(folder / "resolved.ftr"):  # unlike Path.is_file, false where nobody may look
            is_there = os.path.isdir(folder)
            reason = "it has no `resolved.ftr`" if is_there else "there is no such folder"
            near = "" if is_there else nearest(folder)
            raise RecipeError(NotARun(path=str(folder), reason=reason, nearest=near))
        name = str(folder / "resolved.ftr") if folder == path else str(path)
        recipe = check(parse(read_source(folder / "resolved.ftr", name)), VOCABULARY)
        recipe = with_own_graph(recipe, folder)
        task = task_of(recipe)
        result = read_json(folder, "result.json")
        if not isinstance(result, dict) or not isinstance(result.get("params"), dict):
            raise RecipeError(NotARun(path=str(folder), reason="`result.json` is not that of a run"))
        targets = read_targets(folder, task, result)
        base, head = component(recipe.fields["base"]), [component(layer) for layer in recipe["head"]]
        used = recorded_weights(base, result)
        data = data_plan(recipe, DataFacts(targets), used.normalization)
        model = build_model(base, head, data.size, head_builder(task, targets), used.as_torch)
        stages = tuple(recipe.all("stage"))
        titles = tuple(block.title for block in stages)
        position = None if stage is None else _position(path, titles, stage)
        if position is None or position == len(titles) - 1 and result.get("status") == "finished":
            file = _final(folder, result)
        else:
            file = _handed_on(path, folder, result, position)
        model.load(read_params(file), f"`{path / file.relative_to(folder)}`")
        name = "" if position is None else stage_name(position, titles[position])
        *_, ending = stages[-1 if position is None else position].phases()
        loss = stage_loss(recipe, ending, targets)
        return TrainedRun(path, recipe, task, data, model, result, _cut(folder, model, position), loss, name)


def with_threshold(run: TrainedRun, least: float) -> TrainedRun | None:
    """Return a run that shows what has a score of `least` or more; None where its answers have no such threshold."""
    target = run.task.with_threshold(run.data.target, least)
    return None if target is None else replace(run, data=replace(run.data, target=target))


def _position(path: Path, titles: tuple[str, ...], stage: str) -> int:
    """Return the position of a stage by its title, or by its number from 1."""
    numbers = tuple(str(number) for number in range(1, len(titles) + 1))
    found = next((names.index(stage) for names in (titles, numbers) if stage in names), None)
    if found is None:
        known = ", ".join(stage_name(position, title) for position, title in enumerate(titles))
        raise RecipeError(NoSuchStage(path=str(path), stage=stage, known=known))
    return found


def _final(folder: Path, result: dict[str, Any]) -> Path:
    if not (folder / "model.params").is_file():
        why = "it was packed without weights" if result.get("weights") else "the run left no weights"
        raise RecipeError(NotARun(path=str(folder), reason=f"it has no `model.params`: {why}"))
    return folder / "model.params"


def _handed_on(path: Path, folder: Path, result: dict[str, Any], position: int) -> Path:
    file, status = stage_weights(folder, position), result.get("status")
    if not file.is_file():
        gone = (
            f"`{file.relative_to(folder)}` is not there" if status == "finished" else f"the run is {printable(status)}"
        )
        reason = gone if folder == path else "a pack has the final weights only"
        raise RecipeError(NoStageWeights(path=str(path), number=position + 1, reason=reason))
    return file


def handed_on(path: Path, position: int) -> Arrays:
    """Return the weights that a stage of a finished run handed on, by structural name.

    Raises:
        RecipeError: it is no run, or it has no such weights.
    """
    with opened(path) as folder:
        result = read_json(folder, "result.json")
        if not isinstance(result, dict):
            raise RecipeError(NotARun(path=str(folder), reason="`result.json` is not that of a run"))
        return read_params(_handed_on(path, folder, result, position))


def _cut(folder: Path, model: Model, position: int | None) -> int:
    """Return how many units a stage (the last, if None) left frozen; 0, as right but slower, when no plan says it."""
    try:
        cut = read_json(folder, "plan.json")["stages"][-1 if position is None else position]["cut"]
    except (RecipeError, LookupError, TypeError):
        return 0
    return frozen_units(model, cut) if isinstance(cut, int) and 0 <= cut < len(model.parts) else 0


def moved_recipe(run: TrainedRun, data_root: Path) -> CheckedRecipe:
    """Return the recipe as it was written, whose paths are still relative, with its data below a root."""
    source = read_recipe(run.path if is_pack(run.path) else run.path / "recipe.ftr")
    return under_root(written_recipe(parse(source), run.result), data_root)
