"""Keep the messages of native libraries away from the user.

MXNet's C++ code writes to file descriptor 2. While a command runs, that descriptor leads to a temporary file, and
Python's own `sys.stderr` to where it led before. What was caught is shown when the program crashes with a bug of ours.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

_SHOWN = 4000


@contextmanager
def quiet_libraries(keep: bool) -> Iterator[Callable[[], str]]:
    """Catch what native code writes to standard error; yield a function that returns its end.

    With `keep` nothing is caught.
    """
    if keep:
        yield lambda: ""
        return
    sys.stderr.flush()
    saved = os.dup(2)
    before = sys.stderr
    with _file() as caught:

        def tail() -> str:
            caught.seek(0, os.SEEK_END)
            caught.seek(max(0, caught.tell() - _SHOWN))
            return caught.read()

        os.dup2(caught.fileno(), 2)
        sys.stderr = os.fdopen(saved, "w", encoding=before.encoding, errors="backslashreplace", closefd=False)
        try:
            yield tail
        finally:
            sys.stderr.flush()
            sys.stderr = before
            os.dup2(saved, 2)
            os.close(saved)


def _file() -> IO[str]:
    """Open the file that catches; nowhere, where no temporary file can be had (a full disk)."""
    try:
        return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
    except OSError:
        return open(os.devnull, "w+", encoding="utf-8")
