"""The commands on locks: write one, and run again what it records."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_lang.words import counted
from runtime.commands.command import (
    COUNT,
    DATA_ROOT,
    DEBUG,
    DEVICE,
    FAILED,
    FINE,
    FUSE,
    JSON,
    OUTSIDE,
    PATH,
    QUIET,
    RECIPE,
    RUN_PATH,
    THREADS,
    WORKERS,
    command,
    console,
    echo,
    first_words,
    mxnet,
    out_option,
    tell,
)
from runtime.commands.shards import threads_of

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.runs.lock.file import Facts
    from runtime.workflows.verify import Verdict

EXPORTED = (".onnx", ".safetensors", "-symbol.json", ".params")
"""What the names of files that `ftr export` writes end in."""


@click.command()
@RECIPE
@OUTSIDE
@DATA_ROOT
@DEVICE
@THREADS
@WORKERS
@FUSE
@DEBUG
@command
def lock(
    recipe: Path,
    outside: bool,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    fuse: bool,
    debug: bool,
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
        from runtime.training.settings import RunSettings
        from runtime.workflows.preparation import prepare
        from runtime.workflows.run import RunContext, lock_facts

        device_context(device)  # refused before the images are listed
        prepared = prepare(recipe, (), data_root, outside)
        for line in (*prepared.notes, prepared.passed_over()):
            tell(line)
        with Display(console(), time.monotonic, prepared.plan) as display:
            facts, _ = lock_facts(prepared, RunContext(RunSettings(device, workers, fuse=fuse), (display,)))
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
    For a FILE that `ftr export` wrote it says whether it was exported from --run; nothing is trained.
    """
    if origin is not None or path.name.endswith(EXPORTED):
        return _verify_exported(path, origin)
    import tempfile

    from runtime.runs.lock.file import LOCK, existing_lock, read_lock

    lock = existing_lock(path)  # a path of any other kind becomes a run folder before this line
    with mxnet(threads or lock.threads(), debug, lock.instructions):
        with first_words(path, quiet or machine) as say:
            say("loading MXNet")
            from runtime.plan.types import as_json
            from runtime.reporting.curves import CURVES
            from runtime.reporting.progress import Display
            from runtime.system.cpu import instructions
            from runtime.training.stage import Interrupted
            from runtime.workflows.preparation import prepare
            from runtime.workflows.run import run
            from runtime.workflows.verify import compare, settings_of, subject

            say("listing the images")
            found = subject(path, lock, data_root)
            prepared = prepare(found.recipe, found.settings, data_root, outside)
        screen = console()

        def approve(facts: Facts) -> None:
            found.refuse(facts)
            if threads is None:
                level = instructions()
                how = f" and {level} instructions" if level and level == lock.instructions else ""
                told = f"with {counted(lock.threads(), 'thread')}{how}, as {lock.source.name} says"
                tell(told)

        keeping = nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="ftr-verify-")
        with keeping as place:
            try:
                with Display(screen, time.monotonic, prepared.plan, quiet or machine) as display:
                    where = settings_of(lock, workers, device)
                    extras = (CURVES,) if out else ()
                    folder, result = run(
                        prepared, where, Path(place), observers=(display,), approve=approve, extras=extras
                    )
            except Interrupted as stopped:
                result = {"status": "interrupted", "signal": stopped.args[0]}
            if result["status"] != "finished":
                tell("interrupted")
                return 128 + int(result["signal"])
            verdict = compare(lock.facts, read_lock(folder / LOCK).facts)
    if machine:
        click.echo(json.dumps({"verdict": verdict.text, "fine": verdict.fine, **as_json(verdict)}, indent=2))
    else:
        _show(screen, verdict)
    return FINE if verdict.fine else FAILED


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
