"""How long the rest of a run will take, from how long its parts have taken so far: rough, and nothing while unknown.

Takes the events of the loop, each with the time. An epoch has three parts: computing what the frozen prefix gives of
images that were not seen so before, its steps, its evaluation. A stage that has not begun, and is not like one that
has, is guessed: training what lies behind the cut takes three times as long as running it. What share of the network
that is, is not known here; the geometric mean of its shares of the numbers and of the parts stands for it. Where other
programs take turns on the processor, such a guess can be three times too long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

from runtime.data.transforms.views import is_fixed
from runtime.plan.types import Plan, StagePlan
from runtime.training.events import (
    Evaluated,
    EvaluationStarted,
    Event,
    FeaturesComputed,
    RolledBack,
    StageFinished,
    StageStarted,
    StepFinished,
)

_ENOUGH = 3  # steps that say how long one takes
_TRAINING = 3  # times as long as prediction
_SAVING_S = 1.0


@dataclass(slots=True)
class _Pace:
    """How long one thing of many takes."""

    seconds: float = 0.0
    count: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        self.seconds += seconds
        self.count += count

    @property
    def each(self) -> float:
        return self.seconds / self.count


@dataclass(slots=True)
class TimeLeft:
    """Takes events in their order; says how many seconds are left."""

    plan: Plan
    _stage: StagePlan | None = None
    _step: int = 0
    _epochs: int = 0  # that are over
    _at: float = 0.0  # of the last event
    _doing: Event | None = None
    _filling: _Pace = field(default_factory=_Pace)  # of an image
    _filled: int = 0  # images of the running epoch
    _filling_share: float = 1.0  # of the images that were expected
    _steps: _Pace = field(default_factory=_Pace)  # of the running epoch
    _step_s: float | None = None
    _evaluation_s: float | None = None
    _evaluating: bool = False

    def take(self, event: Event, now: float) -> None:
        """Take an event that has just happened."""
        passed, self._at = now - self._at, now
        match event:
            case StageStarted():
                if self._stage is None or not _is_like(self._stage, event.plan):
                    self._step_s = self._evaluation_s = None
                self._stage, self._step, self._epochs = event.plan, event.step, event.epoch
                self._steps, self._filled, self._evaluating = _Pace(), 0, False
            case FeaturesComputed():
                if isinstance(self._doing, FeaturesComputed):  # the first batch also makes everything ready
                    self._filling.add(passed, max(0, event.done - self._doing.done))
                if not self._evaluating:
                    self._filled = event.done
            case StepFinished():
                if isinstance(self._doing, StepFinished):
                    self._steps.add(passed)
                    if self._steps.count >= _ENOUGH:
                        self._step_s = self._steps.each
                self._step = event.step
            case EvaluationStarted():
                self._evaluating = True
            case Evaluated():
                self._evaluation_s, self._evaluating = passed, False
                self._end_epoch(event.epoch)
            case RolledBack():
                self._step, self._steps = event.step, _Pace()
            case StageFinished():
                self._step = event.step
        self._doing = event

    def of_stage(self) -> float | None:
        """Return the seconds that are left of the running stage; None while that is unknown."""
        stage = self._stage
        if stage is None or self._step_s is None:
            return None
        seconds = (stage.steps - self._step) * self._step_s
        for epoch in range(self._epochs + 1, stage.epochs):
            seconds += self._new(stage, epoch) * self._filling_share * self._fill_s
        evaluation = self._evaluation_s
        if evaluation is None:
            evaluation = self._batches("valid") * self._step_s / _TRAINING
            seconds += self.plan.data.images("valid") * self._fill_s if stage.cut else 0.0
        return seconds + (stage.epochs - self._epochs) * evaluation

    def of_run(self) -> float | None:
        """Return the seconds that are left of the whole run; None while that is unknown."""
        stage, seconds = self._stage, self.of_stage()
        if stage is None or seconds is None:
            return None
        later = self.plan.stages[stage.position + 1 :]
        whole = self._whole_s(stage)
        if whole is None and self.guesses:
            return None
        for each in later:
            seconds += self._guess(stage, each, whole or 0.0)
        return seconds + self._ending() + _SAVING_S

    @property
    def guesses(self) -> bool:
        """Whether the run has stages to come of which nothing like them has been seen yet."""
        stage = self._stage
        return stage is not None and not all(_is_like(stage, each) for each in self.plan.stages[stage.position + 1 :])

    def _end_epoch(self, epoch: int) -> None:
        if self._stage is not None and epoch > self._epochs:
            expected = self._new(self._stage, epoch - 1)
            self._filling_share = self._filled / expected if expected else self._filling_share
        self._epochs, self._filled, self._steps = epoch, 0, _Pace()

    def _new(self, stage: StagePlan, epoch: int) -> float:
        """Return how many views of training images come up for the first time in an epoch (from 0) of a stage."""
        now = stage.at(epoch)
        if not now.cut or now.views is None:
            return 0.0
        before = [phase for each in self.plan.stages[: stage.position] for phase in each.phases()]
        before += [(epochs[: max(0, epoch - epochs.start)], phase) for epochs, phase in stage.phases()]
        seen = sum(len(epochs) for epochs, p in before if (p.augment, p.views) == (now.augment, now.views))
        fixed = is_fixed(now.augment, now.views)
        share = float(seen < now.views) if fixed else (1 - 1 / now.views) ** seen
        return share * self.plan.data.images("train")

    @property
    def _fill_s(self) -> float:
        return self._filling.each if self._filling.count else 0.0

    def _batches(self, name: str) -> float:
        return self.plan.data.images(name) / self.plan.data.batch

    def _whole_s(self, stage: StagePlan) -> float | None:
        """Return how long one image takes through the whole network, by what the running stage shows of it."""
        if _work(stage) >= 1 and self._step_s is not None:
            return self._step_s / self.plan.data.batch / _work(stage)
        return self._filling.each / (1 - _behind(stage)) if self._filling.count else None

    def _guess(self, now: StagePlan, later: StagePlan, whole: float) -> float:
        if _is_like(now, later) and self._step_s is not None:
            step, evaluation = self._step_s, self._evaluation_s or self._batches("valid") * self._step_s / _TRAINING
        else:
            step = self.plan.data.batch * whole * _work(later)
            evaluation = self.plan.data.images("valid") * whole * _behind(later)
        new = sum(self._new(later, epoch) for epoch in range(later.epochs))
        return later.steps * step + later.epochs * evaluation + new * self._filling_share * self._fill_s

    def _ending(self) -> float:
        test, last = self.plan.data.images("test"), self.plan.stages[-1]
        evaluation = self._evaluation_s or 0.0
        share = test / max(1, self.plan.data.images("valid"))
        return share * evaluation + (test * self._fill_s * self._filling_share if last.cut else 0.0)


def _is_like(one: StagePlan, other: StagePlan) -> bool:
    """Whether a step of two stages does the same."""
    return [part.trained for part in one.parts] == [part.trained for part in other.parts] and (
        (one.views is None) == (other.views is None)
    )


def _behind(stage: StagePlan) -> float:
    """Return which share of the network's work lies behind the cut, roughly."""
    numbers = sum(part.numbers for part in stage.parts[stage.cut :]) / stage.numbers
    return sqrt(numbers * (len(stage.parts) - stage.cut) / len(stage.parts))


def _work(stage: StagePlan) -> float:
    """Return how long an image takes in a step, as a multiple of its way through the whole network."""
    behind = _behind(stage)
    return _TRAINING * behind + (1 - behind if stage.views is None else 0.0)
