"""What `ftr tune` does with `--sampler pbt` and with `--policy`: neither is a study of trials."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtime.commands.command import FINE, console, echo, first_words, mxnet, show_problems, tell
from runtime.commands.notices import tell_event, tell_images
from runtime.commands.options import check_folder
from runtime.system.files import from_here
from runtime.system.streams import surviving

if TYPE_CHECKING:
    from runtime.reporting.population import SearchProgress
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import Prepared
    from runtime.workflows.run import RunContext
    from runtime.workflows.tune.folder import StudyOptions

POLICY = "policy"
"""What stands for a sampler in the folder of a search for a policy."""


@dataclass(frozen=True, slots=True)
class SearchPlace:
    """Where a search runs: its folder, whether it goes on there, where what it finds is written, and its seconds."""

    folder: Path | None
    goes_on: bool
    runs: RunSettings
    write: Path | None = None
    seconds: float | None = None
    quiet: bool = False

    @property
    def found(self) -> Path:
        """The folder, which there is by now."""
        assert self.folder is not None
        return self.folder

    def say(self, lines: Iterable[str], progress: SearchProgress) -> None:
        """Print lines, unless it is to be quiet."""
        with surviving(sys.stdout):
            progress.clear()
            for line in lines if not self.quiet else ():
                echo(line)


def search_otherwise(
    options: StudyOptions,
    place: SearchPlace,
    members: int | None,
    epochs: int | None,
    threads: int | None,
    debug: bool,
) -> int:
    """Search by a population, or for a policy, as the options say."""
    with mxnet(threads, debug):
        with first_words(Path(options.recipe), place.quiet) as say:
            say("loading MXNet")
            from runtime.workflows.preparation import prepare
            from runtime.workflows.tune.folder import new_folder
            from runtime.workflows.tune.objectives import objectives

            say("listing the images")
            root = Path(options.data_root) if options.data_root else None
            prepared = prepare(from_here(options.recipe), options.settings, root, options.outside)
        found = objectives(options.metrics, prepared.plan)
        if len(found) > 1 or found[0].cost:
            raise click.UsageError("a population, and a policy, go by one metric of the validation images")
        refuse_searched(place.write, prepared)
        tell_images(prepared, is_advised=not place.quiet)
        if not place.quiet:
            show_problems(prepared.advice)
        if not place.goes_on:
            place = replace(place, folder=new_folder(place.folder, prepared.plan.name, options))
        if options.sampler == POLICY:
            return _policy(prepared, place, options.seed, found[0].name)
        return _population(prepared, place, members, epochs, options.seed, found[0].name)


def _population(
    prepared: Prepared, place: SearchPlace, members: int | None, epochs: int | None, seed: int, metric: str
) -> int:
    """Train a population; show how it goes, and write the recipe that its best member is."""
    from runtime.reporting.population import SearchProgress, course_lines, generation_line, outcome_lines
    from runtime.workflows.tune.pbt import settings_of, train_recipe_population

    settings = settings_of(place.found, members, epochs, metric, seed)
    begun: list[bool] = []
    progress = SearchProgress(console(), time.monotonic, place.quiet)

    def told(course: Any, now: Any) -> None:
        if not begun:
            place.say(course_lines(course, settings.size), progress)
        begun.append(True)
        if len(now.scores) == settings.size:
            place.say([generation_line(course, now, metric)], progress)
        progress.label = f"member {len(now.scores) % settings.size + 1} of {settings.size}: "

    with _interruptible(place, progress) as (context, stopped):
        outcome = train_recipe_population(prepared, context, place.found, settings, told)
        place.say(outcome_lines(outcome), progress)
        _write(place, prepared, outcome.recipe)
    return stopped[0] if stopped else FINE


def _policy(prepared: Prepared, place: SearchPlace, seed: int, metric: str) -> int:
    """Search a policy; show what is found, and write a recipe with it where it is better."""
    from runtime.reporting.population import SearchProgress, policy_line, policy_lines
    from runtime.workflows.tune.policy import PolicySettings, search_policy

    progress = SearchProgress(console(), time.monotonic, place.quiet)

    def told(what: str, value: Any) -> None:
        place.say(filter(None, [policy_line(what, value)]), progress)

    with _interruptible(place, progress) as (context, stopped):
        found = search_policy(prepared, context, place.found, PolicySettings(metric=metric, seed=seed), told)
        with surviving(sys.stdout):
            progress.clear()
            for line in policy_lines(found):
                echo(line)
        if found.gains:
            _write(place, prepared, found.recipe)
        elif place.write is not None:
            tell(f"{from_here(place.write)} is not written: nothing is gained")
    return stopped[0] if stopped else FINE


def refuse_unwritable(path: Path, force: bool) -> None:
    """Refuse a file that --write cannot write, or must not, before anything is searched."""
    if path.is_dir():
        raise click.UsageError(f"--write {path}: this is a folder; name a file")
    if path.exists() and not force:
        raise click.UsageError(f"{path} exists; --force overwrites it")
    check_folder("--write", path)


def refuse_searched(path: Path | None, prepared: Prepared) -> None:
    """Refuse to write over a recipe that is searched, or a parent of it: what is written builds on it."""
    from recipe_lang.compose.merge import files

    names = [each.source.name for each in files(prepared.recipe.written)]
    if path is not None and path.resolve() in [Path(name).resolve() for name in names]:
        raise click.UsageError(f"--write {path}: the best values would replace the recipe that they build on")


def tell_changed(prepared: Prepared) -> None:
    """Say which files of the recipe are no longer what was searched: what is written builds on them."""
    from recipe_lang.compose.merge import files
    from recipe_lang.problem import RecipeError
    from runtime.runs.recipe_files import read_recipe

    for each in files(prepared.recipe.written):
        try:
            is_same = read_recipe(Path(each.source.name)).text == each.source.text
        except RecipeError:
            is_same = False
        if not is_same:
            name = from_here(each.source.name)
            tell(f"{name} was changed during the search: what is written builds on what it says now")


@contextmanager
def saying_how_to_go_on(again: str) -> Iterator[None]:
    """Have an interruption that is not waited for, the second one, say how to go on.

    Raises:
        KeyboardInterrupt: there was one.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"\nto go on: {again}") from None


