"""Populations of recipes: what they find is a recipe with the same bits, and they go on where they were ended."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from recipe_lang.problem import RecipeError
from runtime.runs.checkpoints import newest
from runtime.training.events import Evaluated
from runtime.training.problems import LossNotFinite
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import RunContext, run
from runtime.workflows.tune.members import RecipeMember
from runtime.workflows.tune.pbt import STATE, PopulationSettings, changing, train_recipe_population
from runtime.workflows.tune.population import Generation, exploited
from tests.toy import write_recipe

STAGES = """
stage "head" {
  train     = head
  for       = 1 epoch
  optimizer = sgd(lr = $rate, momentum = 0.9)
}
stage "top" {
  train     = base.block3 .. head
  for       = 2 epochs
  optimizer = sgd(lr = $rate / 2, momentum = 0.9)
  schedule  = linear(warmup = 2 steps)
  monitor   = valid.accuracy
  loss      = cross_entropy(label_smoothing = $smoothing)

  from 1 epoch {
    views = 1
  }
}
"""
TOP = """
param rate      = 1e-2 in log(1e-3 .. 1e-1)
param turn      = 10   in 1 .. 40
param smoothing = 0.1  in [0.0, 0.1, 0.2]
param share     = 0.1  in 0 .. 0.5
param momentum  = 0.9  in 0 .. 0.9
"""
SETTINGS = PopulationSettings(2, 1)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    path = tmp_path_factory.mktemp("population") / "r.ftr"
    stages = STAGES.replace("momentum = 0.9)\n}\nstage", "momentum = $momentum)\n}\nstage")
    return write_recipe(
        path, photos, stages, data="  augment = [rotation($turn)]", head="[dropout($share), dense(classes)]", top=TOP
    )


def context(observers=(), should_stop=lambda: False) -> RunContext:
    return RunContext(RunSettings(workers=0, fuse=False), observers, should_stop)


@pytest.fixture(scope="module")
def whole(recipe: Path):
    """A population, its folder, and `half`, what the folder was when one member had its second turn."""
    folder = recipe.parent / "whole"

    def keep(course: object, now: Generation) -> None:  # noqa: ARG001
        if now.interval == 1 and len(now.scores) == 1:
            shutil.copytree(folder, recipe.parent / "half")

    return train_recipe_population(prepare(recipe), context(), folder, SETTINGS, keep), folder


def test_what_is_found_is_a_recipe_with_the_same_bits(whole, recipe: Path):
    outcome, folder = whole
    best = recipe.parent / "best.ftr"
    best.write_text(outcome.recipe("r.ftr"), encoding="utf-8")
    run_folder, result = run(prepare(best), RunSettings(workers=0, fuse=False), recipe.parent / "run")
    assert result["weights_from"]["value"] == outcome.values[outcome.best]
    member = json.loads((folder / STATE).read_text())["members"][outcome.best]
    checkpoint = newest(folder / "members" / member["learned"])
    assert checkpoint is not None
    kept = checkpoint.arrays["best"]
    trained = read_params(run_folder / "model.params")
    assert all(np.array_equal(trained[name], values) for name, values in kept.items())


def test_what_cannot_change_stays_and_says_why(whole):
    course = whole[0].course
    assert set(course.axes) == {"rate", "turn", "smoothing"}
    assert course.fixed == {
        "share": "it decides `head`, which cannot change while a network trains",
        "momentum": 'it decides `optimizer` of stage "head", which cannot change while a network trains',
    }
    assert all(values.keys() == course.axes.keys() for values in whole[0].history)


def test_a_population_that_was_ended_comes_to_the_same_end(whole, recipe: Path):
    """Killed after a turn, and then ended in the middle of an interval by whoever asks."""
    folder, evaluated = recipe.parent / "half", list[object]()

    def count(event: object) -> None:
        evaluated.extend([event] if isinstance(event, Evaluated) else [])

    with pytest.raises(Interrupted):
        train_recipe_population(prepare(recipe), context((count,), lambda: len(evaluated) > 1), folder, SETTINGS)
    outcome = train_recipe_population(prepare(recipe), context(), folder, SETTINGS)
    assert outcome.history == whole[0].history
    assert outcome.values == whole[0].values
    assert outcome.best == whole[0].best


def test_what_was_set_stays_so_in_the_recipe_that_is_found(recipe: Path):
    prepared = prepare(recipe, ["turn = 20", "share = 0.3"])
    course = changing(prepared, 1, "accuracy")
    assert set(course.axes) == {"rate", "smoothing"}
    assert "param turn = 20\nparam share = 0.3\n" in course.text([course.defaults], "r.ftr").replace("  ", " ")


def test_a_loss_by_which_is_judged_does_not_change(recipe: Path):
    course = changing(prepare(recipe), 1, "loss")
    assert course.fixed["smoothing"] == "it decides a loss by which epochs or members are compared"


def test_another_population_is_refused(whole, recipe: Path):
    with pytest.raises(RecipeError) as caught:
        train_recipe_population(prepare(recipe), context(), whole[1], PopulationSettings(4, 1))
    assert caught.value.problems[0].code == "E633"
    assert "number of members" in caught.value.problems[0].message()


def test_nothing_to_change_is_refused(tmp_path: Path, photos: Path):
    path = write_recipe(
        tmp_path / "r.ftr", photos, head="[dropout($share), dense(classes)]", top="param share = 0.1 in 0 .. 0.5"
    )
    with pytest.raises(RecipeError) as caught:
        train_recipe_population(prepare(path), context(), tmp_path / "study", SETTINGS)
    assert caught.value.problems[0].code == "E634"
    assert "`share` stays" in caught.value.problems[0].message()


def test_a_member_whose_loss_is_no_number_has_no_score(monkeypatch: pytest.MonkeyPatch):
    def diverge(self: RecipeMember, history: object, interval: int) -> float:  # noqa: ARG001
        raise RecipeError(LossNotFinite(title="top", step=3, rate=100.0, loss=math.inf))

    monkeypatch.setattr(RecipeMember, "_train", diverge)
    member = RecipeMember(None, None, "loss", Path("members/1"), print, ({"rate": 1},), "1/1", 0.5)  # type: ignore[arg-type]
    assert math.isnan(member.train({"rate": 100}, 1))
    assert (member.history, member.learned) == (({"rate": 1},), "1/1")  # as it was
    assert exploited([math.nan, 0.1, 0.2, math.nan, math.nan], 1, 0).keys() == {0, 3, 4}
