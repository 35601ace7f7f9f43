"""Run folders and packs for tests, made without training anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from planned import class_facts, net_facts

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.resolved import print_recipe
from recipe_lang.syntax.parser import read_source
from runtime.compile.compiler import compile_plan
from runtime.plan.types import as_json
from runtime.reporting.model_card import card_text
from runtime.runs.pack import pack
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import write_params

pack_run = partial(pack.pack_run, card_text=card_text)

RECIPE = """ftr 1
about = "Roses and tulips."
param lr = 0.01
data {
  train = folder("photos/train")
  test  = folder("photos/test")
  valid = holdout(20%)
  size  = 32px
}
base = gluoncv("cifar_resnet20_v1", weights = none)
stage "head" {
  train = head
  for   = 2 epochs
  optimizer = adam(lr = $lr)
}
"""


def report(accuracy: float, classes: Sequence[str]) -> dict[str, Any]:
    """Return the numbers of a set as `result.json` has them."""
    rows = [{"name": name, "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 9} for name in classes]
    return {"loss": 0.25, "accuracy": accuracy, "balanced_accuracy": accuracy, "f1": 0.5, "classes": rows}


def make_run(folder: Path, classes: Sequence[str] = ("rose", "tulip"), text: str = RECIPE, **changed: Any) -> Path:
    """Write a folder as a run leaves it; `changed` are entries of `result.json`."""
    folder.mkdir(parents=True)
    (folder / "recipe.ftr").write_text(text, encoding="utf-8")
    recipe = check(parse(read_source(folder / "recipe.ftr")), VOCABULARY)
    (folder / "resolved.ftr").write_text(print_recipe(recipe, VOCABULARY), encoding="utf-8")
    facts = class_facts(tuple(classes), {name: (9,) * len(classes) for name in ("train", "valid", "test")})
    plan = as_json(compile_plan(recipe, facts, net_facts(3)))
    result = {
        "recipe": "flowers",
        "hash": "0123456789abcdef",
        "status": "finished",
        "weights": "the final weights",
        "seed": 0,
        "params": {"lr": "0.02"},
        "settings": {"lr": "0.02"},
        "classes": list(classes),
        "images": {"train": 1800, "valid": 90, "test": 9 * len(classes)},
        "test": report(0.875, classes),
        "valid": report(0.75, classes),
        "expect": [{"claim": "test.accuracy >= 0.8", "value": 0.875, "holds": True}],
        "versions": {"ftr": "0.1.0", "mxnet": "1.9.1"},
        "wall_s": 3.5,
        **changed,
    }
    for name, value in {"plan.json": plan, "classes.json": list(classes), "result.json": result}.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
    (folder / "metrics.jsonl").write_text('{"event": "step_finished"}\n')
    (folder / "curves.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    write_params(folder / "model.params", {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, "f2")})
    return folder
