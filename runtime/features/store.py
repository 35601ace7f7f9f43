"""Where a run keeps what frozen parts make of images: rows by key, in memory or in a temporary file.

A row is one array, or several: the feature maps that a head takes. In go float32 with the set, image and view that they
are of; they come back as float32, exactly as they were or rounded to half precision. `Budget` bounds the bytes of all
tables together.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.data.transforms.views import View
from runtime.system.spill import Budget

Key = tuple[str, str, View]  # set and what is done to its images, sample, view
Shapes = Sequence[tuple[int, ...]]  # of one row's arrays
Floats = npt.NDArray[np.float32]

MEMORY_BYTES = 2**30
DISK_BYTES = 16 * 2**30

KINDS: Mapping[str, np.dtype[Any]] = {"full": np.dtype(np.float32), "half": np.dtype(np.float16)}  # a recipe's words


def whole_budget() -> Budget:
    """Return the room that the features of a run have."""
    return Budget(MEMORY_BYTES, DISK_BYTES)


class Table:
    """Rows by key, in memory or, over the budget, in a file that is mapped into memory.

    `shapes` are those of a row's arrays, `kind` is how they are kept. Making it raises `OSError` where the disk has no
    room.
    """

    def __init__(self, shapes: Shapes, capacity: int, budget: Budget, kind: np.dtype[Any]) -> None:
        size = row_bytes(shapes, kind) * capacity
        self.capacity = capacity
        self._rows: dict[Key, int] = {}
        self._budget = budget
        self._size, self._file, self._kind = size, None, kind
        if size <= budget.memory:
            budget.memory -= size
            self._arrays: list[npt.NDArray[Any]] = [np.empty((capacity, *shape), kind) for shape in shapes]
            return  # pages come as they are written
        self._file = budget.file("features")
        try:  # a full disk says so here; behind a mapping it would kill the process
            os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError:
            self._file.close()
            raise
        budget.disk -= size
        self._arrays = []
        begin = 0
        for shape in shapes:
            self._arrays.append(np.memmap(self._file, kind, "r+", begin, (capacity, *shape)))
            begin += self._arrays[-1].nbytes

    def emptied(self, capacity: int, budget: Budget) -> Table:
        """Return a table of such rows that has none, with room for so many."""
        return Table([kept.shape[1:] for kept in self._arrays], capacity, budget, self._kind)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    @property
    def rounds(self) -> bool:
        """Whether a row comes back other than it was put."""
        return self._kind != np.float32

    @property
    def left(self) -> int:
        """How many rows it can take yet."""
        return self.capacity - len(self._rows)

    def put(self, keys: Sequence[Key], values: Sequence[Floats]) -> None:
        """Keep a row for each key; `values` are the rows' arrays, each of shape (number of keys, …)."""
        self._append(keys, [rounded(each, self._kind) for each in values])

    def put_content(self, key: Key, content: bytes) -> None:
        """Keep a row that `content` gave, of this table or of one like it."""
        values, begin = [], 0
        for kept in self._arrays:
            found = np.frombuffer(content, self._kind, kept[0].size, begin)
            values.append(found.reshape(1, *kept.shape[1:]))
            begin += found.nbytes
        self._append([key], values)

    def _append(self, keys: Sequence[Key], values: Sequence[npt.NDArray[Any]]) -> None:
        first = len(self._rows)
        for kept, new in zip(self._arrays, values, strict=True):
            kept[first : first + len(keys)] = new
        self._rows.update((key, first + number) for number, key in enumerate(keys))

    def copy_from(self, other: Table) -> None:
        """Take all rows of a table of the same kind, which has no more than there is room for."""
        count = len(other._rows)
        for kept, known in zip(self._arrays, other._arrays, strict=True):
            kept[:count] = known[:count]
        self._rows = dict(other._rows)

    def content(self, key: Key) -> bytes:
        """Return the bytes of a row as it is kept."""
        return b"".join(kept[self._rows[key]].tobytes() for kept in self._arrays)

    def take(self, keys: Sequence[Key]) -> tuple[Floats, ...]:
        """Return the arrays of the rows of keys, float32 of shape (number of keys, …)."""
        rows = [self._rows[key] for key in keys]
        return tuple(kept[rows].astype(np.float32, copy=False) for kept in self._arrays)

    def close(self) -> None:
        """Give the space back."""
        if self._file is None:
            self._budget.memory += self._size
        else:
            self._budget.disk += self._size
            self._file.close()


class Tables:
    """Tables that outlive a run, for runs of one process over the same images: the trials of a search.

    Each is kept by its identity, all that its rows' bits depend on. `begin` says that another run begins; where there
    is no room, tables go that it has not asked for.
    """

    def __init__(self) -> None:
        self._budget = whole_budget()
        self._tables: dict[str, Table] = {}
        self._asked: set[str] = set()

    def begin(self) -> None:
        """Take notice of the beginning of a run."""
        self._asked.clear()

    def table(self, identity: str, shapes: Shapes, rows: int, kind: np.dtype[Any]) -> Table | None:
        """Return the table of an identity with room for so many more rows; None where that cannot be had.

        Raises:
            OSError: the disk has no room.
        """
        self._asked.add(identity)
        found = self._tables.get(identity)
        if found is not None and found.left >= rows:
            return found
        known = found.capacity - found.left if found else 0
        size = row_bytes(shapes, kind)
        while not self._budget.fits(size * (known + rows)) and (idle := self._idle()):
            self._tables.pop(idle).close()
        if found is not None and not self._budget.fits(size * (known + rows)):
            self._tables.pop(identity).close()
            found, known = None, 0
        if not self._budget.fits(size * rows):
            return None
        spare = rows if found is None and self._budget.memory >= 2 * size * rows else 0  # another run asks for as many
        table = Table(shapes, known + rows + spare, self._budget, kind)
        if found is not None:
            table.copy_from(found)
            found.close()
        self._tables[identity] = table
        return table

    def _idle(self) -> str | None:
        return next((each for each in self._tables if each not in self._asked), None)

    def close(self) -> None:
        """Give the space back."""
        for table in self._tables.values():
            table.close()
        self._tables.clear()


def row_bytes(shapes: Shapes, kind: np.dtype[Any]) -> int:
    """Return how many bytes a row takes."""
    return kind.itemsize * sum(math.prod(shape) for shape in shapes)


def rounded(values: Floats, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return values as numbers of a kind; what is too large for it becomes its largest finite number."""
    if kind == values.dtype:
        return values
    largest = np.finfo(kind).max
    return np.clip(values, -largest, largest).astype(kind)
