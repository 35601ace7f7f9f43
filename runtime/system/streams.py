"""Output that cannot be written any more: where the terminal is gone, the disk is full or nobody reads the pipe.

`surviving(stream)` goes around what is written: work that leaves its results elsewhere goes on. `unread()` says whether
standard output lost its reader that way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

_without_reader: list[IO[str]] = []


def unread() -> bool:
    """Return whether nobody read all of standard output."""
    return sys.stdout in _without_reader


@contextmanager
def surviving(stream: IO[str], then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Lead a stream nowhere when the system refuses what the block writes to it, call `then`, and go on."""
    try:
        yield
        stream.flush()
    except (OSError, SystemExit) as error:  # the second is how rich says that a pipe has no reader
        if not isinstance(error, OSError) or isinstance(error, BrokenPipeError):
            _without_reader.append(stream)
        with suppress(OSError, ValueError):  # a stream that is no file
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        then()
