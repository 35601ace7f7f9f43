"""What `ftr tune` does with `--sampler pbt` and with `--policy`: neither is a study of trials."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.commands.command import FINE, echo, tell
from runtime.system.files import from_here

if TYPE_CHECKING:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import Prepared
    from runtime.workflows.run import RunContext


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """Where a search runs: its folder, where what it finds is written, the command that goes on, and its seconds."""

    folder: Path
    runs: RunSettings
    resume: str
    write: Path | None = None
    seconds: float | None = None
    quiet: bool = False

    def say(self, lines: Iterable[str]) -> None:
        """Print lines, unless it is to be quiet."""
        for line in lines if not self.quiet else ():
            echo(line)


def tune_population(prepared: Prepared, place: SearchPlace, members: int, epochs: int, metric: str) -> int:
    """Train a population; show how it goes, and write the recipe that its best member is."""
    from runtime.reporting.population import course_lines, generation_line, outcome_lines
    from runtime.tasks.catalog import TASKS
    from runtime.workflows.tune.pbt import PopulationSettings, train_recipe_population

    settings = PopulationSettings(members, epochs, metric)
    higher = TASKS[prepared.plan.task].metrics[metric].higher_is_better
    begun: list[bool] = []

    def told(course: Any, now: Any) -> None:
        if not begun:
            place.say(course_lines(course, members))
        begun.append(True)
        if len(now.scores) == members:
            place.say([generation_line(course, now, metric, higher)])

    with _interruptible(place) as (context, stopped):
        outcome = train_recipe_population(prepared, context, place.folder, settings, told)
        place.say(outcome_lines(outcome))
        path = place.write or place.folder / "best.ftr"
        _write(path, prepared, outcome.recipe(_parent(path, prepared)))
        shown = from_here(path)
        echo(f"wrote {shown}: `ftr run {shown}` trains the weights of this member, bit for bit")
    return stopped[0] if stopped else FINE


def tune_policy(prepared: Prepared, place: SearchPlace, metric: str) -> int:
    """Search a policy; show what is found, and write a recipe with it where it is better."""
    from runtime.reporting.population import policy_line, policy_lines
    from runtime.workflows.tune.policy import PolicySettings, search_policy

    with _interruptible(place) as (context, stopped):
        found = search_policy(
            prepared,
            context,
            place.folder,
            PolicySettings(metric=metric),
            lambda what, value: place.say(filter(None, [policy_line(what, value)])),
        )
        for line in policy_lines(found):
            echo(line)
        if found.gains:
            path = place.write or place.folder / "best.ftr"
            _write(path, prepared, found.written(_parent(path, prepared)))
            echo(f"wrote {from_here(path)}")
        elif place.write is not None:
            tell(f"{from_here(place.write)} is not written: nothing is gained")
    return stopped[0] if stopped else FINE


@contextmanager
def _interruptible(place: SearchPlace) -> Iterator[tuple[RunContext, list[int]]]:
    """Yield where a search runs; what ends it early, a signal or its time, is said, with how it goes on."""
    from runtime.system.signals import stop_signal
    from runtime.training.stage import Interrupted
    from runtime.workflows.run import RunContext

    until = None if place.seconds is None else time.monotonic() + place.seconds
    stopped: list[int] = []
    with stop_signal() as signal:

        def is_over() -> bool:
            return until is not None and time.monotonic() > until

        try:
            yield RunContext(place.runs, asked=is_over, signal=signal), stopped
        except Interrupted:
            why = "interrupted" if signal.number else "its time is over"
            tell(printable(f"{why}; to go on: {place.resume}"))
            stopped.append(128 + signal.number if signal.number else FINE)


def _parent(path: Path, prepared: Prepared) -> str:
    return os.path.relpath(prepared.given.path, path.absolute().parent)


def _write(path: Path, prepared: Prepared, text: str) -> None:
    from runtime.runs.folder import write_text, writing

    with writing(path):
        write_text(path, text)
    if ".." in Path(_parent(path, prepared)).parts:
        tell(f"{from_here(path)} extends a recipe outside of its folder: run it with `--allow-outside`")
