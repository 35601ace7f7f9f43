"""Where a study keeps its trials: a journal file, or a PostgreSQL server that several machines reach.

`open_storage` takes a path or the address of a server. The lock of a journal is the system's, which ends with its
process: one that is killed holds nobody up.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from recipe_lang.problem import RecipeError
from runtime.system.installation import install_command
from runtime.workflows.tune.problems import StorageFailed

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.storages.journal._file import BaseJournalFileLock

_SERVER = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://")


def is_server(where: str) -> bool:
    """Whether a text is the address of a server."""
    return _SERVER.match(where) is not None


def without_password(where: str) -> str:
    """Return an address as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", where)


def open_storage(where: str) -> BaseStorage:
    """Open, or make, the place of a study's trials.

    Raises:
        RecipeError: it cannot be had, or a package is missing.
    """
    if find_spec("optuna") is None:
        raise _failed(where, "Optuna is not installed", f"run: {install_command('tune')}")
    if is_server(where):
        if find_spec("psycopg") is None:
            raise _failed(where, "psycopg is not installed", f"run: {install_command('postgresql')}")
        return _server(where)
    if "://" in where:
        raise _failed(where, "this is neither a path nor `postgresql://…`")
    with failing(where):
        return _journal(Path(where))


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    lock = _FileLock(path)
    lock.acquire()
    try:
        _cut_half_line(path)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(path), cast("BaseJournalFileLock", lock)))


def _cut_half_line(path: Path) -> None:
    """Take away what a process had half written when it was killed."""
    with path.open("ab+") as file:
        size = end = file.tell()
        while end:
            file.seek(end - 1)
            if file.read(1) == b"\n":
                break
            end -= 1
        if end < size:
            file.truncate(end)


class _FileLock:
    """A lock of a file beside the journal, as Optuna wants one. It keeps threads of one process apart itself."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._handle = -1

    def acquire(self) -> bool:
        """Wait for the lock."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return True

    def release(self) -> None:
        """Let go of it."""
        os.close(self._handle)


def _server(where: str) -> BaseStorage:
    from optuna.storages import RDBStorage

    url = _SERVER.sub("postgresql+psycopg://", where)
    with failing(where):
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}})


@contextmanager
def failing(where: str) -> Iterator[None]:
    """Turn what goes wrong with a storage into the user's error.

    Raises:
        RecipeError: it went wrong.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except OSError as error:
        raise _failed(where, error.strerror or str(error), _HINTS.get(error.errno or 0, "")) from error
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        line = next((line for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise _failed(where, line.strip()[:200], "is the server there, and the name of the database right?") from error


_HINTS = {
    errno.ENOSPC: "make room; finished trials are kept: `--resume` goes on, or with `--storage` the same command",
    errno.ENOENT: "make its folder first",
}


def _failed(where: str, reason: str, hint: str = "") -> RecipeError:
    return RecipeError(StorageFailed(where=without_password(where), reason=reason, hint=hint))
