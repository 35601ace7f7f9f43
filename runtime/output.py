"""Output for people: names that would steer the terminal, and output that cannot be written any more.

In goes text, out comes text that a terminal only shows (`printable`). `going_on(stream)` goes around what is written:
where the terminal is gone, the disk is full or nobody reads the pipe, work that leaves its results elsewhere goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO


def printable(text: str) -> str:
    """Return a name with all characters replaced that no terminal shows: a line's end, ESC, marks of direction.

    Halves of pairs stay, which stand for bytes that are no UTF-8; the stream shows those.
    """
    return "".join(
        char if char.isprintable() or "\ud800" <= char <= "\udfff" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


@contextmanager
def going_on(stream: IO[str], then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Lead a stream nowhere when the system refuses what the block writes to it, call `then`, and go on."""
    try:
        yield
        stream.flush()
    except (OSError, SystemExit):  # the second is how rich says that a pipe has no reader
        with suppress(OSError, ValueError):  # a stream that is no file
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        then()
