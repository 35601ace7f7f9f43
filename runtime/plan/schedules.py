"""How the learning rate moves within a stage: the schedules, what a recipe may say of each beside its formula.

`SCHEDULES` has a row for each, and a row is all that there is of one.

In: a schedule's name and arguments, every length already in steps. Out: a pure function from the step to
the fraction of the peak rate that this step uses. Nothing is remembered between calls, so that a resumed
run, a plan's rate curve and the training itself read the same numbers. What `reduce_on_plateau` takes besides is the
only exception, and part of the training's state (`plateau.py`).

Steps count from 0 within the stage, and step `s` is the one that makes the update number `s + 1`.

* Warm-up lasts `W` steps, inside the stage's length: step `s < W` has `s / W` (but in `one_cycle`), so step 0 has 0
  and step `W` is the first with the schedule's own value.
* Lengths (`every`, the epochs of `exponential`, the whole decay of `polynomial` and `cosine`) count from
  the end of the warm-up: step `W` has the peak. Places (`at`) are places in the stage, warm-up included.
* A decay that ends (`polynomial`, `cosine`) would have `final` at the step after the stage's last one, as in
  MXNet and PyTorch: the last step still learns when `final` is 0.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Default, Duration, Entry, ListOf, Number
from runtime.plan.plateau import REDUCE_ON_PLATEAU
from runtime.plan.schedule import DECAYING, FINAL, LETTERS, WARMUP, Course, Schedule, ScheduleKind, factor_arg

if TYPE_CHECKING:
    from runtime.plan.types import Component


def build(
    name: str,
    args: Mapping[str, Any],
    *,
    total_steps: int,
    steps_per_epoch: int,
    warmup_steps: int = 0,
) -> Schedule:
    """Return the schedule `name` of `SCHEDULES` for a stage of `total_steps` steps.

    `args` are exactly the row's arguments, less `warmup`: `factor` and `final` 0 to 1, `power` above 0, `every` at
    least 1 step, `at` rising steps. Past its last step a stage keeps the value of `total_steps`.

    Raises KeyError for a name that is not in `SCHEDULES`, TypeError for arguments that its row does not take,
    ValueError where a length is below its least value.
    """
    if total_steps < 1 or steps_per_epoch < 1 or warmup_steps < 0:
        raise ValueError(f"no such stage: {total_steps=}, {steps_per_epoch=}, {warmup_steps=}")
    row = kind(name)
    decay = row.decay(Course(total_steps, steps_per_epoch, warmup_steps), **args)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return row.rise(step / warmup_steps, args)
        return decay(min(step, total_steps))

    return factor


def kind(name: str) -> ScheduleKind:
    """Return all about a schedule of a plan, which may be several that follow one another."""
    return FOLLOWING if name == SEQUENCE else SCHEDULES[name]


# --- constant --------------------------------------------------------------------------------


def _constant(stage: Course) -> Schedule:
    return lambda step: 1.0


CONSTANT = ScheduleKind(
    Entry(
        "constant",
        "The peak learning rate throughout.",
        (WARMUP,),
        positional=0,
        examples=("schedule = constant", "schedule = constant(warmup = 100 steps)"),
    ),
    _constant,
)


# --- step ------------------------------------------------------------------------------------


def _step(stage: Course, *, every: int, factor: float) -> Schedule:
    """Drop after each `every` steps, as MXNet's FactorScheduler and PyTorch's StepLR."""
    if every < 1:
        raise ValueError(f"{every=} steps, at least 1 is needed")
    return lambda step: factor ** (stage.after_warmup(step) // every)


STEP = ScheduleKind(
    Entry(
        "step",
        "Multiplies the learning rate by `factor` each time `every` has passed.",
        (
            Arg("every", Duration(), "Length between two drops.", Default("10 epochs")),
            factor_arg(0.1, "What each drop multiplies the learning rate by."),
            WARMUP,
        ),
        source="mxnet.lr_scheduler.FactorScheduler",
        formula=f"{LETTERS}\nf = factor^floor((s - W) / every)",
        examples=("schedule = step(every = 2 epochs, factor = 0.5)",),
    ),
    _step,
    period="every",
)


# --- multistep -------------------------------------------------------------------------------


def _multistep(stage: Course, *, at: Sequence[int], factor: float) -> Schedule:
    """Drop at each step of `at`, as MXNet's MultiFactorScheduler and PyTorch's MultiStepLR."""
    milestones = sorted(at)
    return lambda step: factor ** bisect_right(milestones, step)


MULTISTEP = ScheduleKind(
    Entry(
        "multistep",
        "Multiplies the learning rate by `factor` at each of the given milestones of the stage.",
        (
            Arg("at", ListOf(Duration()), "The milestones, in ascending order."),
            factor_arg(0.1, "What each drop multiplies the learning rate by."),
            WARMUP,
        ),
        source="mxnet.lr_scheduler.MultiFactorScheduler",
        formula="f the fraction of the peak\nf = factor^(number of the milestones that are reached)",
        examples=(
            "for = 10 epochs\nschedule = multistep(at = [5 epochs, 8 epochs], factor = 0.1)",
            "for = 10 epochs\nschedule = multistep([3 epochs], for = 50%, peak = 20%) then cosine",
        ),
    ),
    _multistep,
    milestones="at",
)


# --- exponential -----------------------------------------------------------------------------


def _exponential(stage: Course, *, factor: float) -> Schedule:
    """Fall evenly over the steps of each epoch, as Keras's ExponentialDecay without staircase."""
    return lambda step: factor ** (stage.after_warmup(step) / stage.steps_per_epoch)


