"""The learning-rate range test: what a stage's loss does while the rate grows, and which rates that suggests.

`range_test` makes steps of a stage on its own batches, with the rate growing evenly on a log scale (Smith, arXiv
1506.01186, section 3.3); out comes a `RateCurve`. The definitions are those of fastai (`fastai/callback/schedule.py`:
`LRFinder`, `lr_find`, `valley`, `slide`, `minimum`, `steep`; `AvgSmoothLoss` in `fastai/learner.py`). The steps are
those of training (`training_step`); what they changed is put back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from runtime.features.inputs import StageInputs, StepInputs
from runtime.plan.types import Component, Length, StagePlan
from runtime.training.class_means import class_means
from runtime.training.snapshot import weights_of
from runtime.training.stage import Interrupted, Session, stage_net, training_step

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100
_SMOOTHING = 0.98
_DIVERGED = 4.0  # times the best loss
_FIRST, _LAST = STEPS // 10, 5  # points that are left out at the ends
_WINDOW, _STILL = 15, 0.005  # of the slide: its width in points, and gradients that do not differ
_FEWEST = _WINDOW + 2  # points that each definition needs
_STEADY, _LOWEST = 30, 10  # losses at the beginning, and in a row where they are lowest
FEWEST_ERRORS = 5.0
"""How many standard errors of its noise the loss must fall by for a valley (`docs/lr-find.md` measures it)."""

Curve = Sequence[float]


def valley(rates: Curve, losses: Curve) -> float:
    """Return the rate half-way along the longest decreasing subsequence of the losses (fastai's `valley`)."""
    lengths, end, start = [1] * len(losses), 0, 0
    for here, loss in enumerate(losses):
        for before in range(here):
            if loss < losses[before] and lengths[here] < lengths[before] + 1:
                lengths[here] = lengths[before] + 1
            if lengths[end] < lengths[here]:
                end = here
                start = end - lengths[end]
    third = (end - start) / 3
    return rates[max(0, start + int(third) + int(third / 2))]


def slide(rates: Curve, losses: Curve) -> float:
    """Return where a window of 15 points that moves left comes to rest (fastai's `slide`).

    It rests once the gradients at its ends differ by 0.005 or less; the rate is that at its left end before.
    """
    gradients = np.gradient(np.asarray(losses))
    right, left = -1, -1 - _WINDOW
    found = rates[left]
    while left >= -len(losses) and abs(gradients[right] - gradients[left]) > _STILL:
        found = rates[left]
        right, left = right - 1, left - 1
    return found


def minimum(rates: Curve, losses: Curve) -> float:
    """Return a tenth of the rate with the lowest loss (fastai's `minimum`)."""
    return rates[int(np.argmin(losses))] / 10


def steep(rates: Curve, losses: Curve) -> float:
    """Return the rate at which the loss falls fastest over the logarithm of the rate (fastai's `steep`)."""
    return rates[int(np.argmin(np.diff(losses) / np.diff(np.log(rates))))]


METHODS: Mapping[str, Callable[[Curve, Curve], float]] = {
    "valley": valley,
    "slide": slide,
    "minimum": minimum,
    "steep": steep,
}


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The mean loss of each step, and the rate that it was made with."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smoothed(self) -> tuple[float, ...]:
        """The exponential mean of the losses, decay 0.98, bias-corrected."""
        return tuple(smoothing(self.losses))

    @property
    def kept(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The rates and smoothed losses that count: without the first tenth of the test and the last 5 points."""
        chosen = slice(_FIRST, -_LAST)
        return self.rates[chosen], self.smoothed[chosen]

    def suggestions(self) -> dict[str, float]:
        """Return the rate that each method suggests, by its name; none where too few points are left."""
        rates, losses = self.kept
        return {name: method(rates, losses) for name, method in METHODS.items()} if len(rates) >= _FEWEST else {}

    @property
    def fall(self) -> float:
        """How far the loss falls, in standard errors: from the mean of the first 30 to the lowest mean of 10 in a row.

        The standard deviation is that of the first 30, whose rates are next to 0.
        """
        losses = np.asarray(self.losses)
        if len(losses) <= _STEADY:
            return 0.0
        first = losses[:_STEADY]
        lowest = np.lib.stride_tricks.sliding_window_view(losses, _LOWEST).mean(axis=1).min()
        error = float(first.std(ddof=1)) * math.sqrt(1 / _STEADY + 1 / _LOWEST)
        return float(first.mean() - lowest) / max(error, 1e-12)

    @property
    def has_valley(self) -> bool:
        """Whether the loss falls by more than its noise, so that a rate can be told from it."""
        return bool(self.suggestions()) and self.fall >= FEWEST_ERRORS

    @property
    def diverged(self) -> bool:
        """Whether the test ended before the highest rate, since the loss had grown to 4 times the best."""
        return len(self.losses) < STEPS


def smoothing(losses: Iterable[float]) -> Iterator[float]:
    """Yield the bias-corrected exponential mean of the losses so far, decay 0.98 (fastai's `AvgSmoothLoss`)."""
    mean = 0.0
    for number, loss in enumerate(losses, start=1):
        mean = loss + _SMOOTHING * (mean - loss)
        yield mean / (1 - _SMOOTHING**number)


def rising(stage: StagePlan) -> StagePlan:
    """Return a stage as the test trains it: its rate grows from the lowest to the highest over 100 steps."""
    optimizer = replace(stage.optimizer, args={**stage.optimizer.args, "lr": LOWEST})
    schedule = Component("exponential", {"factor": HIGHEST / LOWEST})
    whole = Length(STEPS, f"{STEPS} steps")
    none = Length(0, "0 steps")
    return replace(
        stage, optimizer=optimizer, schedule=schedule, warmup=none, steps=whole, steps_per_epoch=STEPS, recovery=None
    )


def range_test(session: Session, stage: StagePlan, tell: Callable[[str], None] = lambda doing: None) -> RateCurve:
    """Test the rates of a stage, which begins with the weights that the network has; it has them again afterwards.

    `tell` is told what keeps it busy.

    Raises:
        Interrupted: `session.should_stop` said so.
        RecipeError: an image cannot be read.
    """
    features = session.features()
    net = stage_net(session, stage, features)
    begun = weights_of(net)
    try:
        if stage.position == 0:
            _follow(session, class_means(session, net), tell)
        epochs, phase = stage.phases()[0]
        now = net.at(phase)
        step = training_step(session, rising(phase), now)
        rates: list[float] = []
        losses: list[float] = []
        with closing(_batches(session, now.inputs, len(epochs), tell)) as batches:
            for parts in batches:
                tell(f"step {len(losses) + 1} of {STEPS}")
                loss, rate = step(parts, len(losses))
                value = float(loss.asscalar())
                if not math.isfinite(value):
                    break
                rates.append(rate)
                losses.append(value)
                smoothed = list(smoothing(losses))
                if smoothed[-1] > _DIVERGED * min(smoothed) or len(losses) == STEPS:
                    break
        return RateCurve(tuple(rates), tuple(losses))
    finally:
        for name, values in begun.items():
            net.changing[name].set_data(values)
        features.close()


def _batches(
    session: Session, inputs: StageInputs, epochs: int, tell: Callable[[str], None]
) -> Generator[StepInputs, None, None]:
    """Yield the batches of steps without an end: the epochs of the stage, again and again."""
    for number in count():
        _follow(session, inputs.fill_training(number % epochs), tell)
        with closing(inputs.training(number % epochs)) as steps:
            for parts in steps:
                if session.should_stop():
                    raise Interrupted
                yield parts


def _follow(session: Session, progress: Iterable[tuple[int, int]], tell: Callable[[str], None]) -> None:
    for done, total in progress:
        if session.should_stop():
            raise Interrupted
        tell(f"frozen features: {done:,} of {total:,} images")
