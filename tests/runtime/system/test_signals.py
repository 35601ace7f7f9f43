"""Signals that are noted, or acted on, where no handler of Python runs."""

from __future__ import annotations

import os
import queue
import signal

from runtime.system.signals import heard_within_libraries


def test_a_signal_is_heard_while_the_main_thread_is_in_a_library() -> None:
    heard: queue.Queue[int] = queue.Queue()
    before = signal.getsignal(signal.SIGTERM)
    with heard_within_libraries(heard.put):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # passed on by a parent: the same one
        assert heard.get(timeout=20) == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
    assert (heard.empty(), signal.getsignal(signal.SIGTERM)) == (True, before)
