"""Whole runs, from a recipe file to the run folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from toy import CLASSES, STAGE, TINY, make_images, metrics, train, truncate, write_recipe

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.backend.mx import mx
from runtime.compile.weights_advice import with_weights_advice
from runtime.data.sets import Sets, list_sets
from runtime.data.targets import CLASS
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.models import zoo as families
from runtime.models.weights_sources import source_of
from runtime.plan.types import Component, Plan
from runtime.reporting.curves import CURVES
from runtime.runs.folder import create_folder
from runtime.runs.resume import Resume
from runtime.runs.trained import load
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.training.events import (
    Evaluated,
    FolderOpened,
    ImagesChecked,
    ImagesSkipped,
    Observer,
    StageFinished,
    StageStarted,
    StepFinished,
)
from runtime.training.problems import NotWritable
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.training import OPTIMIZER
from runtime.weights import hosted as hosted_weights
from runtime.weights.params_file import read_params, write_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared

PROMISED = {
    *("recipe.ftr", "resolved.ftr", "plan.json", "classes.json", "metrics.jsonl", "model.params"),
    *("model-symbol.json", "model-0000.params", "curves.png", "result.json", "run.json", "checkpoints", "images.json"),
    "recipe.ftr.lock",
}
LINE_OF_TRAIN, LINE_OF_VALID = 4, 5  # in the recipes of `write_recipe` without `top`

TWO_STAGES = """
stage "head" {
  train     = head
  for       = 2 epochs
  optimizer = adam(lr = 5e-3)
}
stage "top" {
  train     = base.block3 .. head
  for       = 7 steps
  optimizer = sgd(lr = 1e-2, weight_decay = 1e-3)
  schedule  = cosine(warmup = 2 steps)
  monitor   = valid.accuracy
}
expect { valid.accuracy >= 0% }
"""
EVERYTHING = """
stage "all" {
  train     = base.block2 .. head
  for       = 5 steps
  optimizer = sgd(lr = 1e-2, weight_decay = 1e-3)
  clip      = global_norm(1.0)
  l1        = 1e-5
}
"""
AUGMENTED = (
    "  augment = [random_resized_crop, flip(horizontal), flip(vertical), color_jitter(0.2, hue = 0.1), lighting(0.1)]"
)


def problems_of(recipe: Path, out: Path, watch: Observer | None = None) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        train(recipe, out, watch=watch)
    return caught.value.problems


def line_of(problem: Problem) -> int:
    assert problem.span is not None, problem.message()
    return problem.span.line


# --- what a run leaves -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("two-stages")
    recipe = write_recipe(root / "toy.ftr", photos, TWO_STAGES)
    return root / "run", train(recipe, root / "run", extras=(CURVES,))


def test_the_folder_has_exactly_the_promised_files(finished: tuple[Path, dict[str, Any]]) -> None:
    assert {path.name for path in finished[0].iterdir()} == PROMISED | {"stages"}


def test_the_result_says_what_came_out(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, returned = finished
    result = json.loads((folder / "result.json").read_text())
    wanted = {"recipe", "hash", "classes", "stages", "best", "test", "expect", "wall_s", "versions"}
    assert wanted <= result.keys()
    assert result == {name: value for name, value in returned.items() if name != "signal"}
    assert result["recipe"] == "toy"
    assert result["classes"] == list(CLASSES)
    assert 0 <= result["test"]["accuracy"] <= 1
    assert result["expect"] == [
        {"claim": "valid.accuracy >= 0", "value": result["valid"]["accuracy"], "holds": True},
    ]
    assert result["images"] == {"train": 72, "valid": 24, "test": 24}
    assert [stage["steps_done"] for stage in result["stages"]] == [8, 7]
    assert {"mxnet", "gluoncv", "numpy", "ftr", "python", "threads"} <= result["versions"].keys()


def test_each_line_of_the_metrics_has_its_place(finished: tuple[Path, dict[str, Any]]) -> None:
    lines = metrics(finished[0])
    assert all({"event", "stage", "epoch", "step"} <= line.keys() for line in lines)
    steps = [(line["stage"], line["epoch"], line["step"]) for line in lines if line["event"] == "step_finished"]
    assert steps == [
        *((1, 1 + step // 4, step + 1) for step in range(8)),
        *((2, 1 + step // 4, step + 1) for step in range(7)),
    ]
    rates = [line["rate"] for line in lines if line["event"] == "step_finished" and line["stage"] == 2]
    assert rates[0] < rates[1] < rates[2] == 1e-2
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_the_best_weights_are_the_final_ones(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, result = finished
    best = [line for line in metrics(folder) if line["event"] == "evaluated" and line["best"]][-1]
    names = ("loss", "accuracy", "f1")
    assert [result["valid"][name] for name in names] == [best[name] for name in names]
    assert result["best"]["step"] == best["step"]


def test_the_resolved_recipe_runs_to_the_same_weights(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    again = train(finished[0] / "resolved.ftr", tmp_path / "again")
    assert again["hash"] != ""
    assert (tmp_path / "again/model.params").read_bytes() == (finished[0] / "model.params").read_bytes()


# --- the same again --------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_change_nothing(photos: Path, tmp_path: Path, workers: int) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, EVERYTHING, data=AUGMENTED, head="[dropout(0.5), dense(classes)]")
    for out, count in (("one", 2), ("two", workers)):
        train(recipe, tmp_path / out, workers=count)
    assert (tmp_path / "one/model.params").read_bytes() == (tmp_path / "two/model.params").read_bytes()


def test_the_seed_changes_everything(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, EVERYTHING, top="param s = 1\nseed = $s")
    for seed in (1, 2):
        train(recipe, tmp_path / str(seed), settings=[f"s={seed}"])
    one, two = (read_params(tmp_path / f"{seed}/model.params") for seed in (1, 2))
    assert not np.array_equal(one["base.stem.0.weight"], two["base.stem.0.weight"])
    assert json.loads((tmp_path / "2/result.json").read_text())["params"] == {"s": "2"}


@pytest.mark.parametrize("optimizer", OPTIMIZER.entries)
def test_each_optimizer_trains(photos: Path, tmp_path: Path, optimizer: str) -> None:
    clip = "value(0.1)" if optimizer == "rmsprop" else "global_norm(0.5)"
    stage = f"""
