"""Frozen features of one run computed by all of its workers: each computes a part, and then all have all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from runtime.distribution.exchange import Exchange
from runtime.features.store import Floats, Key, Table

_TOGETHER = 8  # batches of a worker between two exchanges


def fill_spread(
    table: Table,
    keys: Sequence[Key],
    batch: int,
    compute: Callable[[Sequence[Key]], Iterator[tuple[int, int]]],
    exchange: Exchange,
) -> Iterator[tuple[int, int]]:
    """Compute what some worker does not have yet of `keys`; yield how many are done, and of how many.

    `compute` puts the rows of keys into the table. All workers yield as often.
    """
    missing = _missing(table, keys, exchange)
    done, total = 0, len(missing)
    while done < total:
        left = -(-(total - done) // batch)
        size = batch * min(_TOGETHER, -(-left // exchange.workers))
        parts = [missing[first : first + size] for first in range(done, done + exchange.workers * size, size)]
        own = parts[exchange.rank]
        for _ in compute(own):
            pass
        _exchange(table, parts, size, exchange)
        done += sum(map(len, parts))
        yield done, total


def _missing(table: Table, keys: Sequence[Key], exchange: Exchange) -> list[Key]:
    """Return the keys that are not everywhere: what is kept on one machine need not be on another."""
    lacking = np.fromiter((key not in table for key in keys), np.float32, len(keys))
    anywhere = np.any(exchange.gather({exchange.rank: lacking}, exchange.workers), axis=0)
    return [key for key, is_lacking in zip(keys, anywhere, strict=True) if is_lacking]


def _exchange(table: Table, parts: Sequence[Sequence[Key]], size: int, exchange: Exchange) -> None:
    shapes = [each.shape[1:] for each in table.take(())]
    mine = [np.zeros((size, *shape), np.float32) for shape in shapes]
    for whole, rows in zip(mine, table.take(parts[exchange.rank]), strict=True):
        whole[: len(rows)] = rows
    found = exchange.gather({exchange.rank: np.concatenate(mine, axis=None)}, exchange.workers)
    for part, row in zip(parts, found, strict=True):
        new = [number for number, key in enumerate(part) if key not in table]
        table.put([part[number] for number in new], [each[new] for each in _arrays(row, size, shapes)])


def _arrays(row: Floats, size: int, shapes: Sequence[tuple[int, ...]]) -> Iterator[Floats]:
    begin = 0
    for shape in shapes:
        count = size * int(np.prod(shape, dtype=np.int64))
        yield row[begin : begin + count].reshape(size, *shape)
        begin += count
