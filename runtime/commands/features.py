"""The command that computes frozen features ahead of a run."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

from recipe_lang.words import counted
from runtime.commands.command import FAILED, FINE, command, console, echo, first_words, mxnet, tell
from runtime.commands.notices import tell_event, tell_images
from runtime.commands.options import (
    DEBUG,
    FUSE,
    QUIET,
    RECIPE,
    RECIPE_OPTIONS,
    THREADS,
    WORKERS,
    RecipeOptions,
    gathered,
)
from runtime.training.settings import RunSettings

if TYPE_CHECKING:
    from runtime.workflows.features.fill import StageFeatures


@click.command()
@RECIPE
@click.option("--engine", type=click.Choice(["ray"]), help="What computes them: a Ray cluster; else this process.")
@click.option(
    "--address", metavar="HOST:PORT", envvar="RAY_ADDRESS", help="Where the cluster is; RAY_ADDRESS otherwise."
)
@RECIPE_OPTIONS
@gathered("runs", RunSettings, THREADS, WORKERS, FUSE)
@QUIET
@DEBUG
@command
def features(
    given: RecipeOptions,
    runs: RunSettings,
    engine: str | None,
    address: str | None,
    threads: int | None,
    quiet: bool,
    debug: bool,
) -> int:
    """Compute the frozen features of RECIPE into the cache, so that its runs find them.

    With --engine ray the machines of a Ray cluster compute them, which must have the instructions, threads and versions
    of this one. Each gets its images as bytes; the rows come back into the cache here.
    """
    if engine is not None and not address:
        raise click.UsageError("--engine ray needs --address HOST:PORT of a cluster")
    if engine is None and address and click.get_current_context().get_parameter_source("address").name == "COMMANDLINE":  # type: ignore[union-attr]
        raise click.UsageError("--address belongs to --engine ray")
    with mxnet(threads, debug):
        with first_words(given.path, quiet) as say:
            prepared = given.prepare(say)
            from runtime.reporting.progress import Display
            from runtime.training.stage import Interrupted
            from runtime.workflows.features.fill import compute_features, here
            from runtime.workflows.features.ray_engine import cluster
        tell_images(prepared, is_advised=False)
        try:
            with (
                cluster(address) if engine and address else nullcontext(here) as computing,
                first_words(given.path, quiet) as say,
                Display(console(), time.monotonic, prepared.plan, quiet) as shown,
            ):
                observers = (shown, partial(tell_event, False, quiet))
                found = compute_features(prepared, runs, computing, observers, say)
        except Interrupted as stopped:
            tell("interrupted; the cache keeps the rows that were done")
            return 128 + int(stopped.args[0])
        for each in found:
            echo(_said(each))
    return FINE if all(each.is_whole for each in found) else FAILED


def _said(done: StageFeatures) -> str:
    """Say what was done for a stage."""
    from runtime.reporting.plan import duration

    if not done.rows:
        return f"{done.stage.name}: nothing to compute ahead: {done.left_out}"
    left_out = f"; {done.left_out}" if done.left_out else ""
    size = f" of {done.row_bytes:,} bytes, {done.rows * done.row_bytes / 1e6:,.1f} MB" if done.row_bytes else ""
    work = f"{done.computed:,} computed in {duration(done.seconds)}" if done.computed else "all were cached already"
    return f"{done.stage.name}: {counted(done.rows, 'row')}{size}; {work}{left_out}"
