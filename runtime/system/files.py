"""Files that are whole or not there, and names that survive a power cut."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk: a new name must reach it too.

    Raises:
        OSError: it cannot be done.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def placed(out: Path | None, name: str) -> Path:
    """Return where a new file goes: `out`, or `name` in it where it is a folder, or in the current one without it."""
    return out / name if out is not None and out.is_dir() else out or Path(name)


def replace_file(path: Path, chunks: Iterable[bytes | memoryview]) -> str:
    """Write a file whole or not at all; return its SHA-256 sum in hexadecimal digits.

    The data goes to a temporary file in the same folder, is forced to the disk, and takes the place of `path` in one
    step.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return digest.hexdigest()
