"""The commands that compile a recipe and train it."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.problem import Problem, RecipeError, ordered
from recipe_lang.words import counted, printable
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
    QUIET,
    RECIPE,
    RECIPE_PATH,
    RUN_PATH,
    SET,
    THREADS,
    WORDS,
    WORKERS,
    command,
    console,
    first_words,
    mxnet,
    out_option,
    show_problems,
    tell,
    was_given,
)
from runtime.commands.engines import Membership, group_options, in_group, refuse_strays
from runtime.commands.shards import most_shards, processes_for, threads_of
from runtime.distribution.group import JOIN, GroupOptions
from runtime.distribution.heartbeat import Address, own_name
from runtime.system.files import from_here
from runtime.system.streams import surviving
from runtime.training.settings import Interval, RunSettings

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.training.events import Event, Preliminary
    from runtime.workflows.preparation import Prepared


@click.command()
@RECIPE
@SET
@OUTSIDE
@DATA_ROOT
@click.option("--all", "everything", is_flag=True, help="Show every value, and where it comes from.")
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
    everything: bool,
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

    With --probe a few batches of each stage are run to measure time and memory; the options from --device to
    --no-fuse are those of `ftr run`. Nothing is written.
    """
    began = time.monotonic()
    with mxnet(threads or threads_of(recipe, settings, outside), debug):
        with first_words(recipe) as say:
            say("loading MXNet")
            from recipe_lang.output.resolved import values_with_places
            from runtime.compile.image_advice import files_advice
            from runtime.plan.types import as_json
            from runtime.reporting.plan import show_plan, show_values
            from runtime.reporting.plan_summary import show_summary
            from runtime.vocabulary import VOCABULARY
            from runtime.workflows.preparation import prepare

            say("listing the images")
            prepared = prepare(recipe, settings, data_root, outside)
            say("looking for files without an image, and for copies in two sets")
            told = files_advice(prepared.recipe, prepared.listings, max(1, workers))
            prepared = replace(prepared, advice=tuple(ordered((*prepared.advice, *told))))
        if prepared.advice and (deny or not machine):
            show_problems(prepared.advice)
        tell_images(prepared, is_advised=deny or not machine)
        cost = None
        if measured:
            from runtime.workflows.cost.probe import probe

            with first_words(recipe) as say:
                say("measuring a few batches")
                cost = probe(prepared, RunSettings(device, workers, cache, fuse), time.monotonic() - began)
        if machine:
            values = list(values_with_places(prepared.recipe, VOCABULARY))
            added: dict[str, Any] = {"values": values, "passed_over": prepared.passed_over()}
            added |= {"notes": prepared.notes} if prepared.notes else {}
            added |= {"probe": as_json(cost)} if cost is not None else {}
            click.echo(json.dumps({**as_json(prepared.plan), **added}, indent=2, ensure_ascii=False))
        elif everything:
            show_plan(console(), prepared.plan, cost)
            show_values(console(), prepared.recipe)
        else:
            show_summary(console(), prepared.plan, prepared.recipe, cost)
    return FAILED if deny and prepared.advice else FINE


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
@DEVICE
@THREADS
@WORKERS
@CACHE
@FUSE
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
@group_options
@click.pass_context
@command
def run(
    context: click.Context,
    recipe: Path | None,
    settings: tuple[str, ...],
    outside: bool,
    out: Path | None,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    cache: bool,
    fuse: bool,
    seed: int | None,
    seeds: int | None,
    resumed: Path | None,
    extend: bool,
    interval: Interval,
    deny: bool,
    locked: bool,
    quiet: bool,
    debug: bool,
    engine: str | None,
    role: str | None,
    root: Address | None,
    size: int | None,
    rank: int | None,
) -> int:
    """Train a recipe and write a run folder.

    With --resume RUN, a run that was interrupted or killed continues with the options that it began with; its weights
    are those of a run that never stopped. Its recipe, or RECIPE if given, must mean the same as before.

    With --seeds N, there is a run for each of N seeds, in a folder of its own, as --seed gives it alone; their summary
    has means with 95% intervals, and claims over several seeds are tested.

    The first run that finishes writes RECIPE.lock, from which it can be reproduced. With --locked, the number of
    threads and the processor's instruction set are those of the lock.
    """
    said = (context, recipe, settings, outside, out, data_root, device, threads, workers, cache, fuse)
    work = partial(_run, *said, resumed, extend, interval, deny, locked, quiet, debug, seed, seeds)
    options = GroupOptions(role, root, size, rank)
    refuse_strays(engine, options)
    if engine is None:
        return work(None)
    if seeds is not None:
        raise click.UsageError("--engine is for a single run, not for several seeds")
    if engine == "local" and options.size is None:
        shards = most_shards(recipe or Path(resumed or ".") / "resolved.ftr", settings, outside)
        options = replace(options, size=processes_for(shards))
        if options.size == 1:
            lacking = "the recipe has no `shards`, such as `shards = 2` in a stage or in `defaults`"
            tell(f"one process trains: {'this machine has one core' if shards > 1 else lacking}")
            return work(None)
    return in_group(engine, options, debug, work)


