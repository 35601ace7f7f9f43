"""The gradients of a step whose batches are cut into shards: one shard after another, summed in their order.

In go a step's batches, cut, and what computes the gradients of some of them; out come the losses of all images, and the
sums of all shards in the gradients, whoever computed which. A row that travels is a shard's gradients, the statistics
that its norms came to, and its losses, float32, one behind another.

Each shard begins a step with the same statistics of norms and normalizes by its own images; the step's new statistics
are the mean of theirs. A stage of one shard has the bits of a step without any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from runtime.backend.mx import array, nd
from runtime.distribution.exchange import Exchange
from runtime.distribution.share import Share

if TYPE_CHECKING:
    from runtime.distribution.exchange import Row

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
        sums, losses, rows = _Sums(self.share.shards), [], {}
        for place, shard in enumerate(own):
            if place:
                self._put(before)
            loss = compute(pieces[place :: len(own)], shard)
            statistics = self._statistics()
            if self.share.shards > 1:
                statistics = [now - start for now, start in zip(statistics, before, strict=True)]
            found = [*(param.grad() for param in self.params), *statistics]
            if self.exchange.workers == 1:
                sums.add(found)
                losses.append(loss)
            else:
                rows[shard] = np.concatenate([each.asnumpy() for each in (*found, loss)], axis=None)
        if self.exchange.workers == 1:
            ends = sums.arrays
        else:
            *ends, losses = self._exchanged(rows, before)
        for param, values in zip(self.params, ends, strict=False):
            if values is not param.grad():
                param.grad()[:] = values
                param.data()._fresh_grad = True  # Gluon's trainer asks for it; a worker may have no shard of its own
        statistics = ends[len(self.params) :]
        if self.share.shards > 1:
            pairs = zip(before, statistics, strict=True)
            statistics = [start + change / self.share.shards for start, change in pairs]
        self._put(statistics)
        return nd.concat(*losses, dim=0)

    def _statistics(self) -> list[Any]:
        if not self.moving:
            return []
        nd.waitall()  # MXNet moves them behind the back of its engine
        return [each.data().copy() for each in self.moving]

    def _put(self, statistics: Sequence[Any]) -> None:
        for parameter, values in zip(self.moving, statistics, strict=True):
            parameter.set_data(values)

    def _exchanged(self, own: Mapping[int, Row], before: Sequence[Any]) -> list[Any]:
        """Return the sums of the arrays of all shards, and the losses of each.

        NumPy adds as MXNet does, to the bit.
        """
        gathered = self.exchange.gather(own, self.share.shards)
        length = self.images // self.share.shards
        total = gathered[0].copy()
        for row in gathered[1:]:
            total += row
        begin, found = 0, list[Any]()
        for shape in (*(param.shape for param in self.params), *(each.shape for each in before)):
            found.append(total[begin : begin + prod(shape)].reshape(shape))
            begin += found[-1].size
        context = self.params[0].data().context
        sums = [*found[: len(self.params)], *(array(each, ctx=context) for each in found[len(self.params) :])]
        return [*sums, [array(row[-length:], ctx=context) for row in gathered]]


@dataclass(slots=True)
class _Sums:
    """Adds up the arrays of `left` shards, in the order in which they come; nothing waits for a result."""

    left: int
    arrays: list[Any] = field(default_factory=list)

    def add(self, found: Sequence[Any]) -> None:
        """Add the arrays of one shard, which the next may overwrite; the last ones become the sums."""
        self.left -= 1
        if not self.arrays:
            self.arrays = [each.copy() for each in found]
        elif self.left:
            for total, each in zip(self.arrays, found, strict=True):
                nd.elemwise_add(total, each, out=total)  # `+=` is twice as slow
        else:
            self.arrays = [
                nd.elemwise_add(total, each, out=each) for total, each in zip(self.arrays, found, strict=True)
            ]
