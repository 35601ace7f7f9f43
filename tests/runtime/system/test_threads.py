"""Few threads: every number of them that a system allows is enough for a run; and warnings of libraries end none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from paths import ROOT
from toy import make_images, write_recipe

from runtime.commands import command
from runtime.system import threads
from runtime.system.prefetch import in_order

# As `docker run --pids-limit`: pthread_create refuses after so many, for good.
_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
static int made;
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*work)(void *), void *with) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return __sync_add_and_fetch(&made, 1) > atoi(getenv("ALLOWED")) ? EAGAIN : create(thread, how, work, with);
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library that lets a process start `ALLOWED` threads."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("shim") / "few.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-xc", "-", "-o", library, "-ldl"], input=_SHIM, text=True, check=True
    )
    return library


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    make_images(tmp_path / "train", {"blue": 8, "red": 8})
    return write_recipe(tmp_path / "toy.ftr", tmp_path, data="  batch = 4\n  valid = holdout(25%)", sources=("train",))


def ftr(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    line = [sys.executable, "-m", "runtime", *map(str, words)]
    return subprocess.run(line, cwd=cwd, env=told, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize("words", [("new", "train"), ("run", "toy.ftr")])
def test_a_system_that_allows_no_thread_suffices(shim: Path, recipe: Path, words: tuple[str, ...]) -> None:
    done = ftr(*words, cwd=recipe.parent, LD_PRELOAD=str(shim), ALLOWED="0")
    assert done.returncode == 0, done.stderr
    assert "the system allows 0 more threads" in done.stderr
    assert "arithmetic uses 1, and takes longer" in done.stderr
    assert "OpenBLAS" not in done.stderr


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_work_is_done_by_as_many_threads_as_there_are(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    start, started, workers = threading.Thread.start, [], set()

    def limited(thread: threading.Thread) -> None:
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    def work(item: int) -> int:
        workers.add(threading.current_thread().name)
        return item * item

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert list(in_order(work, range(100), 3, 8)) == [item * item for item in range(100)]
    assert workers <= {f"images_{number}" for number in range(allowed)} or not allowed
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize(
    ("asked", "allowed", "chosen", "engine"),
    [
        (2, 20, "2", None),
        (2, 19, "1", None),
        (8, 30, "4", None),
        (8, 15, "1", "NaiveEngine"),
        (1, 0, "1", "NaiveEngine"),
    ],
)
def test_threads_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, asked: int, allowed: int, chosen: str, engine: str | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setenv("MXNET_ENGINE_TYPE", "")
    monkeypatch.delitem(sys.modules, "mxnet", raising=False)
    monkeypatch.setattr(threads, "_startable", lambda most: min(most, allowed))
    said = threads.choose_threads(asked)
    assert os.environ["OMP_NUM_THREADS"] == chosen
    assert os.environ["MXNET_ENGINE_TYPE"] == (engine or "")
    assert bool(said) is (chosen != str(asked) or engine is not None)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_threads_that_can_be_had_are_counted_and_gone(handler: signal.Handlers) -> None:
    before, old = threading.active_count(), signal.signal(signal.SIGCHLD, handler)
    try:
        assert threads._startable(7) == 7
    finally:
        signal.signal(signal.SIGCHLD, old)
    assert threading.active_count() == before


def test_a_thread_that_is_refused_later_is_no_bug_of_ours(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Left(BaseException):
        pass

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(Left, match="1"), command.mxnet(1):
        raise RuntimeError("can't start new thread")
    assert "the system refuses another thread" in capfd.readouterr().err


def test_warnings_of_libraries_end_nothing(recipe: Path) -> None:
    for words in (("check", recipe), ("run", recipe), ("predict", "runs/toy-1", "train/red/0.jpg")):
        done = ftr(*words, cwd=recipe.parent, PYTHONWARNINGS="error")
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("error", "is_refusal"),
    [
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("another\n\nreason"), False),
        (ValueError("two\n\nparagraphs"), False),
        (OSError(11, "Resource temporarily unavailable"), False),
    ],
)
def test_only_a_refused_thread_is_called_one(error: Exception, is_refusal: bool) -> None:
    assert threads.is_refusal(error) is is_refusal
