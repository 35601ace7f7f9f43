"""The command that trains a recipe: in one process, or as a member of a group."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.words import printable
from runtime.commands.command import FAILED, FINE, WORDS, command, console, first_words, mxnet, tell
from runtime.commands.engines import GROUP_OPTIONS, Membership, in_group, refuse_strays
from runtime.commands.interruptions import Left
from runtime.commands.notices import keep_lock, tell_ending, tell_event, tell_prepared
from runtime.commands.options import (
    DATA_ROOT,
    DEBUG,
    DENY,
    OUTSIDE,
    QUIET,
    RECIPE_PATH,
    RUN_PATH,
    RUN_SETTINGS,
    SET,
    RecipeOptions,
    RunOptions,
    gathered,
    out_option,
    was_given,
)
from runtime.commands.shards import most_shards, processes_for, threads_of
from runtime.distribution.group import JOIN, GroupOptions
from runtime.distribution.heartbeat import own_name
from runtime.system.files import from_here
from runtime.system.streams import surviving
from runtime.training.settings import Interval, RunSettings

if TYPE_CHECKING:
    from runtime.runs.lock.file import Lock


class _Interval(click.ParamType[Interval]):
    """How often a checkpoint is taken."""

    name = "interval"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Interval:
        try:
            return value if isinstance(value, Interval) else Interval.of(value)
        except ValueError as error:
            self.fail(str(error), param, context)


@click.command()
@click.argument("recipe", type=RECIPE_PATH, required=False)
@SET
@OUTSIDE
@out_option("Run folder; runs/NAME-N by default.")
@DATA_ROOT
@RUN_SETTINGS
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), help="Another seed than the recipe's.")
@click.option(
    "--seeds",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Train with N seeds, from the recipe's on, and summarize the results.",
)
@click.option("--resume", "resumed", type=RUN_PATH, metavar="RUN", help="Resume the run in this folder.")
@click.option(
    "--extend",
    is_flag=True,
    help="With --resume: allow stages that are longer than before, and more of them.",
)
@click.option(
    "--checkpoint",
    "interval",
    type=_Interval(),
    default="1 minute",
    show_default=True,
    metavar="INTERVAL",
    help="How often to save a checkpoint: minutes, steps or epochs. Each stage's end is saved, too.",
)
@DENY
@click.option("--locked", is_flag=True, help="Refuse to train unless everything matches the recipe's lock.")
@QUIET
@DEBUG
@click.option("--engine", type=click.Choice(tuple(JOIN)), help="How several processes train together.")
@GROUP_OPTIONS
@gathered("given", RecipeOptions)
@gathered("how", RunOptions)
@click.pass_context
@command
def run(
    context: click.Context,
    given: RecipeOptions,
    runs: RunSettings,
    how: RunOptions,
    engine: str | None,
    group: GroupOptions,
) -> int:
    """Train a recipe and write a run folder.

    With --resume RUN, a run that was interrupted or killed continues with the options that it began with; its weights
    are those of a run that never stopped. Its recipe, or RECIPE if given, must mean the same as before.

    With --seeds N, there is a run for each of N seeds, in a folder of its own, as --seed gives it alone; their summary
    has means with 95% intervals, and claims over several seeds are tested.

    The first run that finishes writes RECIPE.lock, from which it can be reproduced. With --locked, the number of
    threads and the processor's instruction set are those of the lock.
    """
    work = partial(_run, context, given, runs, how)
    refuse_strays(engine, group)
    if engine is None:
        return work(None)
    if how.seeds is not None:
        raise click.UsageError("--engine is for a single run, not for several seeds")
    if engine == "local" and group.size is None:
        recipe = given.recipe or Path(how.resumed or ".") / "resolved.ftr"
        shards = most_shards(recipe, given.settings, given.outside)
        group = replace(group, size=processes_for(shards))
        if group.size == 1:
            lacking = "the recipe has no `shards`, such as `shards = 2` in a stage or in `defaults`"
            tell(f"one process trains: {'this machine has one core' if shards > 1 else lacking}")
            return work(None)
    return in_group(engine, group, how.debug, work)


def _run(
    context: click.Context, given: RecipeOptions, runs: RunSettings, how: RunOptions, member: Membership | None
) -> int:
    """Do the work of the command, alone or as a member of a group; return the exit code."""
    from runtime.runs.lock.file import existing_lock

    is_several = how.is_several
    if is_several and (how.locked or how.extend):
        raise click.UsageError(f"{'--locked' if how.locked else '--extend'} is for a single run, not for several seeds")
    if is_several and member is not None:
        raise click.UsageError("--engine is for a single run, not for several seeds")
    leads = member is None or member.group.leads
    if how.resumed is not None and (leads or given.recipe is None):  # the folder need not be where other workers are
        if how.out is not None:
            raise click.UsageError("--out and --resume exclude each other: the run resumes in its own folder")
        if given.seed is not None or how.seeds is not None:
            raise click.UsageError("--seed and --seeds are for runs that begin: one that resumes keeps its own")
        given, runs, how = _as_it_began(how.resumed, context, given, runs, how)
    recipe = given.path
    if how.extend and how.resumed is None:
        raise click.UsageError("--extend belongs to --resume")
    lock = existing_lock(recipe) if how.locked else None
    threads = how.threads or (lock.threads() if lock else threads_of(recipe, given.settings, given.outside))
    loaded = mxnet(threads, how.debug, lock.instructions if lock else how.instructions)
    if member is not None and not leads:
        with loaded:
            return _work(given, runs, member)
    left = Left(shlex.join(["ftr", *context.find_root().meta[WORDS]]), how.resumed)
    with left.said(), loaded:
        if is_several:
            from runtime.commands.seeds import train_seeds

            return train_seeds(given, runs, how)
        return _train(given, runs, how, lock, left, member)


def _as_it_began(
    folder: Path, context: click.Context, given: RecipeOptions, runs: RunSettings, how: RunOptions
) -> tuple[RecipeOptions, RunSettings, RunOptions]:
    """Return what a run began with, but for what the command line says.

    Without a recipe on the command line it is the file that the run began with, whose meaning must be the same; where
    there is none any more, the one in the folder.
    """
    from runtime.runs.manifest import read_manifest
    from runtime.runs.pack.file import refuse_pack
    from runtime.runs.resume import Resume, refuse_edited_copy, refuse_ended

    refuse_pack(folder, "it has no checkpoints to resume from", "`ftr run {}` trains its recipe anew")
    refuse_ended(Resume(folder, how.extend))
    began = read_manifest(folder)
    names = [name for name in ("device", "workers", "cache", "fuse") if not was_given(context, name)]
    recipe, settings = from_here(began.recipe), given.settings
    is_there = recipe.is_file()
    if given.recipe is None:
        refuse_edited_copy(folder, began, recipe if is_there else folder / "resolved.ftr")
    if given.recipe is not None or not is_there:
        recipe = given.recipe or folder / "resolved.ftr"
    else:
        settings = settings or began.settings
    root = given.data_root or (Path(began.data_root) if began.data_root else None)
    return (
        RecipeOptions(recipe, settings, given.outside or began.outside, root, began.seed),
        replace(runs, **{name: getattr(began, name) for name in names}),
        replace(how, threads=how.threads or began.threads, instructions=began.instructions),
    )


def _train(
    given: RecipeOptions,
    runs: RunSettings,
    how: RunOptions,
    lock: Lock | None,
    left: Left,
    member: Membership | None,
) -> int:
    """Train a recipe, and show how it goes; return the exit code."""
    with first_words(given.path, how.quiet) as say:
        prepared = given.prepare(say, runs.device)
        from runtime.distribution.exchange import ALONE
        from runtime.reporting.curves import CURVES
        from runtime.reporting.progress import Display, summary
        from runtime.runs.lock.facts import lock_check
        from runtime.runs.resume import Resume
        from runtime.tasks.catalog import TASKS
        from runtime.training.stage import Interrupted
        from runtime.workflows.run import run as run_prepared

        if member is not None:
            say(f"waiting for {member.group.workers} workers")
        exchange = ALONE if member is None else member.exchange()
    screen, plan = console(), prepared.plan
    if not tell_prepared(how.deny, how.quiet, prepared):
        return FAILED
    hear = (left, partial(tell_event, how.deny, how.quiet), *((member.hear,) if member else ()))
    try:
        with Display(screen, time.monotonic, plan, how.quiet) as display:
            folder, result = run_prepared(
                prepared,
                runs,
                how.out,
                resume=Resume(how.resumed, how.extend) if how.resumed is not None else None,
                observers=(display, *hear),
                should_stop=member.should_stop if member else lambda: False,
                approve=lock_check(lock),
                extras=(CURVES,),
                exchange=exchange,
            )
    except Interrupted as stopped:
        with surviving(sys.stderr):
            click.echo(printable(f"interrupted{left}", kept="\n"), err=True)  # unwrapped, with a command to copy
        return 128 + _signal(stopped.args[0], member)
    if member is not None:
        member.has_trained = True
    tell_ending(folder, result)
    if result["status"] == "interrupted":
        return 128 + _signal(result["signal"], member)
    with surviving(sys.stdout):
        summary(screen, result, from_here(folder), TASKS[plan.task].telling(plan.data.target))
        if not given.settings and given.seed is None:
            keep_lock(given.path, folder, how.quiet)
    return FAILED if any(claim["holds"] is False for claim in result["expect"]) else FINE


def _signal(number: int | None, member: Membership | None) -> int:
    """Return the signal that ended a run; it may have reached another worker."""
    return number or (member.stopped if member else None) or signal.SIGTERM


def _work(given: RecipeOptions, runs: RunSettings, member: Membership) -> int:
    """Take part in a run that another worker leads."""
    prepared = given.prepare()
    from runtime.workflows.worker import work

    group, heart = member.group, member.group.heartbeat
    work(
        prepared,
        runs,
        member.exchange(),
        own_name(),
        opened=member.opened,
        say=heart.note,
        stop=heart.stop,
        waits=group.same_machine,
    )
    member.has_trained = True
    return FINE
