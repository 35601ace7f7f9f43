"""When a stage ends, and with which weights: by its rules, by a failure, by a signal."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import metrics, train, write_recipe
from whole_runs import PROMISED, problems_of

from recipe_lang.problem import RecipeError
from runtime.runs.resume import Resume
from runtime.runs.trained import load
from runtime.training.events import (
    Evaluated,
    FolderOpened,
    ImagesChecked,
    StepFinished,
)
from runtime.training.problems import NotWritable
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared

_STOPS = """
stage "a" {
  train     = head
  for       = 9 epochs
  optimizer = adam(lr = 1e-2)
  stop      = early(valid.accuracy, patience = 2 epochs, min_delta = 1)
  keep      = %s
}
"""


# --- when a stage ends, and with what --------------------------------------------------------


def test_early_stop_stops(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, _STOPS % "last")
    result = train(recipe, tmp_path / "run")
    (stage,) = result["stages"]
    assert (stage["epochs_done"], stage["ended"]) == (3, "stopped early")
    assert stage["kept"] == "the last (epoch 3)"


def test_the_best_is_kept_and_not_the_last(photos: Path, tmp_path: Path) -> None:
    stages = """
stage "worse and worse" {
  train     = head
  for       = 4 epochs
  optimizer = adam(lr = 0.1)
  monitor   = valid.loss
}
"""
    copy = shutil.copytree(photos, tmp_path / "photos")
    for source, target in (("red", "x"), ("blue", "red"), ("x", "blue")):  # what is learnt of these is wrong
        (copy / "valid" / source).rename(copy / "valid" / target)
    prepared = prepare(write_recipe(tmp_path / "r.ftr", copy, stages))
    arrays: dict[int, dict[str, Any]] = {}
    best: list[int] = []

    def seen(event: Any) -> None:
        if isinstance(event, Evaluated):
            arrays[event.epoch] = prepared.model.arrays()
            best.extend([event.epoch] if event.is_best else [])

    run_prepared(prepared, RunSettings(), tmp_path / "run", observers=(seen,))
    values = [line["loss"] for line in metrics(tmp_path / "run") if line["event"] == "evaluated"]
    assert best[-1] == 1 + int(np.argmin(values))
    assert best[-1] != 4, "the case does not show the difference"
    kept = read_params(tmp_path / "run/model.params")
    assert all(np.array_equal(kept[name], arrays[best[-1]][name]) for name in kept)


def test_a_loss_that_is_no_number_ends_the_run(photos: Path, tmp_path: Path) -> None:
    stages = """
