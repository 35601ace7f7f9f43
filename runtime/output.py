"""Output that cannot be written any more: where the terminal is gone, the disk is full or nobody reads the pipe.

`going_on(stream)` goes around what is written: work that leaves its results elsewhere goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO


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