EXPONENTIAL = ScheduleKind(
    Entry(
        "exponential",
        "Multiplies the learning rate by `factor` over each epoch, smoothly.",
        (factor_arg(0.9, "What each epoch multiplies the learning rate by."), WARMUP),
        source="torch.optim.lr_scheduler.ExponentialLR, per step",
        formula=f"{LETTERS}\nf = factor^((s - W) / steps of an epoch)",
        examples=("schedule = exponential(factor = 0.8)",),
    ),
    _exponential,
)


# --- polynomial ------------------------------------------------------------------------------


def _polynomial(stage: Course, *, power: float, final: float) -> Schedule:
    return lambda step: final + (1 - final) * (1 - stage.progress(step)) ** power


POLYNOMIAL = ScheduleKind(
    Entry(
        "polynomial",
        "From the peak down to `final`, in a straight line where `power` is 1.",
        (Arg("power", Number(0, 10, above=True), "Exponent of the decay.", 1.0), FINAL, WARMUP),
        source="mxnet.lr_scheduler.PolyScheduler",
        formula=f"{DECAYING}\nf = final + (1 - final) (1 - t)^power",
        examples=("schedule = polynomial(power = 2, final = 1%)",),
    ),
    _polynomial,
)


# --- cosine ----------------------------------------------------------------------------------


def _cosine(stage: Course, *, final: float) -> Schedule:
    """Fall along half a cosine: equation 5 of the paper, one period."""
    return lambda step: final + (1 - final) * (1 + math.cos(math.pi * stage.progress(step))) / 2


COSINE = ScheduleKind(
    Entry(
        "cosine",
        "From the peak down to `final` along half a cosine.",
        (FINAL, WARMUP),
        source="Loshchilov and Hutter, arXiv 1608.03983, one period",
        positional=0,
        formula=f"{DECAYING}\nf = final + (1 - final) (1 + cos(pi t)) / 2",
        examples=("schedule = cosine(warmup = 1 epoch, final = 1%)", "schedule = cosine(warmup = 10%)"),
    ),
    _cosine,
)

# --- linear ----------------------------------------------------------------------------------


def _linear(stage: Course, *, final: float) -> Schedule:
    return _polynomial(stage, power=1.0, final=final)


LINEAR = ScheduleKind(
    Entry(
        "linear",
        "From the peak down to `final` in a straight line.",
        (FINAL, WARMUP),
        source="transformers.get_linear_schedule_with_warmup",
        positional=0,
        formula=f"{DECAYING}\nf = final + (1 - final) (1 - t)",
        examples=("schedule = linear(warmup = 10%)", "schedule = linear(final = 1%)"),
    ),
    _linear,
)


# --- one_cycle -------------------------------------------------------------------------------


def _one_cycle(stage: Course, *, start: float, final: float) -> Schedule:  # noqa: ARG001
    return _cosine(stage, final=final)


