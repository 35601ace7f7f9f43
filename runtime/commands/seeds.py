"""Runs of a recipe with several seeds, and the comparison of two recipes by such runs."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING

import click

from recipe_lang.words import counted, printable
from runtime.commands.command import FAILED, FINE, WORDS, command, console, first_words, mxnet, show_problems, tell
from runtime.commands.interruptions import left_of_several
from runtime.commands.notices import keep_lock, tell_event, tell_prepared
from runtime.commands.options import (
    DATA_ROOT,
    DEBUG,
    JSON,
    OUTSIDE,
    PATH,
    QUIET,
    RUN_SETTINGS,
    SEEDS,
    RecipeOptions,
    RunOptions,
    refuse_standard_input,
    was_given,
)
from runtime.commands.shards import threads_of
from runtime.system.files import from_here
from runtime.system.streams import surviving
from runtime.training.settings import RunSettings

if TYPE_CHECKING:
    from runtime.runs.seeds import SeedRun
    from runtime.training.events import Event, Observer, Preliminary
    from runtime.workflows.compare import Side
    from runtime.workflows.preparation import Prepared
    from runtime.workflows.seeds import SeedsFollower


def train_seeds(given: RecipeOptions, runs: RunSettings, how: RunOptions) -> int:
    """Train a recipe with several seeds, or those that are left in a folder; return the exit code."""
    from runtime.runs.seeds import read_seeds, seed_folder

    refuse_standard_input(given.recipe)
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
            first = replace(given, seed=seeds[0]).prepare(earlier=first)
        plan = SeedsPlan(replace(first.given, seed=None), seeds, runs, (CURVES,))
    if not tell_prepared(how.deny, how.quiet, first):
        return FAILED
    follower = follower_of(seeds, how.quiet, partial(tell_event, how.deny, how.quiet))
    with seeds_folder(how.resumed or how.out, plan, first, resumes=resumes) as place:
        try:
            summary = run_seeds(place, plan, first, follower)
        except Interrupted as stopped:
            with surviving(sys.stderr):
                click.echo(printable(f"interrupted{left_of_several(place)}", kept="\n"), err=True)
            return 128 + int(stopped.args[0])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(left_of_several(place)) from None
    with surviving(sys.stdout):
        show_summary(console(), summary, from_here(place))
        if not (given.settings or given.seed is not None or resumes):
            keep_lock(given.path, seed_folder(place, seeds[0]), how.quiet)
    return FAILED if any(claim["holds"] is False for claim in summary["expect"]) else FINE


@click.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--seeds", type=SEEDS, metavar="N", default=5, show_default=True, help="How many, of recipes.")
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
    from runtime.runs.seeds import is_summary

    refuse_standard_input(a, b)
    folders = [path for path in (a, b) if path.is_dir()]
    recipes = [path for path in (a, b) if path not in folders]
    if folders and was_given(context, "seeds"):
        raise click.UsageError(f"--seeds is for two recipes; {folders[0]} has runs with seeds of its own")
    if len(folders) == 1 and not is_summary(folders[0]):
        raise click.UsageError(f"{folders[0]} is a single run, {recipes[0]} a recipe: compare two recipes, or two runs")
    threads = threads or next((1 for path in recipes if threads_of(path, (), outside)), None)
    with mxnet(threads, debug):
        with first_words(a, quiet or machine) as say:
            say("loading MXNet")
            from runtime.backend.device import device_context
            from runtime.reporting.comparison import comparison_json, show_comparison
            from runtime.workflows.compare import compare as compared
            from runtime.workflows.compare import measured_answers, side_of

            where = device_context(runs.device)
            sides = {path: side_of(path) for path in folders}
            given = {path: RecipeOptions(path, (), outside, data_root) for path in recipes}
            train, read = _seeds_to_train(sides, given, (a, b), seeds, metric, runs, say) if recipes else ((), {})
        trained: dict[Path, Path] = {}
        for name, path in (("A", a), ("B", b)):
            if path in sides:
                continue
            try:
                folder = _trained(given[path], read.pop(path), train, runs, quiet or machine, f"{name}, ")
            except _InterruptedRuns as stopped:
                trained[path] = stopped.folder
                again = shlex.join(["ftr", *_comparing(context.find_root().meta[WORDS], trained)])
                told = f"interrupted{left_of_several(stopped.folder)}\nthen: {again}"
                with surviving(sys.stderr):
                    click.echo(printable(told, kept="\n"), err=True)
                return 128 + stopped.number
            trained[path] = from_here(folder)
            sides[path] = replace(side_of(folder), name=str(path))
        found = compared(sides[a], sides[b], metric, measured_answers(where, runs.workers))
    if machine:
        click.echo(json.dumps(comparison_json(found), indent=2, ensure_ascii=False))
    else:
        show_comparison(console(), found)
    return FINE


def _comparing(words: Sequence[str], trained: Mapping[Path, Path]) -> Iterator[str]:
    """Yield the words of a comparison with folders in place of the recipes that are trained; these say which seeds."""
    rest = iter(words)
    for word in rest:
        if word == "--seeds":
            next(rest)
        elif not word.startswith("--seeds="):
            yield str(trained.get(Path(word), word))


def _seeds_to_train(
    sides: Mapping[Path, Side],
    given: Mapping[Path, RecipeOptions],
    order: tuple[Path, Path],
    count: int,
    metric: str | None,
    runs: RunSettings,
    say: Callable[[str], None],
) -> tuple[tuple[int, ...], dict[Path, Prepared]]:
    """Return the seeds that recipes are trained with: those of a folder that is one side, or `count` from A's on.

    The recipes come along as they were read, which is how they are trained, whatever their files say by then.

    What can be known to be wrong with either, and with comparing them, is told here: training is long.

    Raises:
        RecipeError: something is.
    """
    from runtime.system.cache.disk import user_cache
    from runtime.workflows.compare import contender, refuse_ahead, untrained
    from runtime.workflows.seeds import seeds_from

    seeds = next((tuple(run.seed for run in side.runs) for side in sides.values()), ())
    contenders = []
    read = {}
    for path in order:
        if path in sides:
            contenders.append(contender(sides[path]))
            continue
        read[path] = prepared = replace(given[path], seed=seeds[0] if seeds else None).prepare(say)
        seeds = seeds or seeds_from(prepared.plan.seed, count)
        contenders.append(untrained(str(path), prepared, runs.workers, user_cache() if runs.cache else None))
    say("comparing their images")
    refuse_ahead(contenders[0], contenders[1], metric)
    return seeds, read


@dataclass(eq=False)
class _InterruptedRuns(Exception):  # noqa: N818 - not an error, as `Interrupted`
    """Several runs that a signal ended, and their folder."""

    number: int
    folder: Path


def _trained(
    given: RecipeOptions, read: Prepared, seeds: tuple[int, ...], runs: RunSettings, quiet: bool, name: str
) -> Path:
    """Train a recipe, as it was read, with seeds; return the folder of the runs.

    Raises:
        RecipeError: it cannot be trained.
        _InterruptedRuns: a signal ended it; what there is can be resumed.
    """
    from runtime.reporting.curves import CURVES
    from runtime.training.stage import Interrupted
    from runtime.workflows.seeds import SeedsPlan, run_seeds, seeds_folder

    first = replace(given, seed=seeds[0]).prepare(earlier=read)
    if not quiet:
        show_problems(first.advice)
    plan = SeedsPlan(replace(first.given, seed=None), seeds, runs, (CURVES,))
    with seeds_folder(None, plan, first) as folder:
        try:
            run_seeds(folder, plan, first, follower_of(seeds, quiet, None, name))
        except (Interrupted, KeyboardInterrupt) as stopped:
            raise _InterruptedRuns(int(next(iter(stopped.args), SIGINT)), folder) from None
    if not quiet:
        tell(f"{name}{given.path.name}: {counted(len(seeds), 'run')} in {from_here(folder)}")
    return folder


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
