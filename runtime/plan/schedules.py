"""How the learning rate moves within a stage.

In: a schedule's name and arguments, every length already in steps. Out: a pure function from the step to
the fraction of the peak rate that this step uses. Nothing is remembered between calls, so that a resumed
run, a plan's rate curve and the training itself read the same numbers.

Steps count from 0 within the stage, and step `s` is the one that makes the update number `s + 1`.

* Warm-up lasts `W` steps, inside the stage's length: step `s < W` has `s / W`, so step 0 has 0 and step `W`
  is the first with the schedule's own value.
* Lengths (`every`, the epochs of `exponential`, the whole decay of `polynomial` and `cosine`) count from
  the end of the warm-up: step `W` has the peak. Places (`at`) are places in the stage, warm-up included.
* A decay that ends (`polynomial`, `cosine`) would have `final` at the step after the stage's last one, as in
  MXNet and PyTorch: the last step still learns when `final` is 0.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Schedule = Callable[[int], float]
"""From a stage's step (0 or more) to a fraction of the peak rate, 0 to 1."""


def build(
    name: str,
    args: Mapping[str, Any],
    *,
    total_steps: int,
    steps_per_epoch: int,
    warmup_steps: int = 0,
) -> Schedule:
    """Return the schedule `name` of `SCHEDULES` for a stage of `total_steps` steps.

    `args` are exactly the row's arguments: `factor` and `final` 0 to 1, `power` above 0, `every` at least 1
    step, `at` rising steps. Past its last step a stage keeps the value of `total_steps`.

    Raises KeyError for a name that is not in `SCHEDULES`, TypeError for arguments that its row does not take,
    ValueError where a length is below its least value.
    """
    if total_steps < 1 or steps_per_epoch < 1 or warmup_steps < 0:
        raise ValueError(f"no such stage: {total_steps=}, {steps_per_epoch=}, {warmup_steps=}")
    decay = SCHEDULES[name](_Stage(total_steps, steps_per_epoch, warmup_steps), **args)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return step / warmup_steps
        return decay(min(step, total_steps))

    return factor


class _Stage:
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


def _constant(stage: _Stage) -> Schedule:
    return lambda step: 1.0


def _step(stage: _Stage, *, every: int, factor: float) -> Schedule:
    if every < 1:
        raise ValueError(f"{every=} steps, at least 1 is needed")
    return lambda step: factor ** (stage.after_warmup(step) // every)


def _multistep(stage: _Stage, *, at: Sequence[int], factor: float) -> Schedule:
    places = sorted(at)
    return lambda step: factor ** bisect_right(places, step)


def _exponential(stage: _Stage, *, factor: float) -> Schedule:
    return lambda step: factor ** (stage.after_warmup(step) / stage.steps_per_epoch)


def _polynomial(stage: _Stage, *, power: float, final: float) -> Schedule:
    return lambda step: final + (1 - final) * (1 - stage.progress(step)) ** power


def _cosine(stage: _Stage, *, final: float) -> Schedule:
    return lambda step: final + (1 - final) * (1 + math.cos(math.pi * stage.progress(step))) / 2


SCHEDULES: Mapping[str, Callable[..., Schedule]] = {
    # The peak throughout.
    "constant": _constant,
    # Times `factor` after each `every` steps (MXNet FactorScheduler, PyTorch StepLR).
    "step": _step,
    # Times `factor` at each step of `at` (MXNet MultiFactorScheduler, PyTorch MultiStepLR).
    "multistep": _multistep,
    # Times `factor` in each epoch, evenly over its steps (Keras ExponentialDecay without staircase).
    "exponential": _exponential,
    # Down to `final` as (1 - t/T)^power (MXNet PolyScheduler).
    "polynomial": _polynomial,
    # Down to `final` along half a cosine (SGDR, arXiv 1608.03983, equation 5, one period).
    "cosine": _cosine,
}
