"""What `ftr plan --probe` says a run will cost: measured, near the truth, and without a trace."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from paths import ROOT
from toy import CLASSES, make_images, train, truncate, write_recipe

from recipe_lang.problem import RecipeError
from runtime.cli import app
from runtime.features.prefix import Level, Prefix
from runtime.training.settings import RunSettings
from runtime.workflows.cost.duration import KeptRows
from runtime.workflows.cost.probe import Probe, probe
from runtime.workflows.preparation import prepare

HEAD = 'stage "head" {\n  train = head\n  for = 3 epochs\n}\n'
TOP = 'stage "top" {\n  train = base.block3 .. head\n  for = 2 epochs\n}\n'
ALL = 'stage "all" {\n  train = all\n  for = 2 epochs\n}\n'
FLIPS = "  augment = [flip(horizontal)]\n"
CROPS = "  augment = [random_resized_crop]\n"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.workflows.cost.probe._ENOUGH_S", 0.05)


def cost(path: Path, photos: Path, stages: str, data: str = "", **settings: Any) -> Probe:
    return probe(prepare(write_recipe(path / "r.ftr", photos, stages, data=data)), RunSettings(**settings))


def test_kept_features_make_later_epochs_shorter(photos: Path, tmp_path: Path) -> None:
    found = cost(tmp_path, photos, HEAD + TOP)
    head, top = found.stages
    assert head.kept
    assert top.kept
    assert head.later_epoch_s is not None
    assert head.later_epoch_s < head.first_epoch_s  # in the first one all images pass the frozen part
    assert head.frozen_ms > 0
    assert head.step_ms == head.trained_ms < top.step_ms
    # The second stage's features were kept on the way to those of the first: nothing is left to compute.
    assert top.later_epoch_s == pytest.approx(top.first_epoch_s)
    parts = found.starting_s + head.total_s + top.total_s + found.ending_s
    assert found.total_s == pytest.approx(parts)
    assert found.memory_mb > 100
    assert found.file_mb == 0


def test_without_the_cache_each_epoch_costs_the_same(photos: Path, tmp_path: Path) -> None:
    (head,) = cost(tmp_path, photos, HEAD, cache=False).stages
    assert not head.kept
    assert head.later_epoch_s == pytest.approx(head.first_epoch_s)
    assert head.step_ms > head.trained_ms
    assert head.memory_mb == 0


def test_crops_and_whole_networks_keep_nothing_of_training_images(photos: Path, tmp_path: Path) -> None:
    (crops,) = cost(tmp_path / "crops", photos, HEAD, CROPS).stages
    assert not crops.kept
    assert crops.frozen_ms > 0
    (whole,) = cost(tmp_path / "whole", photos, ALL).stages
    assert not whole.kept
    assert whole.frozen_ms == 0


def test_over_the_memory_features_go_to_a_file(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = cost(tmp_path / "memory", photos, TOP).stages[0]
    monkeypatch.setattr("runtime.features.store.MEMORY_BYTES", 0)
    in_file = cost(tmp_path / "file", photos, TOP).stages[0]
    assert in_memory.file_mb == 0
    assert in_memory.memory_mb == pytest.approx(in_file.file_mb)
    assert in_file.memory_mb == 0


def test_a_stop_rule_makes_it_an_upper_bound(photos: Path, tmp_path: Path) -> None:
    assert not cost(tmp_path / "fixed", photos, HEAD).at_most
    stop = HEAD.replace("3 epochs", "3 epochs\n  stop = early(valid.loss, patience = 1 epoch)")
    assert cost(tmp_path / "early", photos, stop).at_most


def test_sets_smaller_than_the_probe_and_a_step_of_one(tmp_path: Path) -> None:
    for name, count in (("train", 9), ("valid", 2), ("test", 1)):
        make_images(tmp_path / name, dict.fromkeys(CLASSES[:2], count))
    found = cost(tmp_path, tmp_path, HEAD.replace("3 epochs", "1 step"), CROPS)
    assert found.stages[0].later_epoch_s is None
    assert found.total_s > 0


@pytest.mark.parametrize(
    "data",
    ["", *(pytest.param(each, marks=pytest.mark.long) for each in (FLIPS, CROPS))],
    ids=["plain", "flips", "crops"],
)
def test_the_estimate_is_near_a_real_run(data: str, photos: Path, tmp_path: Path) -> None:
    stages = HEAD + ALL.replace("2 epochs", "1 epoch")
    found = cost(tmp_path, photos, stages, data, workers=0)
    result = train(tmp_path / "r.ftr", tmp_path / "run")
    assert found.total_s / 4 < result["wall_s"] < found.total_s * 4  # other programs run at the same time


def test_nothing_is_written(photos: Path, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD + TOP)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(here))
    probe(prepare(recipe), RunSettings())
    assert list(here.iterdir()) == []
    assert not cache_folder.exists()


def test_a_broken_image_is_reported_or_left_out_as_in_a_run(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        make_images(tmp_path / name, dict.fromkeys(CLASSES, 8))
    truncate(tmp_path / "train" / "red" / "0.jpg")
    with pytest.raises(RecipeError) as caught:
        cost(tmp_path, tmp_path, HEAD)
    assert caught.value.problems[0].code == "E512"
    assert cost(tmp_path, tmp_path, HEAD, "  on_error = skip\n").total_s > 0


def test_the_command_shows_it(photos: Path, tmp_path: Path) -> None:
    recipe = str(write_recipe(tmp_path / "r.ftr", photos, HEAD + TOP))
    shown = CliRunner().invoke(app, ["plan", "--probe", recipe])
    assert shown.exit_code == 0
    assert shown.stdout.count(" images/s") == 2
    assert "takes" in shown.stdout
    assert "the whole run: about" in shown.stdout
    plain = CliRunner().invoke(app, ["plan", recipe]).stdout
    assert "images/s" not in plain
    options = ["--workers", "0", "--no-cache", "--no-fuse", "--threads", "1"]
    found = json.loads(CliRunner().invoke(app, ["plan", "--probe", "--json", *options, recipe]).stdout)["probe"]
    assert [stage["kept"] for stage in found["stages"]] == [False, False]
    assert found["total_s"] > 0


MEASURING = """
import runtime.workflows.cost.probe as probe
from runtime.cli import main

def per_batch(work, real=probe._per_batch):
    print("measuring")
    return real(work)

probe._per_batch, probe._ENOUGH_S = per_batch, 60
main()
"""


def test_an_interrupt_ends_it_cleanly(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD + TOP)
    command = [sys.executable, "-u", "-c", MEASURING, "plan", "--probe", str(recipe)]
    root = ROOT
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "measuring\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    assert out == ""
    assert "Traceback" not in err
    assert err.rstrip().endswith("interrupted")


def test_rows_are_counted_as_a_run_computes_them() -> None:
    def level(end: int, kept: bool = True) -> Level:
        return Level(end, lambda values: values, object() if kept else None)  # type: ignore[arg-type]

    def prefix(*levels: Level) -> Prefix:
        return Prefix(levels, 1, None, lambda images: images)

    rows = KeptRows()
    both = prefix(level(5), level(9))
    rows.enter(both)
    assert rows.ask(both, ["a", "b"]) == [1.0, 0.0]
    assert rows.ask(both, ["a", "c"]) == [0.5, 0.0]
    lower = prefix(level(5))
    rows.enter(lower)  # a stage that trains what lies behind
    assert rows.ask(lower, ["a", "b", "c", "d"]) == [0.25]
    rows.enter(both)
    assert rows.ask(both, ["a", "d", "e", "a"]) == [0.25, 0.5]  # e from its image, a and d from the lower place
