"""The rules that a stage may have beside its optimizer and schedule: when it ends early, what happens when its loss
diverges, what its parts have of the learning rate. Each is a row: what a recipe may say of it, and what it comes to.

In go the arguments of a checked recipe or of a plan, out come plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_lang.check.checked import Quantity
from recipe_lang.check.vocabulary import Arg, Default, Duration, Entry, MetricOf, Number

if TYPE_CHECKING:
    from runtime.plan.types import Length, StopPlan

# --- when a stage ends early -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StopRule:
    """A rule to end a stage: `plan` takes the arguments and what turns a length into steps.

    `patience` names the argument that says how long the rule waits at least.
    """

    entry: Entry
    plan: Callable[[Mapping[str, Any], Callable[[Quantity], Length]], StopPlan]
    patience: str = ""


def _early(args: Mapping[str, Any], steps: Callable[[Quantity], Length]) -> StopPlan:
    from runtime.plan.types import StopPlan  # a checker reads the rows, and needs no plan

    return StopPlan(args["metric"], steps(args["patience"]), args["min_delta"])


EARLY = StopRule(
    Entry(
        "early",
        "Ends the stage when the metric has not improved for `patience`.",
        (
            Arg("metric", MetricOf(("valid",)), "The metric that must improve."),  # by default that of the task
            Arg("patience", Duration(in_epochs=True), "How long to wait for a better value.", Default("3 epochs")),
            Arg("min_delta", Number(0), "Least change that counts as better.", 0.0),
        ),
        examples=(
            "stop = early(valid.accuracy, patience = 3 epochs)",
            "stop = early(metric = valid.loss, patience = 200 steps, min_delta = 0.01)",
        ),
    ),
    _early,
    patience="patience",
)

STOP_RULES: dict[str, StopRule] = {row.entry.name: row for row in (EARLY,)}
"""The rules to end a stage by name."""


# --- what happens when the loss diverges -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recovery:
    """A way to go on: each time back to the beginning of the epoch, at another learning rate.

    Both functions take the arguments. `slowdown` takes the times that the stage has gone back, too, and gives the
    factor of its rate; `times` gives how often it may.
    """

    entry: Entry
    slowdown: Callable[[Mapping[str, Any], int], float]
    times: Callable[[Mapping[str, Any]], int]


BACK_OFF = Recovery(
    Entry(
        "back_off",
        "Goes back to the beginning of the epoch and continues at a lower learning rate, at most `times` times.",
        (
            Arg("factor", Number(0, 1, above=True, below=True), "What the learning rate is multiplied by.", 0.5),
            Arg("times", Number(1, 100, whole=True), "How often, before the run stops.", 3),
        ),
        formula="after n times back: learning rate = factor^n lr schedule(step)",
        examples=("on_divergence = back_off", "on_divergence = back_off(factor = 0.1, times = 1)"),
    ),
    slowdown=lambda args, back: float(args["factor"] ** back),
    times=lambda args: int(args["times"]),
)

RECOVERIES: dict[str, Recovery] = {row.entry.name: row for row in (BACK_OFF,)}
"""The ways to go on after the loss diverged, by name."""


# --- what parts have of the learning rate ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class RateRule:
    """A rule for all parts: `scale` takes the arguments, and how many parts a part lies before the head."""

    entry: Entry
    scale: Callable[[Mapping[str, Any], int], float]


LAYER_DECAY = RateRule(
    Entry(
        "layer_decay",
        "The head has 1; each part before it has `decay` times the scale of the part after it.",
        (Arg("decay", Number(0, 1, above=True), "Scale from one part to the one before it."),),
        source="Clark et al. 2020 (ELECTRA), per block",
        formula="k the parts from here to the head, 0 for the head itself\nscale = decay^k",
        examples=("train = base.block5 .. head\nlr_scale = layer_decay(0.7)", "lr_scale = layer_decay(decay = 0.5)"),
    ),
    scale=lambda args, behind: args["decay"] ** behind,
)

RATE_RULES: dict[str, RateRule] = {row.entry.name: row for row in (LAYER_DECAY,)}
"""The rules for the learning rates of parts, by name."""
