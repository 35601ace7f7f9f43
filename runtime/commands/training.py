"""The commands that compile a recipe and train it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from runtime.commands.command import (
    DATA_ROOT,
    DEBUG,
    DEVICE,
    FAILED,
    FINE,
    JSON,
    RECIPE,
    SET,
    THREADS,
    WORKERS,
    command,
    console,
    mxnet,
    show_problems,
)


@click.command()
@RECIPE
@SET
@DATA_ROOT
@JSON
@DEBUG
@command
def plan(recipe: Path, settings: tuple[str, ...], data_root: Path | None, machine: bool, debug: bool) -> int:
    """Show what a run would do, without training."""
    with mxnet(debug=debug):
        from runtime.plan import as_json as plan_json
        from runtime.plan_view import show_plan
        from runtime.running import prepare

        prepared = prepare(recipe, settings, data_root)
        if machine:
            click.echo(json.dumps(plan_json(prepared.plan), indent=2, ensure_ascii=False))
        else:
            if prepared.recipe.advice:
                show_problems(prepared.recipe.advice)
            show_plan(console(), prepared.plan)
    return FINE


@click.command()
@RECIPE
@SET
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; runs/NAME-N by default.")
@DATA_ROOT
@DEVICE
@THREADS
@WORKERS
@click.option("--quiet", is_flag=True, help="Print the summary only.")
@DEBUG
@command
def run(
    recipe: Path,
    settings: tuple[str, ...],
    out: Path | None,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    quiet: bool,
    debug: bool,
) -> int:
    """Train a recipe and leave a run folder."""
    with mxnet(threads, debug):
        from runtime.display import Display, summary
        from runtime.finished import RunSettings
        from runtime.running import prepare
        from runtime.running import run as run_prepared
        from runtime.train import Interrupted

        screen = console()
        prepared = prepare(recipe, settings, data_root)
        if prepared.recipe.advice:
            show_problems(prepared.recipe.advice)
        try:
            with Display(screen, time.monotonic, prepared.plan, quiet) as display:
                folder, result = run_prepared(prepared, RunSettings(device, workers), out, display)
        except Interrupted as stopped:
            click.echo("interrupted before the training began; there is no run folder", err=True)
            return 128 + int(stopped.args[0])
        for name, reason in result["skipped_images"]:
            click.echo(f"skipped {name}: {reason}", err=True)
        if result["status"] == "interrupted":
            click.echo(f"interrupted; {folder}/model.params has {result['weights']}", err=True)
            return 128 + int(result["signal"])
        summary(screen, result, folder)
        return FINE if all(claim["holds"] for claim in result["expect"]) else FAILED
