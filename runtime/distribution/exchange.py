"""How the workers of one run speak: `Exchange`, which each engine implements, and `Alone`, a run in one process.

Each worker runs the whole program: it lists the same images, compiles the same plan, takes the same steps and makes the
same updates, so that weights and the optimizer's state are equal everywhere and are never sent. It computes only its
own shards of a batch, `own_shards`. The calls are collective: all workers make the same ones in the same order, and a
call returns when all have made it.

- Of each step (each pass of it, where `sam` makes two): `gather`, once, with one row for each own shard. A row holds
  the shard's gradients, the statistics of its norms and its losses. Every worker sums the rows of all shards in order.
- Of frozen features and of evaluations: `gather`, with `shards` the number of workers and one row for each: a batch's
  output. Each worker computes its own batches.
- Before each batch, behind each step and at each evaluation: `share`, of what rank 0 has decided (`should_stop`,
  whether a checkpoint is due, the values of validation, the checkpoint to resume from). It is a few bytes, but often:
  it has to be cheap.

What is wrong in one worker must not leave others waiting: an implementation notices that a worker has gone, and ends
its own process or raises a `RecipeError` within seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # commands come here before NumPy may be loaded
    import numpy as np
    import numpy.typing as npt

    Row = npt.NDArray[np.float32]


class Exchange(Protocol):
    """What connects the workers of a run. Rank 0 leads: only it writes, tells and evaluates for the record."""

    @property
    def rank(self) -> int:
        """The number of this worker, from 0."""

    @property
    def workers(self) -> int:
        """How many workers there are."""

    def gather(self, rows: Mapping[int, Row], shards: int) -> list[Row]:
        """Return the rows of all shards in order, bit for bit, on every worker.

        `rows` are those of this worker by number, of `own_shards(shards, rank, workers)`: float32 (n,), all of one
        length, which may be another one at the next call. What is returned may be overwritten by the next call.
        """

    def share(self, value: bytes | None) -> bytes:
        """Return rank 0's bytes on every worker; the `value` of others is not looked at, and may be None."""

    def close(self) -> None:
        """Leave in order: the run has ended here, well or not. Others that still wait must not do so for ever."""


class Alone:
    """A run in one process."""

    rank = 0
    workers = 1

    def gather(self, rows: Mapping[int, Row], shards: int) -> list[Row]:
        """Return the rows in order: all of them are here."""
        return [rows[number] for number in range(shards)]

    def share(self, value: bytes | None) -> bytes:
        """Return the value."""
        return value or b""

    def close(self) -> None:
        """Do nothing."""


ALONE: Exchange = Alone()


def own_shards(shards: int, rank: int, workers: int) -> range:
    """Return the shards of a worker: contiguous, and no worker has more than one more than another.

    Where there are fewer shards than workers, some have none.
    """
    return range(shards * rank // workers, shards * (rank + 1) // workers)
