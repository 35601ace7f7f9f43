"""The part of each batch that one worker computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """A batch is cut into `shards` equal parts, contiguous; those of a worker are `own`. By default, a whole batch."""

    shards: int = 1
    own: range = range(1)

    def size(self, batch: int) -> int:
        """Return how many images a shard of a batch has."""
        return batch // self.shards

    def slices(self, batch: int) -> list[slice]:
        """Return where the own shards of a batch are."""
        size = self.size(batch)
        return [slice(shard * size, (shard + 1) * size) for shard in self.own]

    def of(self, items: Sequence[T], batch: int) -> Sequence[T]:
        """Return what belongs to the own shards of batches that follow one another, whole ones all."""
        if len(self.own) == self.shards:
            return items
        size = self.size(batch)
        return [item for number, item in enumerate(items) if number % batch // size in self.own]


WHOLE = Share()