@contextmanager
def _interruptible(place: SearchPlace, progress: SearchProgress) -> Iterator[tuple[RunContext, list[int]]]:
    """Yield where a search runs, alone in its folder; what ends it early, a signal or its time, is said.

    Raises:
        RecipeError: another process has the folder.
    """
    from runtime.runs.folder import locked
    from runtime.system.signals import stop_signal
    from runtime.training.stage import Interrupted
    from runtime.workflows.run import RunContext

    until = None if place.seconds is None else time.monotonic() + place.seconds
    stopped: list[int] = []
    again = f"ftr tune --resume {shlex.quote(str(from_here(place.found)))}"
    with saying_how_to_go_on(again), locked(place.found), stop_signal() as signal:

        def is_over() -> bool:
            return until is not None and time.monotonic() > until

        try:
            observers = (progress, partial(tell_event, False, place.quiet))
            yield RunContext(place.runs, observers, is_over, signal), stopped
        except Interrupted:
            progress.clear()
            why = "interrupted" if signal.number else "its time is over"
            tell(why)
            tell(f"to go on: {again}")
            stopped.append(128 + signal.number if signal.number else FINE)
        finally:
            progress.clear()


def _write(place: SearchPlace, prepared: Prepared, text: Any) -> None:
    """Write the recipe that a search has found, and say what to do with it; `text` takes the name of its parent."""
    from runtime.runs.folder import write_text, writing

    path = place.write or place.found / "best.ftr"
    parent = os.path.relpath(prepared.given.path, path.absolute().parent)
    tell_changed(prepared)
    with writing(path):
        write_text(path, text(parent))
    outside = " --allow-outside" if ".." in Path(parent).parts else ""
    echo(f"wrote {from_here(path)}: ftr run {shlex.quote(str(from_here(path)))}{outside}")
