"""Where a run runs, and when it saves where it is: what the command line says and no recipe."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.training.state import TrainState

MOST_THREADS = 1024
"""Threads for the arithmetic; with far more a native library fails in its own way."""


@dataclass(frozen=True, slots=True)
class Interval:
    """How often a checkpoint is taken: each `count` of a unit (seconds, steps or epochs), and at each stage's end."""

    count: float
    unit: str

    @classmethod
    def of(cls, text: str) -> Interval:
        """Return the interval that a text as `5 minutes`, `500 steps` or `2 epochs` names.

        Raises:
            ValueError: it names none.
        """
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) *(second|minute|hour|step|epoch)s?", text.strip())
        if not found or float(found[1]) <= 0:
            raise ValueError("write a number and a unit, as in `5 minutes`, `500 steps` or `2 epochs`")
        factor, unit = _UNITS[found[2]]
        return cls(float(found[1]) * factor, unit)


_UNITS = {
    "second": (1, "seconds"),
    "minute": (60, "seconds"),
    "hour": (3600, "seconds"),
    "step": (1, "steps"),
    "epoch": (1, "epochs"),
}


class CheckpointSchedule:
    """Says whether a checkpoint is due. It counts from the last one, which is to be told by `taken`."""

    def __init__(self, interval: Interval, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._last = (0, 0, 0, clock())  # a run begins with stage, step and epoch 0

    def taken(self, state: TrainState) -> None:
        """Take notice of a checkpoint."""
        self._last = (state.stage, state.step, state.epoch, self._clock())

    def __call__(self, state: TrainState) -> bool:
        """Whether one is due in this state."""
        stage, step, epoch, then = self._last
        if stage != state.stage:
            step = epoch = 0
        count = self._interval.count
        match self._interval.unit:
            case "steps":
                return state.step - step >= count
            case "epochs":
                return not state.losses and state.epoch - epoch >= count
            case _:
                return self._clock() - then >= count


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Where a run runs; nothing here changes what is computed but by rounding."""

    device: str = "cpu"
    workers: int = 2
    cache: bool = True  # keep what frozen parts make of an image
    fuse: bool = True  # run frozen parts with layers joined
    interval: Interval = Interval(60, "seconds")  # between checkpoints