stage "all" {{
  train     = all
  for       = 6 steps
  optimizer = {optimizer}(lr = 2e-3, weight_decay = 1e-4)
  clip      = {clip}
  l1        = 1e-5
}}
"""
    before: dict[str, Any] = {}
    recipe = write_recipe(tmp_path / "r.ftr", photos, stage)
    prepared = prepare(recipe)

    def seen(event: Any) -> None:
        if isinstance(event, StageStarted):
            before.update(prepared.model.arrays())

    run_prepared(prepared, RunSettings(workers=0), tmp_path / "run", observers=(seen,))
    after = read_params(tmp_path / "run/model.params")
    changed = [name for name in after if not np.array_equal(after[name], before[name])]
    assert set(changed) >= {name for name in after if name.endswith(("weight", "gamma", "beta", "bias"))} - {
        # a bias in front of a norm has no gradient but rounding's, and may stay 0
        name
        for name in after
        if name.endswith("bias") and name.startswith("base")
    }
    assert all(np.isfinite(array).all() for array in after.values())


def test_each_augmentation_trains(photos: Path, tmp_path: Path) -> None:
    own = {name: row for name, row in TRANSFORMS.items() if row.augments and (not row.targets or CLASS in row.targets)}
    others = [row.example or name for name, row in own.items() if name not in AUGMENTED]
    for number, data in enumerate((AUGMENTED, f"  augment = [{', '.join(others)}]")):
        result = train(write_recipe(tmp_path / "r.ftr", photos, data=data), tmp_path / str(number))
        assert result["status"] == "finished"


# --- frozen means frozen ---------------------------------------------------------------------

_PARTS = """
stage "prefix" {
  train = base.block3 .. head
  for   = 4 steps
}
stage "middle" {
  train     = [base.block1, head]
  for       = 4 steps
  optimizer = sgd(lr = 1e-2, weight_decay = 1e-2, decay_norms = true)
  l1        = 1e-3
}
stage "norms" {
  train = all
  norm  = frozen
  for   = 4 steps
}
"""


def test_what_is_frozen_changes_in_no_bit(photos: Path, tmp_path: Path) -> None:
    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos, _PARTS))
    snapshots: list[dict[str, Any]] = []

    def seen(event: Any) -> None:
        if isinstance(event, StageStarted | StageFinished):
            snapshots.append(prepared.model.arrays())

    run_prepared(prepared, RunSettings(), tmp_path / "run", observers=(seen,))
    stages = zip(snapshots[::2], snapshots[1::2], strict=True)
    changed = [{name for name in before if not np.array_equal(before[name], after[name])} for before, after in stages]
    prefix, middle, norms = changed
    assert {name.rsplit(".", 1)[0].split(".")[1] for name in prefix if name.startswith("base")} == {"block3"}
    assert {name.split(".")[1] for name in middle if name.startswith("base")} == {"block1"}
    of_norms = ("gamma", "beta", "running_mean", "running_var")
    assert not [name for name in norms if name.endswith(of_norms)]
    assert {".".join(name.split(".")[:2]) for name in norms if name.startswith("base")} == {
        "base.stem",
        *(f"base.block{number}" for number in (1, 2, 3)),
    }
    for stage in (prefix, middle):  # what trains does move, statistics too
        assert any(name.endswith("running_mean") for name in stage)
        assert any(name.endswith("weight") and name.startswith("base") for name in stage)


@pytest.mark.parametrize("norm", ["train", "frozen"])
def test_a_frozen_middle_changes_in_no_bit_with_any_optimizer(photos: Path, tmp_path: Path, norm: str) -> None:
    stages = "".join(
        f'stage "{name}" {{\n  train = [base.block2, head]\n  norm = {norm}\n  for = 2 steps\n  l1 = 1e-4\n'
        f"  optimizer = {name}(lr = 1e-3, weight_decay = 1e-2, decay_norms = true)\n}}\n"
        for name in OPTIMIZER.entries
    )
    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos, stages))
    snapshots: list[dict[str, Any]] = []

    def seen(event: Any) -> None:
        if isinstance(event, StageStarted | StageFinished):
            snapshots.append(prepared.model.arrays())

    run_prepared(prepared, RunSettings(), tmp_path / "run", observers=(seen,))
    assert len(snapshots) == 2 * len(OPTIMIZER.entries)
    for optimizer, before, after in zip(OPTIMIZER.entries, snapshots[::2], snapshots[1::2], strict=True):
        changed = {name for name in before if not np.array_equal(before[name], after[name])}
        assert {name.rpartition(".")[2] for name in changed if name.startswith("base.block2.")} >= {"weight"}, optimizer
        assert "head.1.weight" in changed, optimizer
        assert all(name.startswith(("base.block2.", "head.")) for name in changed), optimizer
        norms = any(name.endswith(("gamma", "beta", "running_mean", "running_var")) for name in changed)
        assert norms == (norm == "train"), optimizer


# --- when a stage ends, and with what --------------------------------------------------------

_STOPS = """
stage "a" {
  train     = head
  for       = 9 epochs
  optimizer = adam(lr = 1e-2)
  stop      = early(valid.accuracy, patience = 2 epochs, min_delta = 1)
  keep      = %s
}
"""


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
  for           = 12 epochs
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
    assert [line["epoch"] for line in lines if line["event"] == "evaluated"] == list(range(1, 13))
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


# --- data ------------------------------------------------------------------------------------


def test_holdouts_share_no_image(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path / "r.ftr", photos, data="  valid = holdout(25%)\n  test = holdout(25%)", sources=["train"]
    )
    sets = {name: {sample.id for sample in each.samples} for name, each in prepare(recipe).listings.items()}
    assert {name: len(ids) for name, ids in sets.items()} == {"train": 36, "valid": 18, "test": 18}
    assert len(set().union(*sets.values())) == 72


def test_broken_images_stop_the_run_before_it_begins(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    broken = [truncate(copy / "valid/red/3.jpg"), truncate(copy / "test/blue/0.jpg")]
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E512", LINE_OF_VALID)
    assert all(str(path) in problem.help() for path in broken)
    assert not (tmp_path / "run").exists()


def test_skipped_images_leave_the_others_as_they_are(photos: Path, tmp_path: Path) -> None:
    with_broken = shutil.copytree(photos, tmp_path / "with")
    without = shutil.copytree(photos, tmp_path / "without")
    truncate(with_broken / "train/green/7.jpg")
    (without / "train/green/7.jpg").unlink()
    data = AUGMENTED + "\n  on_error = skip"
    plans: list[Plan] = []
    named: list[str] = []

    def opened(event: object) -> None:
        if isinstance(event, ImagesSkipped):  # before anything is trained
            assert len(plans) < 1
            named.extend(name for name, _ in event.images)
        if isinstance(event, FolderOpened):
            plans.append(event.plan)

    results = [
        train(write_recipe(tmp_path / f"{root.name}.ftr", root, data=data), tmp_path / f"run-{root.name}", watch=opened)
        for root in (with_broken, without)
    ]
    assert [plan.data.images("train") for plan in plans] == [71, 71]
    assert [name for name, _ in results[0]["skipped_images"]] == named == [str(with_broken / "train/green/7.jpg")]
    assert results[0]["images"]["train"] == 71
    one, two = (tmp_path / f"run-{root.name}/model.params" for root in (with_broken, without))
    assert one.read_bytes() == two.read_bytes()


def test_a_missing_image_moves_no_other(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, data=AUGMENTED.replace("[", "[", 1))
    prepared = prepare(recipe)
    samples = prepared.listings["train"].samples
    seen = []
    for kept in (samples, samples[:5] + samples[6:]):
        sets = Sets(prepared.plan.data, 0, {"train": kept}, 0, np.array)
        pairs = [
            (name, image)
            for batch in sets.training(prepared.plan.stages[0], 3)
            for name, image in zip(batch.ids, batch.images, strict=True)
        ]
        seen.append([(name, image) for name, image in pairs if name != samples[5].id])
    both = min(map(len, seen))
    assert [name for name, _ in seen[0]][: both - 1] == [name for name, _ in seen[1]][: both - 1]
    for (_, one), (_, two) in list(zip(*seen, strict=False))[: both - 1]:
        assert np.array_equal(one, two)


def test_every_image_left_out_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name in ("train", "valid", "test"):
        make_images(root / name, {"blue": 9, "red": 9})
    for number in range(9):
        truncate(root / f"train/red/{number}.jpg")
    recipe = write_recipe(tmp_path / "r.ftr", root, data="  on_error = skip")
    problems = problems_of(recipe, tmp_path / "run")
    assert {problem.code for problem in problems} == {"E515", "E516"}
    assert {line_of(problem) for problem in problems} == {LINE_OF_TRAIN}


def test_an_empty_class_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    (copy / "train/yellow").mkdir()
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E504", LINE_OF_TRAIN)


def test_a_class_only_in_valid_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(copy / "valid/red", copy / "valid/reed")
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E514", LINE_OF_VALID)
    assert "reed" in problem.message()


def test_a_set_smaller_than_a_batch_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, data="  batch = 100")
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E516", LINE_OF_TRAIN)


def test_an_empty_test_set_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    for name in CLASSES:
        shutil.rmtree(copy / "test" / name)
        (copy / "test" / name).mkdir()
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", copy), tmp_path / "run")
    assert (problem.code, line_of(problem)) == ("E516", 6)


def test_the_data_root_moves_relative_paths_only(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipes/r.ftr", Path(), sources=["train"])
    recipe.write_text(recipe.read_text().replace("  size", f'  valid = folder("{photos / "valid"}")\n  size', 1))
    with pytest.raises(RecipeError):
        prepare(recipe)
    prepared = prepare(recipe, (), photos)
    assert prepared.listings["train"].samples[0].image == photos / "train/blue/0.jpg"
    assert prepared.listings["valid"].samples[0].image == photos / "valid/blue/0.jpg"
    here = shutil.copytree(photos / "valid", tmp_path / "recipes/here")  # absolute, and below the recipe's folder
    recipe.write_text(recipe.read_text().replace(str(photos / "valid"), str(here)))
    assert prepare(recipe, (), photos).listings["valid"].samples[0].image == here / "blue/0.jpg"
    assert (
        list_sets(prepared.recipe, CLASSIFICATION)["train"] == prepared.listings["train"]
    )  # so `resolved.ftr` finds them again


def test_a_path_that_no_recipe_can_hold_is_refused_before_the_training(photos: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shutil.copytree(photos / "train", folder / "photos")
    recipe = write_recipe(
        folder / "r.ftr", Path("photos"), sources=[], data='  train = folder("photos")\n  valid = holdout(20%)'
    )
    with pytest.raises(RecipeError, match="is not UTF-8"):
        prepare(recipe)
    recipe = write_recipe(
        tmp_path / "r.ftr", Path("photos"), sources=[], data='  train = folder("photos")\n  valid = holdout(20%)'
    )
    with pytest.raises(RecipeError, match="is not UTF-8"):
        prepare(recipe, (), folder)


# --- folders ---------------------------------------------------------------------------------


def test_runs_are_numbered_one_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/a-b-7").mkdir(parents=True)
    (tmp_path / "runs/a-b-x").mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_folder(None, "a/b"), range(16)))
    assert sorted(path.name for path in made) == sorted(f"a-b-{number}" for number in range(8, 24))
    assert create_folder(None, "..").name == "recipe-1"


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert create_folder(tmp_path / "empty", "x") == tmp_path / "empty"
    (tmp_path / "empty/note").touch()
    with pytest.raises(RecipeError, match="not empty"):
        create_folder(tmp_path / "empty", "x")
    with pytest.raises(RecipeError, match="cannot write"):
        create_folder(tmp_path / "empty/note/deeper", "x")


# --- weights ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = families.build("gluoncv", "cifar_resnet20_v1")
    net.initialize(mx.init.Uniform(0.3))
    net(mx.nd.zeros((1, 3, 32, 32)))
    path = tmp_path_factory.mktemp("weights") / "net.params"
    net.save_parameters(str(path))
    return path


def _from_file(path: Path, sha256: str) -> str:
    return TINY.replace("none", f'gluon_params("{path}", sha256 = "{sha256}")')


def test_weights_come_from_a_file_with_the_right_sum(photos: Path, saved: Path, tmp_path: Path) -> None:
    base = _from_file(saved, hashlib.sha256(saved.read_bytes()).hexdigest()[:16])
    train(write_recipe(tmp_path / "r.ftr", photos, base=base), tmp_path / "run")
    trained, file = read_params(tmp_path / "run/model.params"), read_params(saved)
    frozen = sorted(array.tobytes() for name, array in trained.items() if name.startswith("base"))
    assert frozen == sorted(array.tobytes() for name, array in file.items() if "output" not in name)


def test_a_wrong_sum_has_its_place(photos: Path, saved: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, base=_from_file(saved, "0123456789abcdef"))
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert problem.code == "E526"
    assert problem.span is not None
    assert problem.span.line == next(
        number for number, line in enumerate(recipe.read_text().splitlines(), 1) if line.startswith("base")
    )
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_do_not_fit(photos: Path, saved: Path, tmp_path: Path) -> None:
    arrays = read_params(saved)
    arrays.pop(next(iter(arrays)))
    write_params(tmp_path / "less.params", arrays)
    base = TINY.replace("none", f'gluon_params("{tmp_path / "less.params"}")')
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", photos, base=base), tmp_path / "run")
    assert problem.code == "E527"
    assert "1 missing" in problem.message()


def test_hosted_weights_without_a_network_fail_at_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr(requests, "head", offline)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    started = time.monotonic()
    recipe = write_recipe(tmp_path / "r.ftr", photos, base=TINY.replace("none", "imagenet"))
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert time.monotonic() - started < 10
    assert problem.code == "E540"
    assert line_of(problem) > LINE_OF_VALID
    assert "gluon_params" in problem.help()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("weights", "code"),
    [("imagenet", "E540"), ('gluon_params("no.params")', "E520"), ("gluon_params({saved})", "E526")],
)
def test_weights_that_cannot_be_had_are_refused_before_anything_is_done(
    weights: str, code: str, photos: Path, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def gone(url: str, **_: object) -> requests.Response:
        asked.append(url)
        answer = requests.Response()
        answer.status_code, answer.reason, answer.url = 403, "Forbidden", url
        return answer

    def built(*_: object) -> None:
        raise AssertionError("a network is built for nothing")

    monkeypatch.setattr(requests, "head", gone)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("runtime.workflows.preparation.build_model", built)
    weights = weights.format(saved=f'"{saved}", sha256 = "{"0" * 8}"')
    recipe = write_recipe(tmp_path / "r.ftr", photos, base=TINY.replace("none", weights))
    with pytest.raises(RecipeError) as caught:
        prepare(recipe)
    (problem,) = caught.value.problems
    assert (problem.code, line_of(problem) > LINE_OF_VALID) == (code, True)
    assert [url.rpartition("/")[2][:17] for url in asked] == ["cifar_resnet20_v1"] * (code == "E540")
    assert code != "E540" or (" is not there, and " in problem.message() and "says 403 Forbidden" in problem.message())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("home", "folder"), [("~/zoo", "zoo/models"), (None, ".mxnet/models"), ("", "models")])
def test_the_lock_has_hosted_weights_where_the_zoos_keep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MXNET_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("MXNET_HOME", home)
    base = Component("gluoncv", {"name": "cifar_resnet20_v1", "weights": Component("imagenet", {})})
    _, path = source_of(base.args["weights"]).provenance(base)
    assert path is not None
    assert path.parent.absolute() == tmp_path / folder


def test_weights_in_the_zoos_cache_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    monkeypatch.delenv("MXNET_GLUON_REPO", raising=False)
    monkeypatch.setattr(requests, "head", lambda *_, **__: pytest.fail("the host was asked"))
    recipe = Source(
        "r.ftr", f"ftr 1\ndata {{\n  train = digits\n}}\nbase = {TINY.replace('none', 'imagenet')}\n{STAGE}"
    )
    checked = check(parse(recipe), VOCABULARY)
    assert [problem.code for problem in with_weights_advice(checked)] == ["W750"]
    digest = hashlib.sha1(b"weights").hexdigest()
    monkeypatch.setitem(hosted_weights._store("gluoncv")._model_sha1, "cifar_resnet20_v1", digest)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"cifar_resnet20_v1-{digest[:8]}.params").write_bytes(b"weights")
    hosted_weights.check_hosted("gluoncv", "cifar_resnet20_v1")
    assert with_weights_advice(checked) == ()
