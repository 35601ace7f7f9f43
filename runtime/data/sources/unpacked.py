"""What is in files that are packed, and cannot be read by places: unpacked once, below the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from runtime.system.cache.disk import UNPACKED, cache_folder, hold_unpacked


def unpacked(file: Path, write: Callable[[Path], None], what: str = "") -> Path:
    """Return a folder with what `write` puts into the one that it is given: for each state of a file once, and whole.

    `what` tells apart what different sources make of a file. The folder stays at least until this process ends.

    Raises:
        OSError: the file cannot be read, or the folder not be written.
    """
    told = os.stat(file)
    state = (os.path.realpath(file), told.st_size, told.st_mtime_ns, what)
    folder = cache_folder() / UNPACKED / hashlib.sha256(repr(state).encode()).hexdigest()[:32]
    while not folder.is_dir() or not hold_unpacked(folder):  # nobody made it yet, or somebody clears the cache
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            write(made)
            if not folder.is_dir():  # else another process was faster
                os.rename(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder
