"""What a schedule is: its row, the lengths that it takes, and the arguments and letters that several have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recipe_lang.check.vocabulary import Arg, Default, Duration, Entry, Number

Schedule = Callable[[int], float]
"""From a stage's step (0 or more) to a fraction of the peak rate, 0 to 1."""


class Course:
    """The lengths of a stage, and how far its decay has come at a step."""

    __slots__ = ("steps_per_epoch", "total", "warmup")

    def __init__(self, total: int, steps_per_epoch: int, warmup: int) -> None:
        self.total = total
        self.steps_per_epoch = steps_per_epoch
        self.warmup = warmup

    def after_warmup(self, step: int) -> int:
        """Return the steps since the peak, 0 or more."""
        return max(0, step - self.warmup)

    def progress(self, step: int) -> float:
        """Return how much of the decay is done, 0 at the peak, 1 after the stage's last step."""
        return self.after_warmup(step) / max(1, self.total - self.warmup)


@dataclass(frozen=True, slots=True)
class Plateau:
    """Where a stage is between two reductions: `best` is the metric to beat, `bad` counts the epochs since it was.

    `cooldown` is how many epochs do not count yet, `factor` what all reductions so far come to.
    """

    best: float | None = None
    bad: int = 0
    cooldown: int = 0
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class ScheduleKind:
    """All about one schedule. Its arguments include `warmup`.

    `decay` takes a `Course` and the row's arguments less `warmup`, lengths in steps. `period` names the argument after
    whose length the rate drops, again and again; `milestones` the one that lists lengths from the stage's beginning, in
    ascending order. `rise` takes how much of the warm-up is done, 0 to 1, and the arguments. `judge` is of a schedule
    that goes by its argument `metric`: after an epoch it says what is known, and so what factor the rate has besides
    (`plateau.py`).
    """

    entry: Entry
    decay: Callable[..., Schedule]
    period: str = ""
    milestones: str = ""
    rise: Callable[[float, Mapping[str, Any]], float] = lambda done, args: done
    judge: Callable[..., Plateau] | None = None


# --- arguments and letters that several have -------------------------------------------------

WARMUP = Arg(
    "warmup",
    Duration(whole=False, zero=True, share=True),
    "Length of the linear warm-up from 0, inside the stage: of W steps, step s has s / W of the peak.",
    Default("0 epochs"),
)
FINAL = Arg("final", Number(0, 1), "Learning rate at the end, as a fraction of the peak.", 0.0)


def factor_arg(default: float, doc: str) -> Arg:
    """Return what the learning rate is multiplied by."""
    return Arg("factor", Number(0, 1, above=True), doc, default)


LETTERS = "f the fraction of the peak, s the step from 0, W the steps of the warm-up"
DECAYING = f"{LETTERS}, S those of the stage\nt = (s - W) / (S - W)"
