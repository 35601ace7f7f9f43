"""A run's events and what is shown of them."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from runtime.tasks.classification.metrics import ClassRow, Report

RECIPE = """ftr 1
name = "canned"
data {
  train = folder("photos")
  test  = folder("more")
  size  = 64px
  batch = 25
}
base = gluon("resnet18_v2", weights = none)
stage "head" {
  train = head
  for   = 2 epochs
}
stage "a title that is so long that it takes more than a line of a narrow terminal" {
  train     = base.block4 .. head
  for       = 6 steps
  optimizer = sgd(lr = 0.01)
  schedule  = cosine(warmup = 2 steps)
  monitor   = valid.balanced_accuracy
  stop      = early(valid.balanced_accuracy, patience = 1 epoch)
  clip      = global_norm(1.0)
}
expect { test.accuracy >= 90% }
"""


def values(accuracy: float) -> dict[str, float]:
    return (
        {
            "loss": 1 - accuracy,
            "accuracy": accuracy,
            "top5": 1.0,
            "balanced_accuracy": accuracy - 0.01,
        }
        | dict.fromkeys(("precision", "recall", "f1"), accuracy)
        | {"ece": 0.02}
    )


REPORT = Report(
    values(0.875),
    (ClassRow("cat [red]", 0.9, 0.8, 0.85, 12), ClassRow("dog :smile:", 0.8, 0.9, 0.85, 12)),
    np.array([[0, 0, 10], [0, 1, 2], [1, 0, 1], [1, 1, 11]]),
)


def console_of(width: int, terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        height=30,
        force_terminal=terminal,
        color_system=None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    return console, text
