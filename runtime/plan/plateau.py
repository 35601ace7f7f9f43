"""The schedule that goes by what validation shows: `reduce_on_plateau`, with the arithmetic of PyTorch's.

What it needs to know of the epochs so far is a `Plateau`, which the state of the training holds; `judged` takes one and
the metric at the end of an epoch, and gives the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recipe_lang.check.vocabulary import Arg, Default, Duration, Entry, MetricOf, Number, Word
from runtime.plan.schedule import FINAL, WARMUP, Course, Plateau, Schedule, ScheduleKind, factor_arg


def judged(
    args: Mapping[str, Any], before: Plateau, value: float, *, higher_is_better: bool, steps_per_epoch: int
) -> Plateau:
    """Return what is known after one more epoch, at whose end the metric has this value."""
    is_better = value == value and (before.best is None or _beats(args, value, before.best, higher_is_better))
    best = value if is_better else before.best
    bad = 0 if is_better or before.cooldown else before.bad + 1
    if bad * steps_per_epoch <= args["patience"]:
        return Plateau(best, bad, max(0, before.cooldown - 1), before.factor)
    cooldown = -(-args["cooldown"] // steps_per_epoch)
    return Plateau(best, 0, cooldown, max(before.factor * args["factor"], min(args["final"], before.factor)))


def _beats(args: Mapping[str, Any], value: float, best: float, higher_is_better: bool) -> bool:
    is_relative, threshold = args["threshold_mode"] == "relative", args["threshold"]
    if higher_is_better:
        return bool(value > (best * (1 + threshold) if is_relative else best + threshold))
    return bool(value < (best * (1 - threshold) if is_relative else best - threshold))


def _at_the_peak(stage: Course, **args: Any) -> Schedule:  # noqa: ARG001 - `judged` takes them
    return lambda step: 1.0


REDUCE_ON_PLATEAU = ScheduleKind(
    Entry(
        "reduce_on_plateau",
        "Multiplies the learning rate by `factor` when the metric has not improved for longer than `patience`.",
        (
            Arg("metric", MetricOf(("valid",)), "The metric that must improve.", Default("valid.loss")),
            factor_arg(0.1, "What each reduction multiplies the learning rate by."),
            Arg(
                "patience",
                Duration(zero=True, in_epochs=True),
                "How long to wait for a better value; the epoch after that reduces.",
                Default("3 epochs"),
            ),
            Arg("threshold", Number(0), "Least change that counts as better.", 1e-4),
            Arg(
                "threshold_mode",
                Word(
                    {
                        "relative": "The threshold is a fraction of the best value.",
                        "absolute": "It is in the metric's own units.",
                    }
                ),
                "What the threshold is measured in.",
                "relative",
            ),
            Arg(
                "cooldown",
                Duration(zero=True, in_epochs=True),
                "How long after a reduction epochs do not count.",
                Default("0 epochs"),
            ),
            replace(FINAL, doc="Lowest learning rate, as a fraction of the peak."),
            WARMUP,
        ),
        source="torch.optim.lr_scheduler.ReduceLROnPlateau; as in timm, epochs that end in the warm-up do not count",
        formula="b the epochs in a row that were no better, r the fraction of the peak, 1 at first\n"
        "after an epoch with b > patience: r = max(factor r, final), b = 0",
        examples=(
            "schedule = reduce_on_plateau(valid.loss, factor = 0.1, patience = 3 epochs, threshold_mode = relative)",
            "schedule = reduce_on_plateau(metric = valid.accuracy, threshold = 0.01, threshold_mode = absolute,"
            " cooldown = 1 epoch, final = 1%, warmup = 1 epoch)",
        ),
    ),
    _at_the_peak,
    judge=judged,
)
