"""The commands on locks: write one, and run again what it records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.words import counted
from runtime.commands.command import FAILED, FINE, command, console, echo, first_words, mxnet, tell
from runtime.commands.options import (
    COUNT,
    DATA_ROOT,
    DEBUG,
    DEVICE,
    FUSE,
    JSON,
    OUTSIDE,
    PATH,
    QUIET,
    RECIPE,
    RUN_PATH,
    THREADS,
    WORKERS,
    gathered,
    out_option,
)
from runtime.commands.shards import threads_of
from runtime.training.settings import RunSettings

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.runs.lock.file import Facts
    from runtime.workflows.preparation import Prepared
    from runtime.workflows.verify import Verdict

EXPORTED = (".onnx", ".safetensors", "-symbol.json", ".params")
"""What the names of files that `ftr export` writes end in."""


@click.command()
@RECIPE
@OUTSIDE
@DATA_ROOT
@gathered("runs", RunSettings, DEVICE, THREADS, WORKERS, FUSE)
@DEBUG
@command
def lock(
    recipe: Path, runs: RunSettings, outside: bool, data_root: Path | None, threads: int | None, debug: bool
) -> int:
    """Write RECIPE.lock, which records what a run depends on.

    It has hashes of the recipe, its parents, weights and images, and the versions; nothing is trained. `ftr run
    --locked` and `ftr verify` reproduce what it records. The first run writes one by itself. A result in it stays when
    nothing else has changed; otherwise the next run adds one.
    """
    from runtime.runs.pack.file import refuse_pack

    refuse_pack(recipe, "it has its lock, which stays", "`ftr run {0} --locked` and `ftr verify {0}` compare with it")
    with mxnet(threads or threads_of(recipe, (), outside), debug):
        from runtime.backend.device import device_context
        from runtime.reporting.progress import Display
        from runtime.runs.folder import writing
        from runtime.runs.lock.facts import renew_lock
        from runtime.runs.lock.file import lock_of
        from runtime.workflows.preparation import prepare
        from runtime.workflows.run import RunContext, lock_facts

        device_context(runs.device)  # refused before the images are listed
        prepared = prepare(recipe, (), data_root, outside)
        for line in (*prepared.notes, prepared.passed_over()):
            tell(line)
        with Display(console(), time.monotonic, prepared.plan) as display:
            facts, _ = lock_facts(prepared, RunContext(runs, (display,)))
        with writing(lock_of(recipe)):
            echo(renew_lock(recipe, facts))
    return FINE


@click.command()
@click.argument("path", metavar="RECIPE|RUN|PACK|FILE", type=PATH)
@click.option("--run", "origin", type=RUN_PATH, help="For an exported FILE: the run that it should come from.")
@OUTSIDE
@out_option("Keep the new run in this folder.")
@DATA_ROOT
@click.option("--device", help="Another device than the lock records.")
@click.option("--threads", type=COUNT, help="Another number of threads than the lock records.")
@WORKERS
@JSON
@QUIET
@DEBUG
@command
def verify(
    path: Path,
    origin: Path | None,
    outside: bool,
    out: Path | None,
    data_root: Path | None,
    device: str | None,
    threads: int | None,
    workers: int,
    machine: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Retrain what a lock records, and compare the results.

    The weights are compared bit for bit, and so are all metrics.

    Exits with 0 when the result is identical, or when versions, threads or the processor differ and all claims hold.
    Of a folder of several seeds each run is trained again; of a recipe, all that a claim over seeds asks for.

    For a FILE that `ftr export` wrote it says whether it was exported from --run; nothing is trained.
    """
    if origin is not None or path.name.endswith(EXPORTED):
        return _verify_exported(path, origin)
    import tempfile

    from runtime.runs.lock.file import existing_lock
    from runtime.runs.seeds import is_summary, read_seeds, seed_folder

    several = read_seeds(path) if is_summary(path) else []
    # a path of any other kind becomes a run folder before this line
    lock = existing_lock(seed_folder(path, several[0]) if several else path)
    with mxnet(threads or lock.threads(), debug, lock.instructions):
        with first_words(path, quiet or machine) as say:
            say("loading MXNet")
            from runtime.plan.types import as_json
            from runtime.training.stage import Interrupted

        how = _How(out is not None, outside, data_root, device, threads, workers, quiet or machine)
        keeping = nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="ftr-verify-")
        with keeping as place:
            try:
                again = _seeds_again(path, several, Path(place), how) if several else _again(path, Path(place), how)
            except Interrupted as stopped:
                tell("interrupted")
                return 128 + int(stopped.args[0])
    verdict, claims = again.verdict, again.claims
    if machine:
        told = {"verdict": verdict.text, "fine": verdict.fine, **as_json(verdict)}
        click.echo(json.dumps({**told, **({"over_seeds": claims} if claims else {})}, indent=2))
    else:
        _show(console(), verdict)
        _show_claims(claims)
    return FINE if verdict.fine and all(claim["holds"] is not False for claim in claims) else FAILED


@dataclass(frozen=True, slots=True)
class _How:
    """How runs are trained again: the options of `ftr verify`; with `keeps` their folders stay."""

    keeps: bool
    outside: bool
    data_root: Path | None
    device: str | None
    threads: int | None
    workers: int
    quiet: bool


@dataclass(frozen=True, slots=True)
class _Again:
    """What came out of a second run, and of those with further seeds that claims of a recipe are over."""

    verdict: Verdict
    claims: Sequence[Mapping[str, Any]] = ()


