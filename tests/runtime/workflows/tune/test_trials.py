"""Trials in one process: the weights of runs of their own, bit for bit, and no more work than needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import train, write_recipe

from recipe_lang.problem import RecipeError
from runtime.features.prefix import Prefix
from runtime.runs.lock.file import LOCK, read_lock
from runtime.training import events
from runtime.training.events import Evaluated, Event, Preliminary
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.workflows.preparation import prepare
from runtime.workflows.tune.objectives import COSTS
from runtime.workflows.tune.trials import Trials

STAGES = """
stage "head" {
  train     = head
  for       = $length
  optimizer = adam(lr = $lr)
}
stage "top" {
  train     = base.block3 .. head
  for       = 1 epoch
  optimizer = adam(lr = 1e-3)
  norm      = frozen
}
"""
PARAMS = """
param lr     = 1e-2 in log(1e-4 .. 1e-1)
param length = 1 epoch in 1 epoch .. 3 epochs
param rate   = 0.1 in 0.0 .. 0.5
param batch  = 16 images in [8 images, 16 images]
"""


@pytest.fixture
def recipe(photos: Path, tmp_path: Path) -> Path:
    """A recipe of two stages with parameters for its head, a rate, a length and the batch."""
    data, head = "  augment = [flip(horizontal)]\n  batch = $batch", "[dropout($rate), dense(classes)]"
    return write_recipe(tmp_path / "r.ftr", photos, STAGES, data=data, head=head, top=PARAMS)


def test_a_trial_gives_the_weights_of_a_run_of_its_own_whatever_came_before(recipe: Path, tmp_path: Path) -> None:
    own = {}
    for number, values in enumerate(({"lr": "0.003", "length": "2 epochs"}, {"rate": "0.4", "batch": "8 images"})):
        result = train(recipe, tmp_path / str(number), settings=[f"{name}={value}" for name, value in values.items()])
        lock = read_lock(tmp_path / str(number) / LOCK)
        own[tuple(values.items())] = lock.facts["result", "weights"], result["valid"]["loss"]
    with Trials(prepare(recipe), RunSettings(workers=0)) as trials:
        trials.run({"lr": "0.05"})
        recipe.write_text("edited while the study runs")
        for values in [*own, next(iter(own))]:
            found = trials.run(dict(values), costs={"parameters": COSTS["seconds_per_image"].cost or (lambda _: 0.0)})
            assert (found.weights, found.values["loss"]) == own[values]
            assert found.whole


def test_a_trial_that_changes_the_head_opens_no_image_and_computes_no_feature(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Trials(prepare(recipe), RunSettings(workers=0)) as trials:
        trials.run({"length": "2 epochs"})
        opened = []
        through = Prefix._opened
        monkeypatch.setattr(
            Prefix, "_opened", lambda self, keys, *rest: (opened.extend(keys), through(self, keys, *rest))[1]
        )
        trials.run({"rate": "0.3", "lr": "0.02", "length": "2 epochs"})
        assert not opened
        trials.run({"batch": "8 images"})
        assert opened, "another batch rounds in its own way"


def test_an_observer_ends_a_trial_behind_an_epoch_and_the_test_set_is_not_measured(recipe: Path) -> None:
    seen: list[Event | Preliminary] = []

    def watch(event: Event | Preliminary) -> None:
        seen.append(event)
        if isinstance(event, Evaluated) and event.epoch == ends:
            raise Interrupted

    with Trials(prepare(recipe), RunSettings(workers=0)) as trials:
        ends = 1
        found = trials.run({"length": "3 epochs"}, [watch])
        assert not found.whole
        assert [each.epoch for each in found.epochs] == [1]
        assert found.values == found.epochs[0].values
        ends = 9
        assert trials.run({}, [watch]).whole
    assert {each.set for each in seen if isinstance(each, Evaluated | events.Tested)} == {"valid"}


def test_a_value_that_the_recipe_does_not_take_is_an_error_and_the_next_trial_runs(recipe: Path) -> None:
    with Trials(prepare(recipe), RunSettings(workers=0)) as trials:
        with pytest.raises(RecipeError) as caught:
            trials.run({"lr": "10"})
        assert [each.code for each in caught.value.problems] == ["E306"]
        assert trials.run({}).whole
