"""The parent of a run, which lives on when the system kills the run, and says what happened.

`guarded(words)` takes the words of the command line. Where they ask for a run, it forks before NumPy or MXNet are
there: the child goes on, the parent passes signals on, waits, and ends as the child did. The child tells it with
`note` what a message would need. Linux only; elsewhere a run has no parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_TYPED = (signal.SIGINT, signal.SIGQUIT)
_OF_THE_KERNEL = 0x80  # SI_KERNEL: what is typed on a terminal, which the whole group gets
_CRASHES = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_PR_SET_PDEATHSIG = 1
_SHOW_CURSOR = "\r\n\x1b[?25h"

_notes: dict[str, Any] = {}
_file: list[int] = []  # the descriptor that both processes have, in a guarded run


def guarded(words: Sequence[str]) -> None:
    """Put a parent before a run. It returns in the child, and where no run is asked for; the parent exits.

    Raises:
        SystemExit: in the parent, when the run has ended.
    """
    if sys.platform != "linux" or next((word for word in words if word[:1] != "-"), "") != "run":
        return
    from runtime.system.memory import kills_for_memory

    before, parent = kills_for_memory(), os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_PASSED_ON, signal.SIGCHLD))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignores it never hears how its children ended
    try:
        file = os.memfd_create("ftr-run")
        child = os.fork()
    except OSError:  # no more processes: without a parent, then
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return
    if child == 0:
        _die_with(parent)
        _file.append(file)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return
    status, peak = _wait(child)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    if number in _CRASHES:
        notes = json.loads(os.pread(file, os.fstat(file).st_size, 0) or b"{}")
        _say(number, peak, kills_for_memory() > before, notes)
        time.sleep(notes.get("farewell", 0))
    sys.exit(128 + number)


def _die_with(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def _wait(child: int) -> tuple[int, int]:
    """Pass signals on until the child has ended; return its status, and the peak of its memory in bytes."""
    while True:
        caught = signal.sigwaitinfo((*_PASSED_ON, signal.SIGCHLD))
        had_it = caught.si_signo in _TYPED and caught.si_code == _OF_THE_KERNEL
        if caught.si_signo != signal.SIGCHLD and not had_it:
            os.kill(child, caught.si_signo)
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            return status, 1024 * used.ru_maxrss


def _say(number: int, peak: int, for_memory: bool, notes: dict[str, Any]) -> None:
    from recipe_lang.source import Source
    from runtime.commands.command import show_problems
    from runtime.system.streams import surviving
    from runtime.training.problems import OutOfMemory, RunKilled

    span = None
    if "batch_at" in notes:
        span = Source(notes["name"], notes["text"]).span(*notes["batch_at"])
    facts = {name: notes[name] for name in ("batch", "fits", "run") if name in notes}
    if sys.stdout.isatty():
        with surviving(sys.stdout):  # what drew the progress has hidden the cursor
            sys.stdout.write(_SHOW_CURSOR)
    with surviving(sys.stderr):
        if for_memory:
            show_problems((OutOfMemory(span=span, killed=True, peak=peak, **facts),))
        else:
            show_problems((RunKilled(span=span, signal=signal.Signals(number).name, peak=peak, **facts),))


def forget() -> None:
    """Tell the parent nothing from here on: this is a child of the process that does."""
    _file.clear()


def note(**facts: Any) -> None:
    """Tell the parent something, in plain values: `name`, `text`, `batch_at`, `batch`, `fits` (of memory), `run`.

    `farewell` are the seconds for which it lives on when this process has crashed, so that others can say so.
    """
    _notes.update(facts)
    if _file:
        content = json.dumps(_notes).encode()
        os.pwrite(_file[0], content, 0)
        os.ftruncate(_file[0], len(content))
