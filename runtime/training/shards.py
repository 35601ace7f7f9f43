"""The gradients of a step whose batches are cut into shards: one shard after another, summed in their order.

In go a step's batches, cut, and what computes the gradients of some of them; out come the losses of all images, and the
sums of all shards in the gradients, whoever computed which. A row that travels is a shard's gradients, the statistics
that its norms came to, and its losses, float32, one behind another.

Each shard begins a step with the same statistics of norms and normalizes by its own images; the step's new statistics
are the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.backend.mx import array, nd
from runtime.distribution.exchange import Exchange
from runtime.distribution.share import Share

T = TypeVar("T")
Compute = Callable[[Sequence[T], int], Any]
"""Leaves the gradients of batches of a shard, summed, and returns the loss of each image."""


@dataclass(frozen=True, slots=True, eq=False)
class ShardedStep:
    """Computes the gradients of `params` by shard; `moving` are the statistics of norms that train.

    `images` is how many a step has.
    """

    share: Share
    exchange: Exchange
    params: Sequence[Any]
    moving: Sequence[Any]
    images: int

    def __call__(self, pieces: Sequence[T], compute: Compute[T]) -> Any:
        """Return the loss of each image of a step, shard by shard; leave the gradients and the statistics.

        `pieces` are the own shards of each batch, batch by batch.
        """
        own, before = self.share.own, self._statistics()
        shards = []
        for place, shard in enumerate(own):
            if place:
                self._put(before)
            loss = compute(pieces[place :: len(own)], shard)
            found = [*(param.grad() for param in self.params), *self._statistics()]
            shards.append([*(each if place + 1 == len(own) else each.copy() for each in found), loss])
        if self.exchange.workers > 1:
            shards = self._exchanged(dict(zip(own, shards, strict=True)), before)
        return self._summed(shards, before)

    def _statistics(self) -> list[Any]:
        if not self.moving:
            return []
        nd.waitall()  # MXNet moves them behind the back of its engine
        return [each.data().copy() for each in self.moving]

    def _put(self, statistics: Sequence[Any]) -> None:
        for parameter, values in zip(self.moving, statistics, strict=True):
            parameter.set_data(values)

    def _exchanged(self, own: dict[int, list[Any]], before: Sequence[Any]) -> list[list[Any]]:
        """Return the arrays of all shards in order."""
        rows = {shard: nd.concat(*(each.reshape(-1) for each in found), dim=0) for shard, found in own.items()}
        gathered = self.exchange.gather({shard: row.asnumpy() for shard, row in rows.items()}, self.share.shards)
        losses = (self.images // self.share.shards,)
        shapes = [*(param.shape for param in self.params), *(each.shape for each in before), losses]
        return [_parted(row, shapes, self.params[0].data().context) for row in gathered]

    def _summed(self, shards: Sequence[Sequence[Any]], before: Sequence[Any]) -> Any:
        count, moving = len(self.params), len(self.moving)
        for place, param in enumerate(self.params):
            total = shards[0][place]
            for found in shards[1:]:
                total = total + found[place]
            total.copyto(param.grad())
        if moving:
            changes = [sum(found[count + n] - before[n] for found in shards) for n in range(moving)]
            self._put([start + change / len(shards) for start, change in zip(before, changes, strict=True)])
        return nd.concat(*(found[-1] for found in shards), dim=0)


def _parted(row: Any, shapes: Sequence[tuple[int, ...]], context: Any) -> list[Any]:
    flat, begin, found = array(row, ctx=context), 0, []
    for shape in shapes:
        size = 1
        for side in shape:
            size *= side
        found.append(flat[begin : begin + size].reshape(shape))
        begin += size
    return found
