"""The exchange over MXNet's parameter server (`dist_sync`), which is in its wheel: nothing is to be installed.

The server adds up what all workers push. So that no sum depends on who comes first, each shard has a row of its own in
what is pushed, and in the rows of others a worker pushes -0.0, which added to a number leaves it as it is, whatever its
sign. Bytes travel as numbers from 0 to 65535, two bytes in each.

MXNet reads its variables (`group.py`) when it is imported; in a scheduler and a server that import works for the group
until the workers are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from runtime.distribution.exchange import Row

_CHUNK = 200_000  # numbers of a shard in one key: many keys are on their way at once
_SHORT = 64  # numbers that a text begins with; most are no longer
_HALF = 1 << 16  # what two bytes can say; float32 holds it exactly
_NOTHING = np.float32(-0.0)


def serve() -> None:
    """Be the scheduler or the server until the workers are done."""
    with suppress(SystemExit):
        import runtime.backend.mx  # noqa: F401


class KvExchange:
    """What the workers of a parameter server exchange. Ranks are ours: MXNet gives them out by arrival."""

    def __init__(self, rank: int, workers: int) -> None:
        """Wait until all workers are there."""
        from runtime.backend.mx import mx

        self.rank, self.workers = rank, workers
        self._mx = mx
        self._store: Any = mx.kv.create("dist_sync")
        self._keys: dict[tuple[int, int, int], int] = {}

    def gather(self, rows: Mapping[int, Row], shards: int) -> list[Row]:
        """Return the rows of all shards in order, bit for bit."""
        length = len(next(iter(rows.values()), ()))
        if shards < self.workers:  # some have none, and do not know how long they are
            length = self._longest(length)
        all_rows = np.full((shards, length), _NOTHING, np.float32)
        for shard, row in rows.items():
            all_rows[shard] = row
        return list(self._summed(all_rows))

    def _longest(self, length: int) -> int:
        lengths = np.full((self.workers, 2), _NOTHING, np.float32)
        lengths[self.rank] = divmod(length, _HALF)
        return max(int(high) * _HALF + int(low) for high, low in self._summed(lengths))

    def share(self, value: bytes | None) -> bytes:
        """Return rank 0's bytes on every worker."""
        sent = _as_numbers(value or b"") if self.rank == 0 else None
        first = self._shared(sent, 0, _SHORT)
        count = int(first[0]) * _HALF + int(first[1])
        numbers = 2 + (count + 1) // 2
        found = [first, *(self._shared(sent, start, _CHUNK) for start in range(_SHORT, numbers, _CHUNK))]
        content: bytes = np.concatenate(found)[2:numbers].astype(np.uint16).tobytes()
        return content[:count]

    def _shared(self, sent: Row | None, start: int, length: int) -> Row:
        part = np.full((1, length), _NOTHING, np.float32)
        if sent is not None:
            own = sent[start : start + length]
            part[0, : len(own)] = own
        shared: Row = self._summed(part)[0]
        return shared

    def close(self) -> None:
        """Wait for all workers, and end the server and the scheduler."""
        self._store._barrier()
        self._store = None

    def _summed(self, values: Row) -> Row:
        """Return the sum over the workers of arrays (K, n)."""
        shards, length = values.shape
        parts = [(start, values[:, start : start + _CHUNK]) for start in range(0, length, _CHUNK)]
        sent = [self._mx.nd.array(part, dtype=np.float32) for _, part in parts]
        for (start, part), array in zip(parts, sent, strict=True):
            self._store.pushpull(self._key(shards, start, part.shape[1]), array, out=array, priority=-start)
        summed: Row = np.concatenate([array.asnumpy() for array in sent], axis=1)
        return summed

    def _key(self, shards: int, start: int, length: int) -> int:
        known = (shards, start, length)
        if known not in self._keys:
            self._keys[known] = len(self._keys)
            self._store.init(self._keys[known], self._mx.nd.zeros((shards, length)))
        return self._keys[known]


def _as_numbers(content: bytes) -> Row:
    """Return bytes as numbers of two bytes each, behind two that say how many bytes they are."""
    numbers = np.frombuffer(content + b"\0" * (len(content) % 2), np.uint16)
    found: Row = np.concatenate([np.array(divmod(len(content), _HALF)), numbers]).astype(np.float32)
    return found
