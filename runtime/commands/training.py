"""The commands that compile a recipe and train it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtime.commands.command import (
    CACHE,
    DATA_ROOT,
    DEBUG,
    DENY,
    DEVICE,
    FAILED,
    FINE,
    FUSE,
    JSON,
    OUTSIDE,
    RECIPE,
    SET,
    THREADS,
    WORKERS,
    command,
    console,
    mxnet,
    show_problems,
)
from runtime.output import going_on, printable

if TYPE_CHECKING:
    from runtime.run_problems import OutOfMemory


@click.command()
@RECIPE
@SET
@OUTSIDE
@DATA_ROOT
@click.option("--probe", "measured", is_flag=True, help="Measure on a few batches what the run will cost.")
@DEVICE
@THREADS
@WORKERS
@CACHE
@FUSE
@DENY
@JSON
@DEBUG
@command
def plan(
    recipe: Path,
    settings: tuple[str, ...],
    outside: bool,
    data_root: Path | None,
    measured: bool,
    device: str,
    threads: int | None,
    workers: int,
    cache: bool,
    fuse: bool,
    deny: bool,
    machine: bool,
    debug: bool,
) -> int:
    """Show what a run would do, without training.

    With --probe a few batches are run for each stage, with the options from --device to --no-fuse as `ftr run` has
    them: how long it takes, and how much memory. Nothing is written.
    """
    began = time.monotonic()
    with mxnet(threads, debug):
        from recipe_lang.printer import values_with_places
        from runtime.plan import as_json
        from runtime.plan_view import show_plan, show_values
        from runtime.running import prepare
        from runtime.vocabulary import VOCABULARY

        prepared = prepare(recipe, settings, data_root, outside)
        if prepared.advice and (deny or not machine):
            show_problems(prepared.advice)
        cost = None
        if measured:
            from runtime.finished import RunSettings
            from runtime.probe import probe

            cost = probe(prepared, RunSettings(device, workers, cache, fuse), time.monotonic() - began)
        if machine:
            added = {"values": list(values_with_places(prepared.recipe, VOCABULARY))}
            added |= {"probe": as_json(cost)} if cost is not None else {}
            click.echo(json.dumps({**as_json(prepared.plan), **added}, indent=2, ensure_ascii=False))
        else:
            show_plan(console(), prepared.plan, cost)
            show_values(console(), prepared.recipe)
    return FAILED if deny and prepared.advice else FINE


@click.command()
@RECIPE
@SET
@OUTSIDE
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; runs/NAME-N by default.")
@DATA_ROOT
@DEVICE
@THREADS
@WORKERS
@CACHE
@FUSE
@DENY
@click.option("--quiet", is_flag=True, help="Print the summary only.")
@DEBUG
@command
def run(
    recipe: Path,
    settings: tuple[str, ...],
    outside: bool,
    out: Path | None,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    cache: bool,
    fuse: bool,
    deny: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Train a recipe and leave a run folder."""
    with mxnet(threads, debug):
        from runtime.display import Display, summary
        from runtime.finished import RunSettings
        from runtime.running import device_context, prepare
        from runtime.running import run as run_prepared
        from runtime.train import Interrupted

        screen = console()
        device_context(device)  # before the images are listed: it costs nothing to know
        prepared = prepare(recipe, settings, data_root, outside)
        _note_memory(prepared.out_of_memory())
        if prepared.advice and (deny or not quiet):
            with going_on(sys.stderr):
                show_problems(prepared.advice)
            if deny:
                return FAILED
        try:
            with Display(screen, time.monotonic, prepared.plan, quiet) as display:
                folder, result = run_prepared(prepared, RunSettings(device, workers, cache, fuse), out, display)
        except Interrupted as stopped:
            with going_on(sys.stderr):
                click.echo("interrupted before the training began; there is no run folder", err=True)
            return 128 + int(stopped.args[0])
        with going_on(sys.stderr):
            for name, reason in result["skipped_images"]:
                click.echo(f"skipped {printable(name)}: {reason}", err=True)
            if result["status"] == "interrupted":
                click.echo(f"interrupted; {folder}/model.params has {result['weights']}", err=True)
        if result["status"] == "interrupted":
            return 128 + int(result["signal"])
        with going_on(sys.stdout):
            summary(screen, result, folder)
        return FINE if all(claim["holds"] for claim in result["expect"]) else FAILED


def _note_memory(problem: OutOfMemory) -> None:
    """Leave with the parent what it says when the system kills the run."""
    from runtime.guard import note

    note(batch=problem.batch, fits=problem.fits)
    if problem.span is not None:
        source = problem.span.source
        note(name=source.name, text=source.text, batch_at=(problem.span.start, problem.span.end))
