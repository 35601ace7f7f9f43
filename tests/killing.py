"""Runs that are killed with SIGKILL at the n-th time that something happens, in processes of their own.

Points of no return are the system's own: each `os.fsync`, each renaming and removal, each event of the loop. A server
process that has imported everything forks the runs, which saves two seconds for each. A `quick` run draws and
exports nothing, which saves another.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["runtime.workflows.run", "runtime.runs.manifest", "sklearn.metrics", "matplotlib.figure"]
)


def _start_server() -> None:
    """Start it where it is not there yet: what it imports reads the number of threads, for the runs as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()


def start(recipe: Path, out: Path, *, interval: str, kill_at: int = 0, **settings: Any) -> int:
    """Run a recipe, or go on where a run has begun; return the exit code.

    That is -9 when it was killed at point `kill_at` (from 1; 0: never).
    """
    _start_server()
    process = _SERVER.Process(target=_run, args=(recipe, out, interval, kill_at, settings))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def points(recipe: Path, out: Path, *, interval: str, **settings: Any) -> int:
    """Run a recipe to its end, and return how many points it passed."""
    _start_server()
    reader, writer = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=_run, args=(recipe, out, interval, 0, settings, writer))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    return int(reader.recv())


def _run(
    recipe: Path,
    out: Path,
    interval: str,
    kill_at: int,
    settings: dict[str, Any],
    told: Any = None,
) -> None:
    from runtime.runs import writer
    from runtime.runs.folder import has_ended
    from runtime.runs.resume import Resume
    from runtime.training.events import Preliminary
    from runtime.training.settings import Interval, RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    if settings.pop("quick", False):
        writer.export_model = lambda *_: None  # type: ignore[assignment]
    passed = 0

    def point(*_: object) -> None:
        nonlocal passed
        passed += 1
        if passed == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def step(event: object) -> None:
        if not isinstance(event, Preliminary):
            point()

    for owner, name in ((os, "fsync"), (os, "unlink"), (Path, "replace"), (Path, "unlink")):
        setattr(owner, name, _before(point, getattr(owner, name)))
    where = RunSettings(workers=1, interval=Interval.of(interval), **settings)
    if not has_ended(out):  # it was killed behind its last word
        resume = Resume(out) if (out / "run.json").exists() else None
        run(prepare(recipe), where, out, observers=(step,), resume=resume)
    if told is not None:
        told.send(passed)


def _before(point: Callable[..., None], function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **options: Any) -> Any:
        point()
        return function(*args, **options)

    return wrapped
