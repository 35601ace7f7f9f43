"""How many threads this process may have: `choose_threads` keeps the libraries to what the system allows it.

A container or `ulimit -u` may allow few. OpenMP, OpenBLAS and MXNet read how many they are to start when they load, so
this comes before NumPy and MXNet. Each of them ends the process in a way of its own when it is refused one.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

_BESIDE = 12  # five of MXNet's engine; those that read images, import ahead and draw; one or two that still end
_EACH = 4  # for a thread of arithmetic: OpenMP has a team for each of two threads, NumPy and SciPy have their own


def choose_threads(asked: int | None = None) -> str:
    """Set the number of threads for arithmetic, all cores where none is asked for; return what is to be said of it.

    Where not even MXNet's own threads can be had, it works in the thread that asks it to, and gives the same bits.
    """
    wanted = asked or len(os.sched_getaffinity(0))
    needed = min(_BESIDE + _EACH * wanted, _MOST_COUNTED)
    allowed = needed if "mxnet" in sys.modules else _startable(needed)
    threads = wanted if allowed == needed else max(1, min(wanted, (allowed - _BESIDE) // _EACH))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if allowed == needed:
        return ""
    if allowed < _BESIDE + _EACH:
        os.environ["MXNET_ENGINE_TYPE"] = "NaiveEngine"
    return (
        f"the system allows {allowed} more threads, of {needed} that are wanted (`ulimit -u`, or a container's limit):"
        f" arithmetic uses {threads}, and takes longer"
    )


def settle_threads() -> None:
    """Let MXNet have all cores, and say so in `OMP_NUM_THREADS`, where nobody has chosen. It must not be loaded yet.

    Without that it takes half of them on x86-64 (`src/engine/openmp.cc`), the other half being hardware threads as a
    rule: where a program had loaded it before, that is what there is to be said.
    """
    if not os.environ.get("OMP_NUM_THREADS"):
        cores = len(os.sched_getaffinity(0))
        os.environ["OMP_NUM_THREADS"] = str(max(1, cores // 2) if "mxnet" in sys.modules else cores)


_MOST_COUNTED = 255  # what the status of a process can say
_REFUSED = {"RuntimeError": "can't start new thread", "MXNetError": "Resource temporarily unavailable"}


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that the system refused a thread: Python's own, or one of MXNet."""
    reason = _REFUSED.get(type(error).__name__)
    return reason is not None and reason in str(error)


def _startable(most: int) -> int:
    """Return how many threads can be started, up to `most`; a child tries it, so that nothing of them stays behind."""
    try:
        child = os.fork()
    except OSError:
        return 0
    if child == 0:
        count = most
        try:
            count = _started(most)
        finally:
            os._exit(count)
    with suppress(ChildProcessError):  # where SIGCHLD is ignored nobody hears how it ended
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
    return most


def _started(most: int) -> int:
    wait = threading.Event().wait
    for count in range(most):
        try:
            threading.Thread(target=wait, daemon=True).start()
        except (RuntimeError, MemoryError):
            return count
    return most
