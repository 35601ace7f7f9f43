"""A weights file of unknown origin, read so that no size is believed before it is checked.

In goes a path; out come bytes, numbers and arrays. Whatever the file claims, no more memory is asked for
than the file has bytes left, and every contradiction is a `RecipeError`, never another exception.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.weights.problems import CannotReadWeights, DamagedWeights, NotWeights, UnsupportedWeights

HIGHEST_RANK = 8
MOST_ARRAYS = 100_000

BFLOAT16 = np.dtype([("bfloat16", "<u2")])
"""The upper half of a float32, which NumPy has no type for."""

_BEGINNINGS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x12\x01\0\0\0\0\0\0", "an MXNet .params file"),
    (b"\x80", "a pickle"),
    (b"version https://git-lfs", "a Git LFS pointer instead of the file itself"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<", "a web page"),
    (b"{", "JSON"),
)


class BoundedFile:
    """An open file that never reads past its end and never reserves memory for bytes that are not there."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path = path
        self.size = size
        self._file = file

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._file.tell()

    @property
    def remaining(self) -> int:
        """The number of bytes not read yet."""
        return max(0, self.size - self._file.tell())

    def read(self, count: int = -1) -> bytes:
        """Return up to `count` bytes, fewer at the end of the file; all that are left where it is negative."""
        return self._file.read(self.remaining if count < 0 else min(count, self.remaining))

    def readline(self) -> bytes:
        """Return the bytes up to and with the next line feed, or to the end."""
        return self._file.readline(self.remaining)

    def take(self, count: int, what: str) -> bytes:
        """Return exactly `count` bytes; raise `RecipeError` where the file ends before."""
        if count > self.remaining or len(data := self._file.read(count)) != count:
            raise self.damaged(f"the file ends within {what}")
        return data

    def numbers(self, form: str, what: str) -> tuple[Any, ...]:
        """Return little-endian numbers in the notation of `struct`, such as ``"Ii"``."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form), what))

    def array(
        self, dtype: np.dtype[Any], count: int, what: str, check: Callable[[memoryview], None] | None = None
    ) -> np.ndarray[Any, Any]:
        """Return an array of shape (count,); memory is reserved only after the size is checked.

        `BFLOAT16` becomes float32, which holds the same numbers. `check` sees the bytes before.
        """
        if count * dtype.itemsize > self.remaining:
            raise self.damaged(f"{what} needs {count * dtype.itemsize} bytes, {self.remaining} are left")
        array: np.ndarray[Any, Any] = np.empty(count, dtype)
        if self._file.readinto(array.view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
            raise self.damaged(f"the file ends within {what}")
        if check is not None:
            check(array.view(np.uint8).data)
        return _widened(array) if dtype == BFLOAT16 else array

    def seek(self, at: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position inside the file, or to its end; return it."""
        at += {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self.size}[whence]
        if not 0 <= at <= self.size:
            raise self.damaged(f"something is announced at byte {at} of {self.size}")
        return self._file.seek(at)

    def skip(self, count: int, what: str) -> None:
        """Pass over `count` bytes."""
        if count > self.remaining:
            raise self.damaged(f"the file ends within {what}")
        self._file.seek(count, os.SEEK_CUR)

    def finish(self) -> None:
        """Raise `RecipeError` if bytes are left over."""
        if self.remaining:
            raise self.damaged(f"{self.remaining} bytes are left over")

    def damaged(self, reason: str) -> RecipeError:
        """Return the error for a file that contradicts itself here."""
        return RecipeError(DamagedWeights(path=str(self.path), reason=reason, offset=self.tell()))

    def unsupported(self, found: str, hint: str = "") -> RecipeError:
        """Return the error for something sound that cannot be read."""
        return RecipeError(UnsupportedWeights(path=str(self.path), found=found, hint=hint))

    def foreign(self, expected: str) -> RecipeError:
        """Return the error for a file whose first bytes are those of another kind of file."""
        self._file.seek(0)
        start = self._file.read(64).lstrip(b" \r\n\t")
        other = "a safetensors file" if start[8:10] == b'{"' else "something else"
        found = next((kind for mark, kind in _BEGINNINGS if start.startswith(mark)), other)
        return RecipeError(
            NotWeights(path=str(self.path), expected=expected, found=found if self.size else "an empty file")
        )


@contextmanager
def open_bounded(path: Path) -> Iterator[BoundedFile]:
    """Open an ordinary file for reading.

    Raises:
        RecipeError: the file is missing, is no ordinary file, or the system fails to read it.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise OSError(0, "not an ordinary file")
        with path.open("rb") as file:
            yield BoundedFile(path, file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecipeError(CannotReadWeights(path=str(path), reason=reason)) from error


def _widened(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    wide = array["bfloat16"].astype("<u4")
    wide <<= 16
    return wide.view("<f4")