ONE_CYCLE = ScheduleKind(
    Entry(
        "one_cycle",
        "Up from `start` to the peak along half a cosine, and down to `final` along another.",
        (
            Arg("start", Number(0, 1), "Learning rate at the beginning, as a fraction of the peak.", 0.04),
            Arg("final", Number(0, 1), "Learning rate at the end, as a fraction of the peak.", 4e-6),
            replace(WARMUP, doc="Length of the rise, inside the stage.", default=Default("30%")),
        ),
        source="Smith and Topin, arXiv 1708.07120; torch.optim.lr_scheduler.OneCycleLR, its rates",
        positional=0,
        formula=f"{DECAYING}\nf = start + (1 - start) (1 - cos(pi s / W)) / 2 before step W\n"
        "f = final + (1 - final) (1 + cos(pi t)) / 2 from there",
        examples=("schedule = one_cycle", "schedule = one_cycle(start = 10%, final = 1%, warmup = 25%)"),
    ),
    _one_cycle,
    rise=lambda done, args: args["start"] + (1 - args["start"]) * (1 - math.cos(math.pi * done)) / 2,
)


# --- cosine_restarts -------------------------------------------------------------------------


def _cosine_restarts(stage: Course, *, every: int, growth: float, final: float) -> Schedule:
    """Fall along half a cosine, again and again: section 3 of the paper."""
    if every < 1:
        raise ValueError(f"{every=} steps, at least 1 is needed")

    def factor(step: int) -> float:
        since, length = float(stage.after_warmup(step)), float(every)
        while since >= length:
            since, length = since - length, length * growth
        return final + (1 - final) * (1 + math.cos(math.pi * since / length)) / 2

    return factor


COSINE_RESTARTS = ScheduleKind(
    Entry(
        "cosine_restarts",
        "Falls along half a cosine and starts again at the peak, each time for a length that grows.",
        (
            Arg("every", Duration(), "Length of the first fall.", Default("10 epochs")),
            Arg("growth", Number(1, 100), "What each fall's length multiplies that of the one before by.", 1.0),
            FINAL,
            WARMUP,
        ),
        source="SGDR: Loshchilov and Hutter, arXiv 1608.03983",
        formula=f"{LETTERS}\nt = (s - W - the steps before this fall) / (the steps of this fall)\n"
        "f = final + (1 - final) (1 + cos(pi t)) / 2",
        examples=("schedule = cosine_restarts(every = 2 epochs, growth = 2, final = 1%)",),
    ),
    _cosine_restarts,
    period="every",
)


# --- inverse_sqrt ----------------------------------------------------------------------------


def _inverse_sqrt(stage: Course, *, scale: int) -> Schedule:
    return lambda step: math.sqrt(scale / (scale + stage.after_warmup(step)))


INVERSE_SQRT = ScheduleKind(
    Entry(
        "inverse_sqrt",
        "Falls with the inverse square root of the steps, and has no end.",
        (Arg("scale", Duration(), "After three times this length the peak is halved.", Default("1 epoch")), WARMUP),
        source="Vaswani et al., arXiv 1706.03762, section 5.3; transformers.get_inverse_sqrt_schedule",
        formula=f"{LETTERS}\nf = sqrt(scale / (scale + s - W))",
        examples=("schedule = inverse_sqrt(scale = 200 steps, warmup = 5%)",),
    ),
    _inverse_sqrt,
)

# --- a then b --------------------------------------------------------------------------------


def _sequence(stage: Course, *, schedules: Sequence[Component]) -> Schedule:
    """Give each schedule the steps of its `for`, and the last one the rest, as a stage of its own with its own peak."""
    begins: list[int] = [0]
    parts: list[tuple[Schedule, float]] = []
    for each in schedules:
        args = dict(each.args)
        length, peak = args.pop("for", stage.total - begins[-1]), args.pop("peak", 1.0)
        lengths = {"total_steps": length, "warmup_steps": args.pop("warmup", 0)}
        parts.append((build(each.name, args, steps_per_epoch=stage.steps_per_epoch, **lengths), peak))
        begins.append(begins[-1] + length)

    def factor(step: int) -> float:
        number = min(bisect_right(begins, step), len(parts)) - 1
        rates, peak = parts[number]
        return peak * rates(step - begins[number])

    return factor


SEQUENCE = "then"
FOLLOWING = ScheduleKind(Entry(SEQUENCE, "Schedules that follow one another.", positional=0), _sequence)
"""What `a then b` comes to in a plan; in a recipe it is no name."""

SCHEDULES: dict[str, ScheduleKind] = {
    row.entry.name: row
    for row in (
        CONSTANT,
        STEP,
        MULTISTEP,
        EXPONENTIAL,
        POLYNOMIAL,
        LINEAR,
        COSINE,
        ONE_CYCLE,
        COSINE_RESTARTS,
        INVERSE_SQRT,
        REDUCE_ON_PLATEAU,
    )
}
"""The schedules by name, in the order in which they are shown."""
