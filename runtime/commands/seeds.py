"""Runs of a recipe with several seeds, and the comparison of two recipes by such runs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.words import counted, printable
from runtime.commands.command import FAILED, FINE, command, console, first_words, mxnet, show_problems, tell
from runtime.commands.notices import keep_lock, tell_event, tell_prepared
from runtime.commands.options import (
    DATA_ROOT,
    DEBUG,
    JSON,
    OUTSIDE,
    PATH,
    QUIET,
    RUN_SETTINGS,
    RecipeOptions,
    RunOptions,
    was_given,
)
from runtime.system.files import from_here
from runtime.system.streams import surviving
from runtime.training.settings import RunSettings

if TYPE_CHECKING:
    from runtime.runs.seeds import SeedRun
    from runtime.training.events import Event, Observer, Preliminary
    from runtime.workflows.preparation import PrepareArguments, Prepared
    from runtime.workflows.seeds import SeedsFollower


def train_seeds(given: RecipeOptions, runs: RunSettings, how: RunOptions) -> int:
    """Train a recipe with several seeds, or those that are left in a folder; return the exit code."""
    from runtime.runs.seeds import read_seeds, seed_folder

    resumes = how.resumed is not None
    with first_words(given.path, how.quiet) as say:
        known = tuple(read_seeds(how.resumed)) if how.resumed is not None else ()
        seed = known[0] if known else given.seed
        first = replace(given, seed=seed).prepare(say)
        from runtime.reporting.curves import CURVES
        from runtime.reporting.seeds import show_summary
        from runtime.training.stage import Interrupted
        from runtime.workflows.seeds import SeedsPlan, run_seeds, seeds_folder, seeds_from

        seeds = known or seeds_from(first.plan.seed, how.seeds or 0)
        if seed is None:  # the runs are all made in the same way
            first = replace(given, seed=seeds[0]).prepare()
        plan = SeedsPlan(replace(first.given, seed=None), seeds, runs, (CURVES,))
    if not tell_prepared(how.deny, how.quiet, first):
        return FAILED
    follower = follower_of(seeds, how.quiet, partial(tell_event, how.deny, how.quiet))
    with seeds_folder(how.resumed or how.out, plan, first, resumes=resumes) as place:
        try:
            summary = run_seeds(place, plan, first, follower)
        except Interrupted as stopped:
            with surviving(sys.stderr):
                click.echo(printable(f"interrupted{_left(place)}", kept="\n"), err=True)
            return 128 + int(stopped.args[0])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_left(place)) from None
    with surviving(sys.stdout):
        show_summary(console(), summary, from_here(place))
        if not (given.settings or given.seed is not None or resumes):
            keep_lock(given.path, seed_folder(place, seeds[0]), how.quiet)
    return FAILED if any(claim["holds"] is False for claim in summary["expect"]) else FINE


@click.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--seeds", type=click.IntRange(2, 1000), default=5, show_default=True, help="How many, of recipes.")
@click.option("--metric", metavar="SET.METRIC", help="What decides; by default what is claimed, on `valid`.")
@OUTSIDE
@DATA_ROOT
@RUN_SETTINGS
@JSON
@QUIET
@DEBUG
@click.pass_context
@command
def compare(
    context: click.Context,
    a: Path,
    b: Path,
    runs: RunSettings,
    seeds: int,
    metric: str | None,
    outside: bool,
    data_root: Path | None,
    threads: int | None,
    machine: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Say whether B is better than A: two recipes, or folders of their runs.

    Recipes are trained with the same seeds, from A's on, or with those of a folder that the other is. The verdict is
    that of the 95% t interval of the differences by seed. Beside it stands for each pair of runs which images only one
    of them answers right, with McNemar's exact test.

    By default the metric is measured on validation: settings are chosen there, never on test. `--metric test.accuracy`
    says how good a choice is.
    """
    from runtime.runs.seeds import is_summary, read_seeds

    folders = [path for path in (a, b) if path.is_dir()]
    if folders and was_given(context, "seeds"):
        raise click.UsageError(f"--seeds is for two recipes; {folders[0]} has runs with seeds of its own")
    if len(folders) == 1 and not is_summary(folders[0]):
        other = b if folders[0] == a else a
        raise click.UsageError(f"{folders[0]} is a single run, {other} a recipe: compare two recipes, or two runs")
    known = next((tuple(read_seeds(path)) for path in folders if is_summary(path)), ())
    with mxnet(threads, debug):
        with first_words(a, quiet or machine) as say:
            say("loading MXNet")
            from runtime.backend.device import device_context
            from runtime.reporting.comparison import comparison_json, show_comparison
            from runtime.training.stage import Interrupted
            from runtime.workflows.compare import compare as compared
            from runtime.workflows.compare import measured_answers, side_of
            from runtime.workflows.preparation import PrepareArguments, listed

        for path in (a, b):  # what is wrong with B is told before A is trained
            if not path.is_dir():
                listed(path, (), data_root, outside)
        where = device_context(runs.device)
        sides = []
        for name, path in (("A", a), ("B", b)):
            if path.is_dir():
                sides.append(side_of(path))
                continue
            given = PrepareArguments(path, (), data_root, outside)
            try:
                folder, known = _trained(given, known, seeds, runs, quiet or machine, f"{name}, ")
            except Interrupted as stopped:
                tell("interrupted")
                return 128 + int(stopped.args[0])
            sides.append(replace(side_of(folder), name=str(path)))
        found = compared(sides[0], sides[1], metric, measured_answers(where, runs.workers))
    if machine:
        click.echo(json.dumps(comparison_json(found), indent=2, ensure_ascii=False))
    else:
        show_comparison(console(), found)
    return FINE