def _again(path: Path, place: Path, how: _How, label: str = "") -> _Again:
    """Train again what a recipe, a run or a pack is locked with; of a recipe, with all seeds that a claim is over.

    Raises:
        RecipeError: it is not what the lock records, or cannot be trained.
        Interrupted: it was interrupted.
    """
    from runtime.runs.lock.file import LOCK, existing_lock, read_lock
    from runtime.runs.seeds import read_run, seed_folder, summary_of
    from runtime.system.cpu import instructions
    from runtime.workflows.preparation import prepare
    from runtime.workflows.verify import compare, settings_of, subject

    lock = existing_lock(path)
    with first_words(path, how.quiet) as say:
        say("listing the images")
        found = subject(path, lock, how.data_root)
        prepared = prepare(found.recipe, found.settings, how.data_root, how.outside)

    def approve(facts: Facts) -> None:
        found.refuse(facts)
        if how.threads is None and not label:
            level = instructions()
            known = f" and {level} instructions" if level and level == lock.instructions else ""
            tell(f"with {counted(lock.threads(), 'thread')}{known}, as {lock.source.name} says")

    where = settings_of(lock, how.workers, how.device)
    _train(prepared, where, place, how, approve, label)
    verdict = compare(lock.facts, read_lock(place / LOCK).facts)
    most = max((claim.seeds for claim in prepared.plan.claims), default=0)
    if not most or path.is_dir():  # a run folder is one run's: the folder of several has the others
        return _Again(verdict)
    first = prepared.plan.seed
    runs = [read_run(place, first)]
    for seed in range(first + 1, first + most):
        other = prepare(found.recipe, found.settings, how.data_root, how.outside, seed=seed)
        _train(other, where, seed_folder(place, seed), how, None, f"seed {seed} ({seed - first + 1} of {most})")
        runs.append(read_run(seed_folder(place, seed), seed))
    claims = [claim for claim in summary_of(runs)["expect"] if "holds_in" not in claim]
    return _Again(replace(verdict, claims=(*verdict.claims, *(claim["holds"] for claim in claims))), claims)


def _seeds_again(path: Path, seeds: Sequence[int], place: Path, how: _How) -> _Again:
    """Train again each run in the folder of several.

    Raises:
        RecipeError: one is not what its lock records, or cannot be trained.
        Interrupted: one was interrupted.
    """
    from runtime.runs.seeds import read_run, seed_folder, summary_of
    from runtime.workflows.verify import of_seeds

    verdicts, runs = [], []
    for number, seed in enumerate(seeds):
        label = f"seed {seed} ({number + 1} of {len(seeds)})"
        folder = seed_folder(place, seed)
        verdicts.append((seed, _again(seed_folder(path, seed), folder, how, label).verdict))
        runs.append(read_run(folder, seed))
        if not how.quiet:
            echo(f"{label}: {verdicts[-1][1].text.partition(':')[0]}")
    return _Again(of_seeds(verdicts, summary_of(runs)))


def _train(
    prepared: Prepared,
    where: RunSettings,
    place: Path,
    how: _How,
    approve: Callable[[Facts], None] | None,
    label: str = "",
) -> None:
    from runtime.reporting.curves import CURVES
    from runtime.reporting.progress import Display
    from runtime.training.stage import Interrupted
    from runtime.workflows.run import run

    if label and not how.quiet:
        console().print(label, style="bold")
    with Display(console(), time.monotonic, prepared.plan, how.quiet, label) as display:
        more: dict[str, Any] = {"approve": approve} if approve else {}
        _, result = run(prepared, where, place, observers=(display,), extras=(CURVES,) if how.keeps else (), **more)
    if result["status"] != "finished":
        raise Interrupted(result["signal"])


def _verify_exported(file: Path, run: Path | None) -> int:
    """Say whether a file is the one that was exported from a run: as the run's lock says, by its SHA-256."""
    if run is None:
        raise click.UsageError(f"which run is {file.name} to be from? `--run RUN`, a run folder or a pack")
    from recipe_lang.problem import RecipeError
    from runtime.export.problems import NotExported
    from runtime.runs.exports import exported_as, exports_of
    from runtime.runs.lock.file import existing_lock

    lock = existing_lock(run)
    note = exported_as(lock, file)
    if note is None:
        raise RecipeError(NotExported(path=str(file), run=str(run), known=", ".join(exports_of(lock))))
    echo(f"identical: {file} was exported from {run}: {note}")
    return FINE


def _show_claims(claims: Sequence[Mapping[str, Any]]) -> None:
    """Print what the runs with further seeds say of claims over several."""
    if claims:
        from runtime.reporting.seeds import claim_line

        for claim in claims:
            console().print(claim_line(claim, claim["over"]), soft_wrap=True, highlight=False)


def _show(screen: Console, verdict: Verdict) -> None:
    """Print the verdict; where the result differs, what differs in it, and what may be the reason."""
    from rich.table import Table

    from runtime.reporting.console import say

    style = "green" if verdict.fine else "bold red"
    if verdict.results:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for name in ("differs", "locked", "now"):
            table.add_column(name, overflow="fold")
        for row in (*verdict.results, *verdict.reasons):
            table.add_row(row.name, row.locked or "none", row.now or "none")
        screen.print(table)
    say(screen, verdict.text, style)
