"""Rows of bytes on the disk, found by key, appended to by several processes, and never trusted unchecked.

A folder holds two files that only grow. `rows` has rows of one width. Each record of `index` has a key, the number of
a row, and a checksum of the two and the row. A record is written after its row, and a row counts only when it fits
the checksum: whatever a crash, a full disk or a damaged file leaves is passed over.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

KEY_BYTES = 16
_RECORD = struct.Struct(f"<{KEY_BYTES}sQ8s")
RECORD_BYTES = _RECORD.size

Item = tuple[Sequence[bytes], bytes]  # the keys under which a row is found, the row


class RowFile:
    """The rows of one folder, each `width` bytes long; with a width of 0 it is a set of keys.

    Keys are 16 bytes, from a hash. All methods raise `OSError` where the system refuses.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.width = width
        self._known: dict[bytes, tuple[int, bytes]] = {}  # row number, checksum
        self._read_up_to = 0
        self._index = os.open(folder / "index", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._rows = os.open(folder / "rows", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            os.close(self._index)
            raise
        self.refresh()

    def refresh(self) -> None:
        """Take notice of what other processes have appended."""
        size = os.fstat(self._index).st_size
        whole = size - size % _RECORD.size
        if whole <= self._read_up_to:
            return
        content = _read(self._index, whole - self._read_up_to, self._read_up_to)
        content = content[: len(content) - len(content) % _RECORD.size]
        self._read_up_to += len(content)
        self._known.update((key, (number, check)) for key, number, check in _RECORD.iter_unpack(content))

    def load(self, key: bytes) -> bytes | None:
        """Return the row of a key; None where there is none that fits its checksum."""
        found = self._known.get(key)
        if found is None:
            return None
        number, check = found
        row = _read(self._rows, self.width, number * self.width) if number < 2**48 else b""
        if len(row) == self.width and _checksum(key, number, row) == check:
            return row
        del self._known[key]
        return None

    def append(self, items: Sequence[Item]) -> None:
        """Keep rows. Those that another process has kept meanwhile are not written again.

        When that fails, as on a full disk, the files are as long as before.
        """
        with _locked(self._index):
            self.refresh()
            size = os.fstat(self._rows).st_size
            free = -(-size // self.width) if self.width else 0
            rows, records = bytearray(), bytearray()
            new: dict[bytes, tuple[int, bytes]] = {}
            for keys, row in items:
                number = next((new[key][0] for key in keys if key in new), None)
                if number is None:
                    number = next((self._known[key][0] for key in keys if self.load(key) is not None), None)
                if number is None:
                    number = free + len(rows) // self.width if self.width else 0
                    rows += row
                for key in keys:
                    if key not in new and key not in self._known:
                        new[key] = number, _checksum(key, number, row)
                        records += _RECORD.pack(key, *new[key])
            self._extend(size, free * self.width, bytes(rows), bytes(records))
            self._known |= new

    def _extend(self, size: int, at: int, rows: bytes, records: bytes) -> None:
        end = os.fstat(self._index).st_size
        whole = end - end % _RECORD.size  # the rest is what a crash has left
        try:
            _write(self._rows, rows, at)
            _write(self._index, records, whole)
        except OSError:
            os.ftruncate(self._index, whole)
            os.ftruncate(self._rows, size)
            raise
        if self._read_up_to == whole:
            self._read_up_to += len(records)

    def size(self) -> int:
        """Return the bytes of both files."""
        return os.fstat(self._index).st_size + os.fstat(self._rows).st_size

    def close(self) -> None:
        """Close the files."""
        os.close(self._index)
        os.close(self._rows)


@contextmanager
def _locked(file: int) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _checksum(key: bytes, number: int, row: bytes) -> bytes:
    return blake2b(key + number.to_bytes(8, "little") + row, digest_size=8).digest()


def _read(file: int, count: int, at: int) -> bytes:
    """Read bytes at a place, fewer where the file ends. (A mapping would kill the process there.)"""
    parts = []
    while count and (part := os.pread(file, count, at)):
        parts.append(part)
        count, at = count - len(part), at + len(part)
    return b"".join(parts)


def _write(file: int, content: bytes, at: int) -> None:
    rest = memoryview(content)
    while rest:
        done = os.pwrite(file, rest, at)
        rest, at = rest[done:], at + done