def _trained(
    given: PrepareArguments, seeds: tuple[int, ...], count: int, settings: RunSettings, quiet: bool, name: str
) -> tuple[Path, tuple[int, ...]]:
    """Train a recipe with seeds, or where there are none yet with `count` from its own on; return folder and seeds.

    Raises:
        RecipeError: it cannot be trained.
        Interrupted: a signal ended it; what there is can be resumed.
    """
    from runtime.reporting.curves import CURVES
    from runtime.runs.writer import how_to_resume
    from runtime.training.stage import Interrupted
    from runtime.workflows.preparation import prepare
    from runtime.workflows.seeds import SeedsPlan, run_seeds, seeds_folder, seeds_from

    if not seeds:
        first = prepare(given.path, given.settings, given.data_root, given.outside)
        seeds = seeds_from(first.plan.seed, count)
    first = prepare(given.path, given.settings, given.data_root, given.outside, seed=seeds[0])
    if not quiet:
        show_problems(first.advice)
    plan = SeedsPlan(replace(first.given, seed=None), seeds, settings, (CURVES,))
    with seeds_folder(None, plan, first) as folder:
        try:
            run_seeds(folder, plan, first, follower_of(seeds, quiet, None, name))
        except Interrupted:
            tell(how_to_resume(folder))
            raise
    if not quiet:
        tell(f"{name}{given.path.name}: {counted(len(seeds), 'run')} in {from_here(folder)}")
    return folder, seeds


def _left(folder: Path) -> str:
    """Say what an interruption leaves of several runs, and how they go on."""
    from runtime.runs.seeds import finished_runs, read_seeds
    from runtime.runs.writer import how_to_resume

    done, seeds = len(finished_runs(folder)), len(read_seeds(folder))
    return f"; {folder} keeps {done} of {counted(seeds, 'run')}, and the checkpoints of the one that ran\n" + (
        how_to_resume(folder)
    )


def follower_of(seeds: tuple[int, ...], quiet: bool, hear: Observer | None, name: str = "") -> SeedsFollower:
    """Return what shows the runs of several seeds: each as a run, a line at its beginning, and one at its end.

    `hear` hears of the events of the first; `name` is the recipe's, where there are others.
    """
    from runtime.reporting.progress import Display
    from runtime.workflows.seeds import SeedsFollower

    screen = console()

    @contextmanager
    def watched(seed: int, prepared: Prepared) -> Iterator[Observer]:
        position = seeds.index(seed)
        label = f"{name}seed {seed} ({position + 1} of {len(seeds)})"
        if not quiet:
            with surviving(screen.file):
                screen.print(label, style="bold")
        with Display(screen, time.monotonic, prepared.plan, quiet, label) as display:

            def observe(event: Preliminary | Event) -> None:
                display(event)
                if hear is not None and position == 0:
                    hear(event)

            yield observe

    def ended(run: SeedRun) -> None:
        if not quiet:
            from runtime.reporting.seeds import run_line

            with surviving(screen.file):
                screen.print(run_line(run), highlight=False, soft_wrap=True)

    return SeedsFollower(watched, ended)
