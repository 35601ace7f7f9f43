"""Signals that ask a process to stop, noted instead of obeyed, so that work ends where it can be taken up again."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TWICE_S = 0.2


@dataclass(slots=True)
class StopSignal:
    """The first signal that asked the process to stop, by its number; None while there was none."""

    number: int | None = None

    def should_stop(self) -> bool:
        """Whether a signal came."""
        return self.number is not None


@contextmanager
def stop_signal(tell: Callable[[int], object] = lambda number: None) -> Iterator[StopSignal]:
    """Note SIGINT, SIGTERM and SIGHUP for as long as the block lasts; a second SIGINT raises `KeyboardInterrupt`.

    `tell` is called with the first.

    What is ignored stays so (nohup). Outside of the main thread signals are the caller's business.
    """
    stop = StopSignal()
    since = 0.0

    def note(number: int, _: object) -> None:
        nonlocal since
        if stop.number is None:
            stop.number, since = number, time.monotonic()
            tell(number)
        # One signal may come twice: to the whole group, and passed on by the parent.
        elif number == signal.SIGINT and time.monotonic() - since > _TWICE_S:
            raise KeyboardInterrupt

    wanted = [each for each in _ASKING if signal.getsignal(each) is not signal.SIG_IGN]
    try:
        before = {number: signal.signal(number, note) for number in wanted}
    except ValueError:  # not the main thread
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heard_within_libraries(act: Callable[[int], object]) -> Iterator[None]:
    """Have a thread act on each of these signals, for as long as the main thread may wait within a native library.

    No handler of Python runs there. What is ignored stays so (nohup).
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    wanted = [each for each in _ASKING if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in wanted}
    descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        last = -_TWICE_S
        with ours:
            while came := ours.recv(1):
                if came[0] in wanted and time.monotonic() - last > _TWICE_S:
                    last = time.monotonic()
                    act(came[0])

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        listener.join()
