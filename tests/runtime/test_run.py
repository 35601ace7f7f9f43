"""Whole runs, from a recipe file to the run folder: what they leave, and what does not change it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import CLASSES, metrics, train, write_recipe
from whole_runs import AUGMENTED, PROMISED

from runtime.data.targets import CLASS
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.reporting.curves import CURVES
from runtime.training.events import (
    StageFinished,
    StageStarted,
)
from runtime.training.settings import RunSettings
from runtime.vocabulary.training import OPTIMIZER
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared

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


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("two-stages")
    recipe = write_recipe(root / "toy.ftr", photos, TWO_STAGES)
    return root / "run", train(recipe, root / "run", extras=(CURVES,))


# --- what a run leaves -----------------------------------------------------------------------


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


@pytest.mark.parametrize("workers", [(0, 3), pytest.param((1,), marks=pytest.mark.long)])
def test_workers_change_nothing(photos: Path, tmp_path: Path, workers: tuple[int, ...]) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, EVERYTHING, data=AUGMENTED, head="[dropout(0.5), dense(classes)]")
    weights = set()
    for count in (2, *workers):
        train(recipe, tmp_path / str(count), workers=count)
        weights.add((tmp_path / str(count) / "model.params").read_bytes())
    assert len(weights) == 1


def test_the_seed_changes_everything(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, EVERYTHING, top="param s = 1\nseed = $s")
    for seed in (1, 2):
        train(recipe, tmp_path / str(seed), settings=[f"s={seed}"])
    one, two = (read_params(tmp_path / f"{seed}/model.params") for seed in (1, 2))
    assert not np.array_equal(one["base.stem.0.weight"], two["base.stem.0.weight"])
    assert json.loads((tmp_path / "2/result.json").read_text())["params"] == {"s": "2"}


SHORT = ("sgd", "rmsprop")  # each clip once; all optimizers move what trains, and nothing else, in one run below


@pytest.mark.parametrize(
    "optimizer", [pytest.param(name, marks=[pytest.mark.long] * (name not in SHORT)) for name in OPTIMIZER.entries]
)
def test_each_optimizer_trains(photos: Path, tmp_path: Path, optimizer: str) -> None:
    clip = "value(0.1)" if optimizer == "rmsprop" else "global_norm(0.5)"
    stage = f"""
stage "all" {{
  train     = all
  for       = 3 steps
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


# --- frozen means frozen ---------------------------------------------------------------------


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


@pytest.mark.parametrize("norm", ["train", pytest.param("frozen", marks=pytest.mark.long)])
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