stage "too hot" {
  train     = all
  for       = 40 epochs
  optimizer = sgd(lr = 100, weight_decay = 10)
  schedule  = constant
}
"""
    recipe = write_recipe(tmp_path / "r.ftr", photos, stages)
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert problem.code == "E601"
    assert problem.span is not None
    assert problem.span.text == "sgd(lr = 100, weight_decay = 10)"
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["status"], result["weights"]) == ("failed", None)
    assert not (tmp_path / "run/model.params").exists()
    with pytest.raises(RecipeError, match="left no weights"):
        load(tmp_path / "run")


def test_a_run_that_ends_without_weights_keeps_none_of_before(photos: Path, tmp_path: Path) -> None:
    stage = 'stage "a" {\n  train = all\n  for = 40 epochs\n  optimizer = sgd(lr = 100, weight_decay = 10)\n}\n'
    recipe, out = write_recipe(tmp_path / "r.ftr", photos, stage), tmp_path / "run"

    def stop(event: Any) -> None:
        if isinstance(event, StepFinished) and event.step == 1:  # a second one would break it off
            signal.raise_signal(signal.SIGINT)

    _, result = run_prepared(prepare(recipe), RunSettings(workers=0), out, observers=(stop,))
    assert (result["status"], (out / "model.params").exists()) == ("interrupted", True)
    with pytest.raises(RecipeError) as caught:
        run_prepared(prepare(recipe), RunSettings(workers=0), None, resume=Resume(out))
    assert caught.value.problems[0].code == "E601"
    with pytest.raises(RecipeError, match="left no weights"):
        load(out)


def test_a_failed_stage_leaves_the_weights_of_the_one_before(photos: Path, tmp_path: Path) -> None:
    good = 'stage "good" {\n  train = base.block3 .. head\n  for = 1 epoch\n}\n'
    bad = 'stage "bad" {\n  train = all\n  for = 9 epochs\n  optimizer = sgd(lr = 100, weight_decay = 10)\n}\n'
    train(write_recipe(tmp_path / "good.ftr", photos, good), tmp_path / "good")
    assert problems_of(write_recipe(tmp_path / "both.ftr", photos, good + bad), tmp_path / "both")[0].code == "E601"
    assert (tmp_path / "both/model.params").read_bytes() == (tmp_path / "good/model.params").read_bytes()
    left = 'the weights that stage 2 "bad" began with, of epoch 1 of stage 1 "good"'
    assert load(tmp_path / "both").result["weights"] == left


BACK_OFF = """
stage "hot" {
  train         = all
  for           = 5 epochs
  optimizer     = sgd(lr = 100, weight_decay = 10)
  schedule      = constant
  on_divergence = back_off(factor = %s, times = 2)
}
"""


def test_a_loss_that_is_no_number_goes_back_to_the_beginning_of_the_epoch(photos: Path, tmp_path: Path) -> None:
    result = train(write_recipe(tmp_path / "r.ftr", photos, BACK_OFF % "1e-6"), tmp_path / "run")
    lines = metrics(tmp_path / "run")
    (back,) = [number for number, line in enumerate(lines) if line["event"] == "rolled_back"]
    place = lines[back]["step"]
    assert (place % 3, lines[back]["factor"]) == (0, 1e-6)
    first, again = [line for line in lines if (line["event"], line["step"]) == ("step_finished", place + 1)]
    assert (first["loss"], first["rate"] * 1e-6) == (again["loss"], pytest.approx(again["rate"]))
    assert [line["epoch"] for line in lines if line["event"] == "evaluated"] == list(range(1, 6))
    assert (result["status"], result["stages"][0]["rolled_back"]) == ("finished", 1)


def test_it_goes_back_only_so_many_times(photos: Path, tmp_path: Path) -> None:
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", photos, BACK_OFF % "0.9"), tmp_path / "run")
    assert (problem.code, "after going back 2 times" in problem.message()) == ("E601", True)
    assert problem.span is not None
    assert problem.span.text == "sgd(lr = 100, weight_decay = 10)"


# --- interrupted -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_the_best(photos: Path, tmp_path: Path, number: signal.Signals) -> None:
    stages = 'stage "a" {\n  train = head\n  for = 50 epochs\n  monitor = valid.loss\n}\n'
    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos, stages))
    best: list[tuple[int, dict[str, Any]]] = []

    def seen(event: Any) -> None:
        if isinstance(event, Evaluated) and event.is_best:
            best.append((event.epoch, prepared.model.arrays()))
        if isinstance(event, StepFinished) and event.step == 10:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    folder, result = run_prepared(prepared, RunSettings(), tmp_path / "run", observers=(seen,))
    assert signal.getsignal(number) is before
    assert (result["status"], result["signal"], result["expect"]) == ("interrupted", number, None)
    epoch, arrays = best[-1]
    assert result["weights"] == f'the best weights so far, of epoch {epoch} of stage 1 "a"'
    kept = read_params(folder / "model.params")
    assert all(np.array_equal(kept[name], arrays[name]) for name in kept)
    assert load(folder).result["status"] == "interrupted"
    assert {path.name for path in folder.iterdir()} == PROMISED - {
        "model-symbol.json",
        "model-0000.params",
        "curves.png",
    }


@pytest.mark.parametrize("how", [signal.SIGTERM, "caller", "observer"])
def test_interrupted_before_the_training_there_is_no_folder(
    photos: Path, tmp_path: Path, how: signal.Signals | str
) -> None:
    checked: list[int] = []

    def checking(event: object) -> None:
        assert isinstance(event, ImagesChecked)
        assert event.total == 120
        checked.append(event.done)
        if event.done == 20 and isinstance(how, signal.Signals):
            signal.raise_signal(how)
        if event.done == 20 and how == "observer":
            raise Interrupted

    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos))
    should_stop = (lambda: 20 in checked) if how == "caller" else lambda: False
    with pytest.raises(Interrupted) as caught:
        run_prepared(prepared, RunSettings(), tmp_path / "run", observers=(checking,), should_stop=should_stop)
    assert caught.value.args == (None if isinstance(how, str) else how,)
    assert max(checked) < 120
    assert not (tmp_path / "run").exists()


def test_what_an_observer_raises_is_the_runs_own_failure(photos: Path, tmp_path: Path) -> None:
    problem = NotWritable(path="the tracker's file", reason="no room")

    def refuse(event: object) -> None:
        if isinstance(event, FolderOpened):
            opened.append(event.folder)
        if isinstance(event, StepFinished):
            raise RecipeError(problem)

    opened: list[Path] = []
    assert problems_of(write_recipe(tmp_path / "r.ftr", photos), tmp_path / "run", watch=refuse) == (problem,)
    assert opened == [tmp_path / "run"]
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "failed"
