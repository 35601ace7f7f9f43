"""The commands that search: `ftr tune`."""

from __future__ import annotations

import math
import shlex
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.commands.command import FINE, WORDS, command, console, echo, first_words, mxnet, show_problems, tell
from runtime.commands.notices import tell_event, tell_images
from runtime.commands.options import (
    DATA_ROOT,
    DEBUG,
    FILE_PATH,
    FORCE,
    OUTSIDE,
    PATH,
    QUIET,
    RECIPE_PATH,
    RUN_SETTINGS,
    SET,
    gathered,
    out_option,
    refuse_standard_input,
    was_given,
)
from runtime.commands.populations import (
    POLICY,
    SearchPlace,
    refuse_searched,
    refuse_unwritable,
    saying_how_to_go_on,
    search_otherwise,
    tell_changed,
)
from runtime.system.files import from_here
from runtime.system.streams import surviving
from runtime.training.settings import Interval, RunSettings

if TYPE_CHECKING:
    from runtime.workflows.tune.folder import StudyOptions
    from runtime.workflows.tune.study import Study
    from runtime.workflows.tune.tune import Search

SAMPLERS, PRUNERS = ("tpe", "random", "cmaes", "qmc", "grid", "nsga2"), ("median", "hyperband", "none")
"""The rows of `runtime/workflows/tune/samplers.py`; a test compares them."""
POPULATION = "pbt"  # changes values while it trains, and has no trials