def _run(
    context: click.Context,
    recipe: Path | None,
    settings: tuple[str, ...],
    outside: bool,
    out: Path | None,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    cache: bool,
    fuse: bool,
    resumed: Path | None,
    extend: bool,
    interval: Interval,
    deny: bool,
    locked: bool,
    quiet: bool,
    debug: bool,
    seed: int | None,
    seeds: int | None,
    member: Membership | None,
) -> int:
    from runtime.runs.lock.file import existing_lock
    from runtime.runs.seeds import is_summary

    runs = RunSettings(device, workers, cache, fuse, interval)
    where = _Where(recipe, settings, outside, data_root, runs, threads, seed=seed)
    several = seeds is not None or (resumed is not None and is_summary(resumed))
    if several and (locked or extend):
        raise click.UsageError(f"{'--locked' if locked else '--extend'} is for a single run, not for several seeds")
    if several and member is not None:
        raise click.UsageError("--engine is for a single run, not for several seeds")
    leads = member is None or member.group.leads
    if resumed is not None and (leads or recipe is None):  # the folder need not be where the other workers are
        if out is not None:
            raise click.UsageError("--out and --resume exclude each other: the run resumes in its own folder")
        if seed is not None or seeds is not None:
            raise click.UsageError("--seed and --seeds are for runs that begin: one that resumes keeps its own")
        where = where.as_it_began(resumed, extend, context)
    elif recipe is None:
        raise click.UsageError("Missing argument 'RECIPE'.")
    elif extend and resumed is None:
        raise click.UsageError("--extend belongs to --resume")
    assert where.recipe is not None
    lock = existing_lock(where.recipe) if locked else None
    threads = where.threads or (lock.threads() if lock else threads_of(where.recipe, where.settings, where.outside))
    if member is not None and not leads:
        return _work(where, threads, debug, lock.instructions if lock else where.instructions, member)
    left = _Left(shlex.join(["ftr", *context.find_root().meta[WORDS]]), resumed)
    with left.said(), mxnet(threads, debug, lock.instructions if lock else where.instructions):
        if several:
            return _train_seeds(where, seeds, out, resumed, deny, quiet)
        with first_words(where.recipe, quiet) as say:
            say("loading MXNet")
            from runtime.backend.device import device_context
            from runtime.distribution.exchange import ALONE
            from runtime.reporting.curves import CURVES
            from runtime.reporting.progress import Display, summary
            from runtime.runs.lock.facts import lock_check
            from runtime.runs.resume import Resume
            from runtime.tasks.catalog import TASKS
            from runtime.training.stage import Interrupted
            from runtime.workflows.preparation import prepare
            from runtime.workflows.run import run as run_prepared

            device_context(where.runs.device)  # before the images are listed: it costs nothing to know
            say("listing the images")
            prepared = prepare(where.recipe, where.settings, where.data_root, where.outside, seed=where.seed)
            if member is not None:
                say(f"waiting for {member.group.workers} workers")
            exchange = ALONE if member is None else member.exchange()
        screen = console()
        if not _tell_prepared(deny, quiet, prepared):
            return FAILED
        try:
            with Display(screen, time.monotonic, prepared.plan, quiet) as display:
                folder, result = run_prepared(
                    prepared,
                    where.runs,
                    out,
                    resume=Resume(resumed, extend) if resumed is not None else None,
                    observers=(display, left, partial(tell_event, deny, quiet), *((member.hear,) if member else ())),
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
        _tell_ending(folder, result)
        if result["status"] == "interrupted":
            return 128 + _signal(result["signal"], member)
        with surviving(sys.stdout):
            plan = prepared.plan
            summary(screen, result, from_here(folder), TASKS[plan.task].telling(plan.data.target))
            if not where.settings and where.seed is None:
                _keep_lock(screen, where.recipe, folder, quiet)
        return FAILED if any(claim["holds"] is False for claim in result["expect"]) else FINE


def _train_seeds(
    where: _Where, count: int | None, out: Path | None, resumed: Path | None, deny: bool, quiet: bool
) -> int:
    """Train with several seeds; return the exit code."""
    assert where.recipe is not None
    from runtime.commands.seeds import train_seeds
    from runtime.workflows.preparation import PrepareArguments

    recipe, own = where.recipe, not where.settings and where.seed is None and resumed is None
    return train_seeds(
        PrepareArguments(recipe, where.settings, where.data_root, where.outside, where.seed),
        count,
        where.runs,
        resumed or out,
        resumes=resumed is not None,
        quiet=quiet,
        before=partial(_tell_prepared, deny, quiet),
        hear=partial(tell_event, deny, quiet),
        after=lambda folder: _keep_lock(console(), recipe, folder, quiet) if own else None,
    )


def _tell_prepared(deny: bool, quiet: bool, prepared: Prepared) -> bool:
    """Say what is known before a run; return whether it may run: with `deny` only where there is no advice."""
    _note_memory(prepared.out_of_memory())
    tell_images(prepared, is_advised=deny or not quiet)
    if prepared.advice and (deny or not quiet):
        with surviving(sys.stderr):
            show_problems(prepared.advice)
    return not (prepared.advice and deny)


def _signal(number: int | None, member: Membership | None) -> int:
    """Return the signal that ended a run; it may have reached another worker."""
    return number or (member.stopped if member else None) or signal.SIGTERM


def _work(where: _Where, threads: int | None, debug: bool, instructions: object, member: Membership) -> int:
    """Take part in a run that another worker leads."""
    assert where.recipe is not None
    with mxnet(threads, debug, instructions):
        from runtime.workflows.preparation import prepare
        from runtime.workflows.worker import work

        prepared = prepare(where.recipe, where.settings, where.data_root, where.outside, seed=where.seed)
        group, heart = member.group, member.group.heartbeat
        work(
            prepared,
            where.runs,
            member.exchange(),
            own_name(),
            opened=member.opened,
            say=heart.note,
            stop=heart.stop,
            waits=group.same_machine,
        )
        member.has_trained = True
    return FINE


@dataclass(slots=True)
class _Left:
    """What an interruption leaves before a run can end in order; an observer, which hears of the run's folder."""

    words: str
    folder: Path | None

    def __call__(self, event: Preliminary | Event) -> None:
        from runtime.training.events import FolderOpened

        if isinstance(event, FolderOpened):
            self.folder = event.folder

    def __str__(self) -> str:
        if self.folder is None:
            return f" before training began: nothing was kept\nto begin again: {self.words}"
        from runtime.runs.folder import has_ended
        from runtime.runs.writer import how_to_resume

        if has_ended(self.folder):
            return f"; the run in {self.folder} has ended, and its result is written"
        saved = any((self.folder / "checkpoints").glob("[!.]*"))
        kept = "keeps the run up to its last checkpoint" if saved else "has no checkpoint yet: training begins again"
        return f"; {self.folder} {kept}\n{how_to_resume(self.folder)}"

    @contextmanager
    def said(self) -> Iterator[None]:
        """Have an interruption say it.

        Raises:
            KeyboardInterrupt: there was one.
        """
        try:
            yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(str(self)) from None


_SHOWN = 5  # of the images that are skipped


def tell_event(deny: bool, quiet: bool, event: Preliminary | Event) -> None:
    """Say on standard error what is known before a run trains; with `deny`, refuse it where there is advice.

    Raises:
        RecipeError: with the advice.
    """
    from runtime.commands.supervisor import note
    from runtime.training.events import Advised, FolderOpened, ImagesConverted, ImagesSkipped

    match event:
        case FolderOpened():
            note(run=str(event.folder))
        case ImagesSkipped():
            for name, reason in event.images[:_SHOWN]:
                tell(f"skipped {from_here(name)}: {reason}")
            if len(event.images) > _SHOWN:
                tell(f"skipped {counted(len(event.images) - _SHOWN, 'more image')}: `skipped_images` in result.json")
        case Advised() if deny:
            raise RecipeError(event.problems)
        case Advised() if not quiet:
            show_problems(event.problems)
        case ImagesConverted() if not quiet:
            for line in event.notes:
                tell(line)


def _tell_ending(folder: Path, result: Mapping[str, Any]) -> None:
    """Say on standard error what could not be written, and how an interrupted run resumes."""
    from runtime.runs.writer import how_to_resume, weights_left

    with surviving(sys.stderr):
        for name, reason in result["missing"]:
            tell(f"could not write {name}: {reason}")
        if result["status"] == "interrupted":
            tell(f"interrupted; {weights_left(folder, result)}")
            tell(how_to_resume(folder))


def tell_images(prepared: Prepared, is_advised: bool) -> None:
    """Say how images were chosen, and what is passed over among them, unless advice that is shown has said it."""
    for note in prepared.notes:
        tell(note)
    if not (is_advised and any(each.code == "W790" for each in prepared.advice)):
        tell(prepared.passed_over())


def _keep_lock(screen: Console, recipe: Path, folder: Path, quiet: bool) -> None:
    from runtime.reporting.console import say
    from runtime.runs.lock.facts import keep_lock

    try:
        note = keep_lock(recipe, folder)
    except RecipeError as fault:  # the run itself has ended well
        tell(fault)
    else:
        if note and not quiet:
            say(screen, note)


def _note_memory(problem: Problem) -> None:
    """Leave with the parent what it says when the system kills the run."""
    from runtime.commands.supervisor import note

    note(batch=problem.batch, fits=problem.fits)
    if problem.span is not None:
        source = problem.span.source
        note(name=source.name, text=source.text, batch_at=(problem.span.start, problem.span.end))


@dataclass(frozen=True, slots=True)
class _Where:
    """Which recipe runs, with which settings, and where."""

    recipe: Path | None
    settings: tuple[str, ...]
    outside: bool
    data_root: Path | None
    runs: RunSettings
    threads: int | None
    instructions: str = ""
    seed: int | None = None

    def as_it_began(self, folder: Path, extend: bool, context: click.Context) -> _Where:
        """Return what a run began with, but for what the command line says.

        Without a recipe on the command line it is the file that the run began with, whose meaning must be the same;
        where there is none any more, the one in the folder.
        """
        from runtime.runs.manifest import read_manifest
        from runtime.runs.pack.file import refuse_pack
        from runtime.runs.resume import Resume, refuse_edited_copy, refuse_ended

        refuse_pack(folder, "it has no checkpoints to resume from", "`ftr run {}` trains its recipe anew")
        refuse_ended(Resume(folder, extend))
        began = read_manifest(folder)
        old = {name: getattr(began, name) for name in ("device", "workers", "cache", "fuse")}
        given = {name: getattr(self.runs, name) for name in old if was_given(context, name)}
        recipe = from_here(began.recipe)
        if self.recipe is None:
            refuse_edited_copy(folder, began, recipe if recipe.is_file() else folder / "resolved.ftr")
        if self.recipe is not None or not recipe.is_file():
            recipe, settings = self.recipe or folder / "resolved.ftr", self.settings
        else:
            settings = self.settings or began.settings
        root = self.data_root or (Path(began.data_root) if began.data_root else None)
        runs = replace(self.runs, **{**old, **given})
        outside, threads = self.outside or began.outside, self.threads or began.threads
        return _Where(recipe, settings, outside, root, runs, threads, began.instructions, began.seed)
