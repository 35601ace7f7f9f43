"""One process of an engine, which trains a toy: `worker_toy.py ENGINE SHARDS [HOST PORT WORKERS ROLE RANK]`.

Rank 0 prints the digest of the weights, which is that of `trained(Alone())`, and all print how the group ended.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256

import numpy as np

from runtime.distribution.exchange import Alone, Exchange, own_shards
from runtime.distribution.group import JOIN, GroupOptions
from runtime.distribution.heartbeat import Heard

STEPS = 4
LENGTHS = (7, 250_001)  # of the weights; the second takes several messages of a parameter server


def trained(exchange: Exchange, shards: int) -> str:
    """Return the digest of weights after some steps, in which each sign of zero counts, and of what was shared."""
    digest = sha256()
    for length in LENGTHS:
        weights = np.zeros(length, np.float32)
        for step in range(STEPS):
            own = own_shards(shards, exchange.rank, exchange.workers)
            rows = {shard: gradient(weights, step, shard) for shard in own}
            for row in exchange.gather(rows, shards):
                weights = weights * np.float32(0.9) - row
                digest.update(row.tobytes())
        digest.update(weights.tobytes())
    for length in (0, 1, 126, 127, 500_001):
        said = np.random.RandomState(length).bytes(length)
        digest.update(exchange.share(said if exchange.rank == 0 else None))
    return digest.hexdigest()


def gradient(weights: np.ndarray, step: int, shard: int) -> np.ndarray:
    found = np.random.RandomState(100 * step + shard).randn(len(weights)).astype(np.float32) + weights
    found[::3] = (-0.0, 0.0, 1e-42)[(step + shard) % 3]
    return found


def ended(reason: str, is_told: bool) -> None:
    print(f"ended: {reason}", flush=True)
    os._exit(75)


def main(engine: str, shards: str, *where: str) -> None:
    options = GroupOptions()
    if where:
        host, port, workers, role, rank = where
        options = GroupOptions(role, (host, int(port)), int(workers), int(rank) if rank else None)
    group = JOIN[engine](options, Heard(ended))
    if group.rank is None:
        from runtime.distribution.kvstore import serve

        serve()
    else:
        exchange = group.exchange()
        digest = trained(exchange, int(shards))
        if group.leads:
            print(digest, flush=True)
        exchange.close()
    group.heartbeat.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])

__all__ = ["Alone", "trained"]
