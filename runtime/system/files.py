"""Files that are whole or not there, and names that survive a power cut."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from recipe_lang.suggest import suggest


def from_here(path: Path | str) -> Path:
    """Return a path as it is shown: relative to the current folder where it lies below it, else whole."""
    path = Path(path)
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):  # elsewhere, relative already, or the current folder is gone
        return path


def nearest(path: Path) -> str:
    """Return the existing path that looks most like a missing one, or an empty text."""
    for parent in path.parents:
        if os.path.isdir(parent):
            first, *rest = path.relative_to(parent).parts
            try:
                name = suggest(first, os.listdir(parent))
            except OSError:
                return ""
            if name in ("", first):  # the same: a link to nothing, or a file where a folder should be
                return ""
            near = parent.joinpath(name, *rest)
            # The next part may be misspelt as well.
            return str(near) if os.path.exists(near) else nearest(near)
    return ""


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


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that takes the place of `path`, on the disk, when the block ends; where it fails, nothing.

    It keeps the permissions of the one before. A device or a pipe is written as it is: nothing takes its place. A link
    stays, and leads to the new file.

    Raises:
        OSError: it cannot be written.
    """
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    if path.exists() and not real.is_file():  # the name of a pipe, as /dev/stdout has it, leads to no file
        with path.open("wb") as file:
            yield file
        return
    handle, temporary = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o644)
        Path(temporary).replace(real)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(real.parent)


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
