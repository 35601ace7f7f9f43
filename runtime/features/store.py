"""Where a run keeps what frozen parts make of images: rows of numbers by key, in memory or in a temporary file.

In go rows of float32 with the set, image and view that they are of; they come back as float32, exactly as they were or
rounded to half precision. `Budget` bounds the bytes of all tables together.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.plan.views import View

Key = tuple[str, str, View]  # set and what is done to its images, sample, view
Floats = npt.NDArray[np.float32]

MEMORY_BYTES = 2**30
DISK_BYTES = 16 * 2**30

KINDS: Mapping[str, np.dtype[Any]] = {"full": np.dtype(np.float32), "half": np.dtype(np.float16)}  # a recipe's words


@dataclass(slots=True)
class Budget:
    """How many bytes features may still take, in memory and on the disk."""

    memory: int = field(default_factory=lambda: MEMORY_BYTES)
    disk: int = field(default_factory=lambda: DISK_BYTES)
    folder: Path | None = None  # of the files; the system's for temporary files by default

    def fits(self, size: int) -> bool:
        """Whether so many bytes can be had in one of the two."""
        return size <= max(self.memory, self.disk)


class Table:
    """Rows by key, in memory or, over the budget, in a file that is mapped into memory. `kind` is how they are kept.

    Making it raises `OSError` where the disk has no room.
    """

    def __init__(self, shape: tuple[int, ...], capacity: int, budget: Budget, kind: np.dtype[Any]) -> None:
        size = row_bytes(shape, kind) * capacity
        self._rows: dict[Key, int] = {}
        self._budget = budget
        self._size, self._file, self._shape = size, None, shape
        if size <= budget.memory:
            budget.memory -= size
            self._values: npt.NDArray[Any] = np.empty((capacity, *shape), kind)  # pages come as they are written
        else:
            self._file = tempfile.TemporaryFile(prefix="ftr-features-", dir=budget.folder)  # noqa: SIM115 - as long as self
            try:  # a full disk says so here; behind a mapping it would kill the process
                os.posix_fallocate(self._file.fileno(), 0, size)
            except OSError:
                self._file.close()
                raise
            budget.disk -= size
            self._values = np.memmap(self._file, kind, "w+", shape=(capacity, *shape))

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    @property
    def rounds(self) -> bool:
        """Whether a row comes back other than it was put."""
        return self._values.dtype != np.float32

    def put(self, keys: Sequence[Key], values: Floats) -> None:
        """Keep a row for each key."""
        self._append(keys, rounded(values, self._values.dtype))

    def put_content(self, key: Key, content: bytes) -> None:
        """Keep a row that `content` gave, of this table or of one like it."""
        self._append([key], np.frombuffer(content, self._values.dtype).reshape(1, *self._shape))

    def _append(self, keys: Sequence[Key], rows: npt.NDArray[Any]) -> None:
        first = len(self._rows)
        self._values[first : first + len(keys)] = rows
        self._rows.update((key, first + number) for number, key in enumerate(keys))

    def content(self, key: Key) -> bytes:
        """Return the bytes of a row as it is kept."""
        return bytes(self._values[self._rows[key]].tobytes())

    def take(self, keys: Sequence[Key]) -> Floats:
        """Return the rows of keys, float32 of shape (number of keys, …)."""
        return self._values[[self._rows[key] for key in keys]].astype(np.float32, copy=False)

    def close(self) -> None:
        """Give the space back."""
        if self._file is None:
            self._budget.memory += self._size
        else:
            self._budget.disk += self._size
            self._file.close()


def row_bytes(shape: tuple[int, ...], kind: np.dtype[Any]) -> int:
    """Return how many bytes a row takes."""
    return kind.itemsize * math.prod(shape)


def rounded(values: Floats, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return values as numbers of a kind; what is too large for it becomes its largest finite number."""
    if kind == values.dtype:
        return values
    largest = np.finfo(kind).max
    return np.clip(values, -largest, largest).astype(kind)
