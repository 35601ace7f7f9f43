"""Recipes of runs that are stopped, and what stops and resumes them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipe_lang.problem import Problem, RecipeError
from runtime.runs.resume import Resume
from runtime.training.events import StepFinished
from runtime.training.settings import Interval, RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from tests.toy import write_recipe

STEPS = Interval(2, "steps")

KEPT = """
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = 1e-2)
}
stage "top" {
  train     = base.block3 .. head
  for       = 11 steps
  optimizer = sgd(lr = 1e-2, momentum = 0.9)
  schedule  = cosine(warmup = 2 steps)
  monitor   = valid.accuracy
}
"""

PLAIN = """
stage "all" {
  train     = all
  for       = 2 epochs
  optimizer = adamw(lr = 1e-3)
  clip      = global_norm(1.0)
}
stage "again" {
  train     = head
  for       = 2 epochs
  optimizer = rmsprop(lr = 1e-3, momentum = 0.9, centered = true)
  norm      = frozen
}
"""

STOPPING = """
stage "top" {
  train     = base.block3 .. head
  for       = 12 epochs
  optimizer = nag(lr = 1e-2, momentum = 0.9)
  stop      = early(valid.loss, patience = 2 epochs)
}
"""

DIVERGING = """
stage "head" {
  train     = head
  for       = 1 epoch
}
stage "top" {
  train         = base.block2 .. head
  for           = 3 epochs
  optimizer     = sgd(lr = 100, momentum = 0.9)
  on_divergence = back_off(factor = 1e-6, times = 2)
  monitor       = valid.loss
}
"""

AVERAGED = """
stage "head" {
  train      = head
  for        = 2 epochs
  accumulate = 2
  average    = ema(decay = 0.9)
}
stage "most" {
  train     = base.block2 .. head
  for       = 4 steps
  sam       = 0.05
  average   = ema(decay = 0.9)
}
stage "top" {
  train     = base.block3 .. head
  for       = 2 epochs
  optimizer = sgd(lr = 1e-2, momentum = 0.9)
  l2_sp     = 0.1
  stochastic_depth = 30%
  average   = swa(start = 1 epoch)
  monitor   = valid.loss
}
"""

QUICK = {"quick": True}

RECIPES = {
    "features kept": (KEPT, "", "[dropout(0.3), dense(classes)]", {}),
    "half precision, two views": (KEPT, "  views = 2\n  augment = [random_crop(32px)]\n  features = half", "", QUICK),
    "nothing kept": (
        PLAIN,
        "  augment = [random_crop(32px), flip(horizontal)]",
        "[dropout(0.3), dense(classes)]",
        QUICK,
    ),
    "no cache, not joined": (KEPT, "", "", {"cache": False, "fuse": False, **QUICK}),
    "stopping early": (STOPPING, "  augment = [flip(horizontal)]", "", QUICK),
    "going back": (DIVERGING, "", "", QUICK),
    "averages": (AVERAGED, "  augment = [flip(horizontal)]", "[dropout(0.3), dense(classes)]", QUICK),
}


def written(folder: Path, photos: Path, name: str) -> tuple[Path, dict[str, Any]]:
    stages, data, head, settings = RECIPES[name]
    return write_recipe(folder / "r.ftr", photos, stages, data=data, head=head or "[dense(classes)]"), settings


def result_left(out: Path) -> dict[str, Any]:
    """Return what a run leaves that must not depend on how often it was stopped."""
    files = ("model.params", "metrics.jsonl", "plan.json", "classes.json", "resolved.ftr")
    result = json.loads((out / "result.json").read_text())
    left = {name: value for name, value in result.items() if name not in ("wall_s", "resumed")}
    return {**{name: (out / name).read_bytes() for name in files}, "result": left, "names": sorted(os.listdir(out))}


class Stop(Exception):  # noqa: N818 - it is not one
    """Ends a run as a bug would."""


def stopped(recipe: Path, out: Path, step: int, stage: int = 1, **settings: Any) -> None:
    """Run a recipe until so many steps of a stage are done, and drop it."""

    with pytest.raises(Stop):
        run(prepare(recipe), RunSettings(workers=0, interval=STEPS), out, observers=(stop_at(stage, step),))


def stop_at(stage: int, step: int) -> Callable[[Any], None]:
    def seen(event: Any) -> None:
        if isinstance(event, StepFinished) and (event.stage, event.step) == (stage, step):
            raise Stop

    return seen


def go_on(recipe: Path, out: Path, *, extend: bool = False, watch: Any = None) -> dict[str, Any]:
    settings, observers = RunSettings(workers=0, interval=STEPS), () if watch is None else (watch,)
    _, result = run(prepare(recipe), settings, resume=Resume(out, extend), observers=observers)
    return result


def refusal(recipe: Path, out: Path, *, extend: bool = False) -> Problem:
    with pytest.raises(RecipeError) as caught:
        go_on(recipe, out, extend=extend)
    (problem,) = caught.value.problems
    return problem
