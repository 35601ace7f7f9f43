"""What population-based training, and a search for a policy, say while they run and at their end, in lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from recipe_lang.words import counted, listed
from runtime.reporting.console import LiveLines
from runtime.reporting.plan import duration
from runtime.system.streams import surviving
from runtime.tasks.catalog import TASKS
from runtime.training.events import (
    Advised,
    Event,
    FeaturesComputed,
    ImagesChecked,
    ImagesConverted,
    ImagesSkipped,
    Preliminary,
    StepFinished,
)
from runtime.workflows.tune.course import Course
from runtime.workflows.tune.pbt import Outcome
from runtime.workflows.tune.policy import Candidate, PolicyFound
from runtime.workflows.tune.population import Generation, Values, best_of


class SearchProgress:
    """Follows a search on a terminal: one line, below those that are printed, says what is being done.

    `label` stands before it. `clear` takes the line away, as is needed before anything else is printed.
    """

    def __init__(self, console: Console, clock: Callable[[], float], quiet: bool = False) -> None:
        self._console, self._live = console, LiveLines.on(console, quiet)
        self._clock, self._drawn_at = clock, -math.inf
        self.label = ""

    def __call__(self, event: Preliminary | Event) -> None:
        """Take an event of a training."""
        match event:
            case ImagesChecked() if event.done < event.total:
                self._draw(f"checking images: {event.done:,} of {event.total:,}")
            case FeaturesComputed():
                self._draw(f"frozen features: {event.done:,} of {event.total:,} images")
            case StepFinished():
                self._draw(f"stage {event.stage + 1}, epoch {event.epoch}, step {event.step:,}")
            case ImagesChecked() | ImagesConverted() | ImagesSkipped() | Advised():  # lines for standard error follow
                self.clear()

    def _draw(self, doing: str) -> None:
        if self._live is not None and self._clock() - self._drawn_at >= _REFRESH_S:
            self._drawn_at = self._clock()
            with surviving(self._console.file):
                self._live.draw([Text(f"{self.label}{doing}", "dim")])

    def clear(self) -> None:
        """Take the line away."""
        if self._live is not None:
            with surviving(self._console.file):
                self._live.close()


_REFRESH_S = 0.2


def course_lines(course: Course, members: int) -> Iterator[str]:
    """Say what will change, and why the other parameters do not."""
    names = listed(tuple(f"`{name}`" for name in course.axes), "and")
    yield f"{counted(members, 'member')}, {counted(len(course.intervals), 'interval')}; {names} may change after each"
    for name, reason in course.fixed.items():
        yield f"`{name}` stays as it is: {reason}"
    for stage, names_of in zip(course.plan.stages, course.decided, strict=True):
        if "lr" in names_of and stage.schedule.name != "constant":
            yield f"{stage.name}: `{stage.schedule.name}` is followed in a straight line through each interval"


def generation_line(course: Course, now: Generation, metric: str) -> str:
    """Say what the members have come to at the end of an interval."""
    interval = course.intervals[now.interval]
    stage, best = course.plan.stages[interval.stage], best_of(now.scores)
    higher = TASKS[course.plan.task].metrics[metric].higher_is_better
    known = [score if higher else -score for score in now.scores if not math.isnan(score)]
    failed = len(now.scores) - len(known)
    first, last = (max(known), min(known)) if higher else (min(known), max(known))
    line = f"interval {now.interval + 1}/{len(course.intervals)} ({stage.name}, epoch {interval.end})  {metric} "
    line += f"{first:.4f} (member {best + 1}: {shown(course, now.values[best])}), worst {last:.4f}"
    line += f"; {failed} failed" if failed else ""
    if now.sources:
        line += "; " + ", ".join(f"{member + 1} went on as {source + 1}" for member, source in now.sources.items())
    return line


def shown(course: Course, values: Values) -> str:
    """Return the parameters of a member."""
    return ", ".join(f"{name} {course.shown(name, value)}" for name, value in values.items())


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Say which member is the best, and how its parameters went."""
    course = outcome.course
    reached = f"valid.{outcome.metric} {outcome.values[outcome.best]:.4f}"
    yield f"best: member {outcome.best + 1}, {reached}, after {duration(outcome.seconds)}"
    for interval, values in zip(course.intervals, outcome.history, strict=True):
        stage = course.plan.stages[interval.stage]
        epochs = f"epochs {interval.begin + 1} to {interval.end}" if interval.end - interval.begin > 1 else ""
        yield f"  {stage.name}, {epochs or f'epoch {interval.end}'}: {shown(course, values)}"


def policy_line(what: str, value: Any) -> str:
    """Say what a search for a policy has done; nothing of what is of no interest."""
    match what, value:
        case "left out", dict() if value:
            return "not searched: " + "; ".join(f"{name}, {reason}" for name, reason in value.items())
        case "fold", int():
            return f"trained a network without fold {value}"
        case "measured", (strength, steps, loss):
            return f"{strength:6} {', '.join(steps)}: loss {loss:.4f}"
        case "confirmed", (steps, reached):
            return f"trained with {', '.join(steps) or 'its own augmentation'}: {reached:.4f} on validation"
    return ""


def policy_lines(found: PolicyFound) -> Iterator[str]:
    """Say which policy is the best of each strength, what validation says, and whether anything is gained."""
    for each in found.candidates:
        yield f"{_named(each)}: loss {each.fold_loss:.4f} on the folds, valid.{found.metric} {each.value:.4f}"
    told = f"{counted(found.measured, 'policy', 'policies')} measured in {duration(found.seconds)}"
    best = found.candidates[found.best]
    yield (
        f"{told}; best: {_named(best)}" if found.gains else f"{told}; none is better than the recipe's own augmentation"
    )
    if found.gains:
        yield "validated by one run each: `ftr compare`, with several seeds, says whether the gain is more than noise"


def _named(candidate: Candidate) -> str:
    return (
        f"{candidate.strength} ({', '.join(candidate.steps)})" if candidate.steps else "the recipe's own augmentation"
    )
