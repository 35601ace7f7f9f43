"""Learning rates of whole runs: one that goes by a metric, however often it is interrupted, and one schedule after
another."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from toy import metrics, train, write_recipe

from runtime.plan.plateau import judged
from runtime.plan.schedule import Plateau
from runtime.runs.resume import Resume
from runtime.training.events import RateReduced, StepFinished
from runtime.training.settings import Interval, RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

STAGE = """
stage "head" {
  train     = head
  for       = 5 epochs
  optimizer = sgd(lr = 1e-4, momentum = 0)
  schedule  = reduce_on_plateau(
    valid.accuracy, factor = 0.5, patience = 0 epochs, threshold = 0.9, final = 0.2, warmup = 1 epoch
  )
}
"""
ARGS = {"factor": 0.5, "patience": 0, "threshold": 0.9, "threshold_mode": "relative", "cooldown": 0, "final": 0.2}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)


def test_the_rates_of_a_run_follow_its_metric_also_behind_an_interruption(photos: Path, tmp_path: Path) -> None:
    recipe, whole, parts = write_recipe(tmp_path / "r.ftr", photos, STAGE), tmp_path / "whole", tmp_path / "parts"
    train(recipe, whole)
    lines = metrics(whole)
    per_epoch = max(line["step"] for line in lines if line["event"] == "step_finished") // 5
    state, factor = Plateau(), {1: 1.0, 2: 1.0}
    for line in (line for line in lines if line["event"] == "evaluated" and line["epoch"] > 1):  # 1 is the warm-up
        state = judged(ARGS, state, line["accuracy"], higher_is_better=True, steps_per_epoch=per_epoch)
        factor[line["epoch"] + 1] = state.factor
    rise = {step: (step - 1) / per_epoch for step in range(1, per_epoch + 1)}
    for line in (line for line in lines if line["event"] == "step_finished"):
        assert line["rate"] == pytest.approx(1e-4 * rise.get(line["step"], 1.0) * factor[line["epoch"]]), line
    reduced = [(line["epoch"], line["factor"]) for line in lines if line["event"] == "rate_reduced"]
    assert reduced == [(3, 0.5), (4, 0.25)]
    once = [RateReduced, StepFinished]

    def seen(event: Any) -> None:
        if once and isinstance(event, once[0]) and event.epoch >= 3:
            once.pop(0)
            signal.raise_signal(signal.SIGINT)

    settings = RunSettings(workers=0, interval=Interval(1, "steps"))
    run(prepare(recipe), settings, parts, observers=(seen,))
    run(prepare(recipe), settings, None, resume=Resume(parts), observers=(seen,))
    assert not once
    run(prepare(recipe), settings, None, resume=Resume(parts))
    for name in ("model.params", "metrics.jsonl"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_one_schedule_follows_another(photos: Path, tmp_path: Path) -> None:
    lines = STAGE.splitlines()
    stage = "\n".join(
        [*lines[:3], "  for = 5 steps\n  schedule = constant(for = 2 steps) then linear(peak = 50%)", "}"]
    )
    train(write_recipe(tmp_path / "r.ftr", photos, stage), tmp_path / "run")
    rates = [line["rate"] for line in metrics(tmp_path / "run") if line["event"] == "step_finished"]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4 * 2 / 3, 5e-4 / 3])
