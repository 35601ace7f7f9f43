"""The command that shows what a run would do."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.problem import ordered
from runtime.commands.command import FAILED, FINE, command, console, first_words, mxnet, show_problems
from runtime.commands.notices import tell_images
from runtime.commands.options import DEBUG, DENY, JSON, RECIPE, RECIPE_OPTIONS, RUN_SETTINGS, RecipeOptions
from runtime.commands.shards import threads_of
from runtime.training.settings import RunSettings

if TYPE_CHECKING:
    from runtime.workflows.cost.probe import Probe
    from runtime.workflows.preparation import Prepared


@click.command()
@RECIPE
@RECIPE_OPTIONS
@click.option("--all", "everything", is_flag=True, help="Show every value, and where it comes from.")
@click.option("--probe", "measured", is_flag=True, help="Measure on a few batches what the run will cost.")
@RUN_SETTINGS
@DENY
@JSON
@DEBUG
@command
def plan(
    given: RecipeOptions,
    runs: RunSettings,
    everything: bool,
    measured: bool,
    threads: int | None,
    deny: bool,
    machine: bool,
    debug: bool,
) -> int:
    """Show what a run would do, without training.

    With --probe a few batches of each stage are run to measure time and memory; the options from --device to
    --no-fuse are those of `ftr run`. Nothing is written.
    """
    began = time.monotonic()
    with mxnet(threads or threads_of(given.path, given.settings, given.outside), debug):
        with first_words(given.path) as say:
            prepared = given.prepare(say)
            from runtime.compile.image_advice import files_advice
            from runtime.reporting.plan import show_plan, show_values
            from runtime.reporting.plan_summary import show_summary

            say("looking for files without an image, and for copies in two sets")
            told = files_advice(prepared.recipe, prepared.listings, max(1, runs.workers))
            prepared = replace(prepared, advice=tuple(ordered((*prepared.advice, *told))))
        if deny or not machine:
            show_problems(prepared.advice)
        tell_images(prepared, is_advised=deny or not machine)
        cost = None
        if measured:
            from runtime.workflows.cost.probe import probe

            with first_words(given.path) as say:
                say("measuring a few batches")
                cost = probe(prepared, runs, time.monotonic() - began)
        if machine:
            click.echo(json.dumps(_as_json(prepared, cost), indent=2, ensure_ascii=False))
        elif everything:
            show_plan(console(), prepared.plan, cost)
            show_values(console(), prepared.recipe)
        else:
            show_summary(console(), prepared.plan, prepared.recipe, cost)
    return FAILED if deny and prepared.advice else FINE


def _as_json(prepared: Prepared, cost: Probe | None) -> dict[str, Any]:
    """Return a plan, the values of its recipe, and what is said of its images, as plain values."""
    from recipe_lang.output.resolved import values_with_places
    from runtime.plan.types import as_json
    from runtime.vocabulary import VOCABULARY

    values = list(values_with_places(prepared.recipe, VOCABULARY))
    found = {**as_json(prepared.plan), "values": values, "passed_over": prepared.passed_over()}
    found |= {"notes": prepared.notes} if prepared.notes else {}
    return found | ({"probe": as_json(cost)} if cost is not None else {})
