"""Averages of the weights over the steps of a stage, in place of the last: rows beside their arithmetic.

`Average` holds one for a stage's network. After each step it moves by a share of the way to the weights of now; the
share depends on the step alone, so that a run that resumes needs the arrays and nothing else. Where an average has
begun, validation sees it, the best epoch is chosen by it, and the stage hands it on; training goes on with its own
weights, unless the average leads. MXNet changes running statistics of norms behind the engine's back, so that they can
only be read after all work has ended: an average that moves at each step leaves them as they are, one that moves at the
ends of epochs has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Default, Duration, Entry, Number

if TYPE_CHECKING:
    from runtime.plan.types import StagePlan


@dataclass(frozen=True, slots=True)
class AverageKind:
    """A way to average: `share(args, step, steps of an epoch)` is how far the average moves after a step, from 1.

    1 begins it anew with the weights of now, 0 leaves it as it is; None says that it has not begun. `statistics` is
    whether running statistics of norms are averaged as well, which waits for each step that moves it. One that `leads`
    begins with the weights before the first step, and whenever it has moved training goes on from there.
    """

    entry: Entry
    share: Callable[[Mapping[str, Any], int, int], float | None]
    statistics: bool
    leads: bool = False


def _ema(args: Mapping[str, Any], step: int, steps_per_epoch: int) -> float:  # noqa: ARG001
    return 1 - min(float(args["decay"]), step / (9 + step)) if step > 1 else 1.0


EMA = AverageKind(
    Entry(
        "ema",
        "The exponential moving average of the weights.",
        (
            Arg(
                "decay",
                Number(0, 1, below=True),
                "Fraction of the average that each step keeps, once it is long.",
                0.999,
            ),
        ),
        source="tf.train.ExponentialMovingAverage with num_updates; Polyak and Juditsky 1992",
        formula="t the step from 1, a the average, w the weights after the step\n"
        "d = min(decay, t / (9 + t)), 0 for the first\na = d a + (1 - d) w",
        examples=("average = ema", "average = ema(decay = 0.99)"),
    ),
    _ema,
    statistics=False,
)


def _swa(args: Mapping[str, Any], step: int, steps_per_epoch: int) -> float | None:
    epochs = step // steps_per_epoch - args["start"] // steps_per_epoch
    if epochs < 1:
        return None
    return 0.0 if step % steps_per_epoch else 1 / epochs


SWA = AverageKind(
    Entry(
        "swa",
        "Stochastic weight averaging: the mean of the weights at the ends of the epochs from `start` on.",
        (Arg("start", Duration(zero=True, share=True), "Where in the stage the mean begins.", Default("75%")),),
        source="Izmailov et al., arXiv 1803.05407; statistics of norms are averaged instead of computed anew",
        formula="n the epochs that have ended after start, w the weights at the end of one\na = a + (w - a) / n",
        examples=("average = swa", "schedule = constant\naverage = swa(start = 2 epochs)"),
    ),
    _swa,
    statistics=True,
)


def _lookahead(args: Mapping[str, Any], step: int, steps_per_epoch: int) -> float:  # noqa: ARG001
    return 0.0 if step % args["k"] else float(args["alpha"])


LOOKAHEAD = AverageKind(
    Entry(
        "lookahead",
        "Lookahead: after each `k` steps slow weights move towards those that train, which go on from there.",
        (
            Arg("k", Number(1, 10_000, whole=True), "Steps from one move of the slow weights to the next.", 5),
            Arg("alpha", Number(0, 1, above=True), "Fraction of the way that the slow weights move.", 0.5),
        ),
        source="Zhang et al., arXiv 1907.08610, algorithm 1; the optimizer keeps its moments",
        formula="a the slow weights, w those that train; a = w before the first step\n"
        "after each k steps: a = a + alpha (w - a), w = a",
        examples=("average = lookahead", "average = lookahead(k = 10, alpha = 0.8)"),
    ),
    _lookahead,
    statistics=False,
    leads=True,
)

AVERAGES: dict[str, AverageKind] = {row.entry.name: row for row in (EMA, SWA, LOOKAHEAD)}
"""The averages by name."""


def has_begun(stage: StagePlan, step: int) -> bool:
    """Whether there is an average after so many steps of a stage."""
    rule = stage.average
    return rule is not None and AVERAGES[rule.name].share(rule.args, step, stage.steps_per_epoch) is not None


@dataclass(slots=True)
class Average:
    """The average of a stage: `parameters` are those that train, `statistics` those of norms, by structural name.

    `arrays` is empty while it has not begun.
    """

    stage: StagePlan
    parameters: Mapping[str, Any]
    statistics: Mapping[str, Any]
    arrays: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Take notice of the weights before the first step of the stage."""
        rule = self.stage.average
        if rule and AVERAGES[rule.name].leads:
            self.arrays.update((name, parameter.data().copy()) for name, parameter in self.averaged.items())

    def update(self, step: int) -> None:
        """Take notice of the weights after so many steps of the stage. Statistics wait for them."""
        rule = self.stage.average
        share = AVERAGES[rule.name].share(rule.args, step, self.stage.steps_per_epoch) if rule else None
        if not rule or not share:
            return
        if AVERAGES[rule.name].statistics:
            _wait()
        for name, parameter in self.averaged.items():
            now = parameter.data()
            if share == 1:
                self.arrays[name] = now.copy()
            else:
                self.arrays[name] += share * (now - self.arrays[name])
        if AVERAGES[rule.name].leads:
            self.put(self.arrays)

    @property
    def averaged(self) -> Mapping[str, Any]:
        """What is averaged."""
        rule = self.stage.average
        return {**self.parameters, **(self.statistics if rule and AVERAGES[rule.name].statistics else {})}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the network the average for a while; without one, nothing happens."""
        if not self.arrays:
            yield
            return
        _wait()
        own = {name: self.averaged[name].data().copy() for name in self.arrays}
        self.put(self.arrays)
        try:
            yield
        finally:
            _wait()
            self.put(own)

    def put(self, arrays: Mapping[str, Any]) -> None:
        """Give the network other weights."""
        for name, values in arrays.items():
            self.averaged[name].set_data(values)


def _wait() -> None:
    from runtime.backend.mx import nd

    nd.waitall()  # oneDNN reorders weights in place while a forward pass runs
