"""The command that tests which learning rate a stage likes."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import click

from recipe_lang.problem import RecipeError
from runtime.commands.command import FINE, command, console, first_words, mxnet, tell
from runtime.commands.notices import tell_event, tell_images
from runtime.commands.options import (
    DEBUG,
    FILE_PATH,
    JSON,
    QUIET,
    RECIPE,
    RECIPE_OPTIONS,
    RUN_PATH,
    RUN_SETTINGS,
    RecipeOptions,
    check_folder,
    out_option,
)
from runtime.training.settings import RunSettings


@click.command("lr-find")
@RECIPE
@click.option("--stage", metavar="TITLE|N", help="The stage, by its title or its number; the first by default.")
@click.option(
    "--from",
    "run",
    type=RUN_PATH,
    metavar="RUN",
    help="Take the weights that a later stage begins with from this run; else the stages before it are trained.",
)
@out_option("Draw the curve as a PNG file, too.", FILE_PATH)
@RECIPE_OPTIONS
@RUN_SETTINGS
@QUIET
@JSON
@DEBUG
@command
def lr_find(
    given: RecipeOptions,
    runs: RunSettings,
    stage: str | None,
    run: Path | None,
    out: Path | None,
    threads: int | None,
    quiet: bool,
    machine: bool,
    debug: bool,
) -> int:
    """Suggest a learning rate for a stage of RECIPE, by a range test.

    100 steps of the stage are made while the rate grows from 1e-7 to 10; where the loss falls says which rates it
    likes. The stage begins with the weights that it would begin with in a run. No weights are kept.
    """
    if out is not None:
        check_folder("--out", out)
    with mxnet(threads, debug):
        with first_words(given.path) as say:
            prepared = given.prepare(say)
            from runtime.plan.types import as_json
            from runtime.reporting.progress import Display
            from runtime.reporting.rate_curve import draw_finding, show_finding
            from runtime.system.best_effort import attempt
            from runtime.training.problems import NotWritable
            from runtime.training.stage import Interrupted
            from runtime.workflows.lr_find import find_rates
        stages = prepared.plan.stages
        chosen = next((each for each in stages if stage in (None, each.title, str(each.position + 1))), None)
        if chosen is None:
            names = ", ".join(each.name for each in stages)
            raise click.UsageError(f"there is no stage `{stage}`; the recipe has {names}")
        if run is not None and chosen.position == 0:
            raise click.UsageError(
                f"--from belongs to a later stage: {chosen.name} begins with the weights of the base"
            )
        tell_images(prepared, is_advised=False)
        is_quiet = quiet or machine
        try:
            with (
                first_words(given.path, is_quiet) as say,
                Display(console(), time.monotonic, prepared.plan, is_quiet) as shown,
            ):
                observers = (shown, partial(tell_event, False, is_quiet))

                def told(doing: str) -> None:
                    shown.clear()
                    say(doing)

                finding = find_rates(prepared, runs, chosen, run, observers, told)
        except Interrupted as stopped:
            tell("interrupted: nothing was kept")
            return 128 + int(stopped.args[0])
        if machine:
            curve = finding.curve
            found = {**as_json(finding), "suggestions": curve.suggestions(), "fall": curve.fall}
            found |= {"valley": curve.has_valley, "smoothed": curve.smoothed, "stage": chosen.name}
            click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            show_finding(console(), finding, len(stages))
        if out is not None:
            if reason := attempt(lambda: draw_finding(out, finding, prepared.plan.name)):
                raise RecipeError(NotWritable(path=str(out), reason=reason))
            tell(f"drawn: {out}")
    return FINE
