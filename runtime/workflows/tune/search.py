"""The search itself: trial after trial, until there are enough, the time is up, or it is asked to end.

`search` runs the trials of an open study, and tells observers what happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

from recipe_lang.problem import RecipeError
from runtime.training.events import Evaluated, Event, FeaturesComputed, Preliminary
from runtime.training.problems import LossNotFinite
from runtime.training.stage import Interrupted
from runtime.workflows.tune.objectives import Objective
from runtime.workflows.tune.study import Asked, Study
from runtime.workflows.tune.trials import TrialResult, Trials
from runtime.workflows.tune.workers import SEEN_S


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial begins."""

    number: int
    place: int
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrialEpoch:
    """A trial has trained and measured an epoch, counted from 1 over all stages."""

    number: int
    epoch: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TrialFeatures:
    """A trial has run the frozen part of its network on `done` of `total` images of a set."""

    number: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is over, and kept in the study."""

    number: int


StudyEvent = TrialStarted | TrialFeatures | TrialEpoch | TrialEnded


class StudyObserver(Protocol):
    """Follows a study."""

    def __call__(self, event: StudyEvent) -> None:
        """Take an event."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a study ends: with so many finished trials, or with the time, on the monotonic clock."""

    trials: int | None = None
    until: float | None = None

    def leaves_time(self, took: Sequence[float], now: float) -> bool:
        """Whether another trial would end in time, if it takes as long as half of those before."""
        return self.until is None or now + (median(took) if took else 0.0) < self.until


def search(
    study: Study,
    trials: Trials,
    objectives: Sequence[Objective],
    limits: Limits,
    tell: StudyObserver = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run trials until a limit is reached, or it is asked to stop; what is finished is in the study then.

    Raises:
        RecipeError: the recipe cannot be run with its own values, or the storage cannot be used.
    """
    took: list[float] = []
    while not should_stop() and limits.leaves_time(took, time.monotonic()):
        asked = study.next(limits.trials)
        if asked is None:
            return
        tell(TrialStarted(asked.trial.number, asked.place, asked.texts))
        watch = _Watch(study, asked, objectives, trials, tell)
        try:
            result = trials.run(asked.texts, [watch], costs=_costs(objectives))
        except RecipeError as error:
            _note_failure(study, asked, error)
            if asked.place == 0 and not _diverged(error):
                raise
        except BaseException:
            study.break_off(asked)
            raise
        else:
            if not (result.whole or watch.pruned):
                study.break_off(asked)
                return
            took.append(result.seconds)
            _note(study, asked, objectives, result)
        tell(TrialEnded(asked.trial.number))


def _costs(objectives: Sequence[Objective]) -> dict[str, Any]:
    return {each.name: each.cost for each in objectives if each.cost}


def _note(study: Study, asked: Asked, objectives: Sequence[Objective], result: TrialResult) -> None:
    metrics = {name: value for name, value in result.values.items() if value == value}
    told = {
        "metrics": metrics,
        "epochs": sum(each.epoch > 0 for each in result.epochs),
        "seconds": round(result.seconds, 2),
        "weights": result.weights,
        "texts": dict(asked.texts),
    }
    if result.whole:
        study.finish(asked, [result.values[each.name] for each in objectives], told)
    else:
        study.prune(asked, "pruned", told)


def _note_failure(study: Study, asked: Asked, error: RecipeError) -> None:
    if _diverged(error):
        study.prune(asked, error.problems[0].message(), {})
    else:
        study.fail(asked, error.problems[0].message())


def _diverged(error: RecipeError) -> bool:
    return any(problem.kind is LossNotFinite for problem in error.problems)


@dataclass(slots=True)
class _Watch:
    """Follows one trial: notes its epochs in the study, and ends it where these say that it does not pay."""

    study: Study
    asked: Asked
    objectives: Sequence[Objective]
    trials: Trials
    tell: StudyObserver
    epochs: int = 0
    pruned: bool = False
    _seen: float = 0.0

    def __call__(self, event: Preliminary | Event) -> None:
        now = time.monotonic()
        self._seen = self._seen or now
        if now - self._seen > SEEN_S:
            self._seen = now
            self.study.seen(self.asked)
        if isinstance(event, FeaturesComputed):
            self.tell(TrialFeatures(self.asked.trial.number, event.done, event.total))
        if not isinstance(event, Evaluated) or not event.epoch:
            return
        self.epochs += 1
        self.tell(TrialEpoch(self.asked.trial.number, self.epochs, event.values))
        objective = self.objectives[0]
        if len(self.objectives) > 1 or objective.cost:
            return
        is_last = self.epochs >= sum(stage.epochs for stage in self.trials.prepared.plan.stages)
        if self.study.report(self.asked, event.values[objective.name], self.epochs) and not is_last:
            self.pruned = True
            raise Interrupted