class _Time(click.ParamType[float]):
    """A length of time, in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float:
        try:
            interval = Interval.of(str(value))
        except ValueError:
            interval = Interval(0, "")
        if interval.unit != "seconds":
            self.fail("write a number and a unit, as in `2 hours` or `30 minutes`", param, context)
        return interval.count


@dataclass(frozen=True, slots=True)
class _Given:
    """What the command line says of a study."""

    recipe: Path | None
    settings: tuple[str, ...]
    data_root: Path | None
    outside: bool
    metrics: tuple[str, ...]
    sampler: str
    pruner: str | None
    seed: int
    trials: int | None

    def options(self) -> StudyOptions:
        """Return it as the folder of a study has it."""
        from runtime.workflows.tune.folder import StudyOptions

        if self.recipe is None:
            raise click.UsageError("Missing argument 'RECIPE'.")
        root = None if self.data_root is None else str(self.data_root.absolute())
        chosen = (self.metrics, self.sampler, self.pruner, self.seed, self.trials)
        return StudyOptions(str(self.recipe.absolute()), self.settings, root, self.outside, *chosen)

    def as_it_began(self, context: click.Context, folder: Path) -> StudyOptions:
        """Return what a study began with, but for what the command line says."""
        from runtime.workflows.tune.folder import read_options

        began = read_options(folder)
        now = replace(self, recipe=self.recipe or from_here(began.recipe)).options()
        names = ("recipe", "settings", "data_root", "outside", "metrics", "sampler", "pruner", "seed", "trials")
        given = {name: getattr(now, name) for name in names if was_given(context, name)}
        return replace(began, recipe=now.recipe, **{name: each for name, each in given.items() if name != "recipe"})


@click.command()
@click.argument("recipe", type=RECIPE_PATH, required=False)
@click.option("--trials", type=click.IntRange(1, 100_000), help="How many trials the study has in the end.")
@click.option(
    "--for", "seconds", type=_Time(), metavar="TIME", help='Begin no trial that would end later, such as "2 hours".'
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Metric of validation to search by; the last stage's `monitor`, or loss, by default. Several: a Pareto front.",
)
@click.option(
    "--sampler",
    type=click.Choice((*SAMPLERS, POPULATION)),
    default="tpe",
    show_default=True,
    help="What draws the values; pbt trains a population.",
)
@click.option("--pruner", type=click.Choice(PRUNERS), help="What ends trials early; median, with several metrics none.")
@click.option("--members", type=click.IntRange(2, 1000), help="Members of a population (--sampler pbt); 5 by default.")
@click.option(
    "--interval", "epochs", type=click.IntRange(1, 1000), help="Epochs after which they exchange; 1 by default."
)
@click.option("--policy", is_flag=True, help="Search steps of `augment` instead of values of parameters.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="The seed of the study.")
@click.option("--resume", "resumed", type=PATH, metavar="STUDY", help="Resume the study in this folder, or join it.")
@click.option("--storage", metavar="WHERE", help="Keep the trials in this journal file, or in postgresql://….")
@click.option("--study", "name", metavar="NAME", help="The study's name in --storage; the recipe's by default.")
@click.option("--write", "written", type=FILE_PATH, metavar="FILE", help="Write a recipe with the best values.")
@FORCE
@SET
@OUTSIDE
@out_option("Folder of the study; runs/NAME-tune-N by default.")
@DATA_ROOT
@RUN_SETTINGS
@QUIET
@DEBUG
@gathered("given", _Given)
@click.pass_context
@command
def tune(
    context: click.Context,
    given: _Given,
    runs: RunSettings,
    seconds: float | None,
    members: int | None,
    epochs: int | None,
    policy: bool,
    resumed: Path | None,
    storage: str | None,
    name: str | None,
    written: Path | None,
    force: bool,
    out: Path | None,
    threads: int | None,
    quiet: bool,
    debug: bool,
) -> int:
    """Search the domains of a recipe's parameters for the values that validate best.

    The recipe's own values are the first trial. Each trial is what `ftr run` with the same `--set` trains; images, the
    network and frozen features are shared. The test images are never looked at. Ctrl-C, or a kill, loses no finished
    trial: --resume goes on. Several processes may work on one study.

    With --sampler pbt a population trains instead, whose members exchange weights and change parameters between epochs
    (population-based training). With --policy steps of `augment` are searched, by networks that were trained without a
    fold, and validation decides.
    """
    began = time.monotonic()
    if resumed is not None and (storage or out):
        raise click.UsageError("--resume names the study's folder; --out and --storage belong to a new one")
    if name is not None and storage is None:
        raise click.UsageError("--study belongs to --storage: a folder has one study")
    if storage is not None and out is not None:
        raise click.UsageError("--out and --storage exclude each other: the study is kept in one place")
    if written is not None:
        refuse_unwritable(written, force)
    refuse_standard_input(given.recipe)
    options = given.as_it_began(context, resumed) if resumed is not None else given.options()
    if policy or options.sampler in (POPULATION, POLICY):
        if given.trials or given.pruner or storage or name:
            raise click.UsageError("a population, and a policy, have no --trials, --pruner, --storage or --study")
        if policy and given.sampler == POPULATION or not policy and options.sampler == POLICY and (members or epochs):
            raise click.UsageError("--policy has no --sampler, --members or --interval")
        options = replace(options, sampler=POLICY) if policy else options
        place = SearchPlace(resumed or out, resumed is not None, runs, written)
        return search_otherwise(options, replace(place, seconds=seconds, quiet=quiet), members, epochs, threads, debug)
    if members or epochs:
        raise click.UsageError("--members and --interval belong to --sampler pbt")
    if options.trials is None and seconds is None:
        raise click.UsageError('say how long to search: --trials 30, or --for "2 hours"')
    with mxnet(threads, debug):
        with first_words(Path(options.recipe), quiet) as say:
            say("loading MXNet")
            from runtime.backend.device import device_context
            from runtime.reporting.progress import Display
            from runtime.reporting.study import StudyDisplay, study_summary
            from runtime.system.signals import stop_signal
            from runtime.training.stage import Interrupted
            from runtime.workflows.preparation import prepare
            from runtime.workflows.tune.folder import JOURNAL, new_folder
            from runtime.workflows.tune.search import Limits, search
            from runtime.workflows.tune.space import not_comparable
            from runtime.workflows.tune.tune import Choices, begin, check_choices

            device_context(runs.device)
            say("listing the images")
            root = Path(options.data_root) if options.data_root else None
            prepared = prepare(from_here(options.recipe), options.settings, root, options.outside)
        choices = Choices(options.metrics, options.sampler, options.pruner, options.seed)
        check_choices(prepared, choices)
        refuse_searched(written, prepared)
        tell_images(prepared, is_advised=not quiet)
        if not quiet:
            with surviving(sys.stderr):
                show_problems(prepared.advice)
            for each in not_comparable(prepared.recipe):
                tell(f"`{each}` is not searched: it chooses the images that validate")
        folder, where = resumed, storage
        if where is None:
            folder = folder or new_folder(out, prepared.plan.name, options)
            where = str(folder / JOURNAL)
        title = name or (prepared.plan.name if storage else "study")  # a folder has one, whatever the recipe's name
        again = goes_on = shlex.join(["ftr", *context.find_root().meta[WORDS]])
        if folder is not None:
            again = goes_on = f"ftr tune --resume {shlex.quote(str(from_here(folder)))}"
            if options.trials is None and seconds is not None:  # the folder keeps no time
                goes_on += f' --for "{max(1, round(seconds))} seconds"'
        limits = Limits(options.trials, None if seconds is None else began + seconds)
        screen = console()
        with saying_how_to_go_on(goes_on), stop_signal() as signal:
            try:
                with Display(screen, time.monotonic, prepared.plan, quiet) as shown:
                    observers = (shown, partial(tell_event, False, quiet))
                    found = begin(prepared, runs, choices, where, title, signal, observers)
            except Interrupted:
                tell("interrupted before a trial began")
                tell(f"to go on: {goes_on}")
                return 128 + int(signal.number or 0)
            if len(found.study.finished()) >= (limits.trials or math.inf):
                tell(f"the study has {counted(len(found.study.finished()), 'trial')} already; --trials counts them all")
            display = StudyDisplay(screen, time.monotonic, found.study, found.objectives, limits, quiet)
            with found.trials, display:
                search(found.study, found.trials, found.objectives, limits, display, signal.should_stop)
        with surviving(sys.stdout):
            study_summary(screen, found.study, found.objectives)
        if signal.number is not None:
            tell("interrupted; the trials that are finished are kept")
            tell(f"to go on: {goes_on}")
        if written is not None:
            _write(written, Path(options.recipe), found)
        if folder is not None:
            _tell_next(found.study, again, is_written=written is not None, is_whole=signal.number is None)
    return FINE if signal.number is None else 128 + signal.number


def _tell_next(study: Study, again: str, *, is_written: bool, is_whole: bool) -> None:
    """Say how the best values of a study in a folder become a recipe, and how one that is whole gets more trials."""
    done, best = len(study.finished()), study.best()
    if not is_written and best and best[0].texts != study.own:
        tell(f"the best values as a recipe: {again} --trials {done} --write best.ftr")
    if is_whole:
        tell(f"more trials: {again} --trials {2 * max(1, done)}")


def _write(path: Path, recipe: Path, found: Search) -> None:
    """Write the recipe with the best values, and say what to do with it."""
    from runtime.runs.folder import writing
    from runtime.workflows.tune.child import child_text, write_child
    from runtime.workflows.tune.problems import NothingFound

    if not found.study.best():
        raise RecipeError(NothingFound(where=found.study.where))
    tell_changed(found.trials.prepared)
    with writing(path):
        write_child(path, child_text(path, recipe, found.trials.prepared.recipe, found.study, found.objectives))
    shown = shlex.quote(str(from_here(path)))
    is_outside = not recipe.absolute().is_relative_to(path.absolute().parent)
    echo(f"wrote {from_here(path)}: ftr run {shown}{' --allow-outside' if is_outside else ''}")
