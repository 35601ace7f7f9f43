"""Runs of a recipe with several seeds, and the comparison of two recipes by such runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.words import counted, printable
from runtime.commands.command import FAILED, FINE, console, first_words
from runtime.system.files import from_here
from runtime.system.streams import surviving
from runtime.training.settings import RunSettings

if TYPE_CHECKING:
    from runtime.runs.seeds import SeedRun
    from runtime.training.events import Event, Observer, Preliminary
    from runtime.workflows.preparation import PrepareArguments, Prepared
    from runtime.workflows.seeds import SeedsFollower


def train_seeds(
    recipe: PrepareArguments,
    count: int | None,
    settings: RunSettings,
    folder: Path | None,
    *,
    resumes: bool,
    quiet: bool,
    before: Callable[[Prepared], bool],
    tell: Observer,
    after: Callable[[Path], None],
) -> int:
    """Train a recipe with several seeds, or those that are left in a folder; return the exit code.

    `before` says what is known of the first run, and whether it may run; `tell` hears of its events, and `after` of its
    folder when all have ended.
    """
    with first_words(recipe.path, quiet) as say:
        say("loading MXNet")
        from runtime.reporting.curves import CURVES
        from runtime.reporting.seeds import show_summary
        from runtime.runs.seeds import read_seeds, seed_folder
        from runtime.training.stage import Interrupted
        from runtime.workflows.preparation import prepare
        from runtime.workflows.seeds import SeedsPlan, run_seeds, seeds_folder, seeds_from

        say("listing the images")
        known = tuple(read_seeds(folder)) if resumes and folder is not None else ()
        seed = known[0] if known else recipe.seed
        first = prepare(recipe.path, recipe.settings, recipe.data_root, recipe.outside, seed)
        seeds = known or seeds_from(first.plan.seed, count or 0)
        if seed is None:  # the runs are all made in the same way
            first = prepare(recipe.path, recipe.settings, recipe.data_root, recipe.outside, seeds[0])
        plan = SeedsPlan(replace(first.given, seed=None), seeds, settings, (CURVES,))
    if not before(first):
        return FAILED
    with seeds_folder(folder, plan, first, resumes=resumes) as place:
        try:
            summary = run_seeds(place, plan, first, follower_of(seeds, quiet, tell))
        except Interrupted as stopped:
            with surviving(sys.stderr):
                click.echo(printable(f"interrupted{_left(place)}", kept="\n"), err=True)
            return 128 + int(stopped.args[0])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_left(place)) from None
    with surviving(sys.stdout):
        show_summary(console(), summary, from_here(place))
        after(seed_folder(place, seeds[0]))
    return FAILED if any(claim["holds"] is False for claim in summary["expect"]) else FINE


def _left(folder: Path) -> str:
    """Say what an interruption leaves of several runs, and how they go on."""
    from runtime.runs.seeds import finished_runs, read_seeds
    from runtime.runs.writer import how_to_resume

    done, seeds = len(finished_runs(folder)), len(read_seeds(folder))
    return f"; {folder} keeps {done} of {counted(seeds, 'run')}, and the checkpoints of the one that ran\n" + (
        how_to_resume(folder)
    )


def follower_of(seeds: tuple[int, ...], quiet: bool, tell: Observer | None, name: str = "") -> SeedsFollower:
    """Return what shows the runs of several seeds: each as a run, a line at its beginning, and one at its end.

    `tell` hears of the events of the first; `name` is the recipe's, where there are others.
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
                if tell is not None and position == 0:
                    tell(event)

            yield observe

    def ended(run: SeedRun) -> None:
        if not quiet:
            from runtime.reporting.seeds import run_line

            with surviving(screen.file):
                screen.print(run_line(run), highlight=False, soft_wrap=True)

    return SeedsFollower(watched, ended)
