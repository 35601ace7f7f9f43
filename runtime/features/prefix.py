"""What the frozen part of a network makes of an image, computed once.

A stage's frozen prefix always gives the same for the same image. `Prefix` runs it in predict mode, fused, and keeps
what it gave by set, image and view; the stage's epochs, its evaluations and later stages take it from there.

How it works. The prefix is cut into levels: one ends where this stage begins to train, and one at each earlier place
where a later stage will, so that the later stage's input is kept on the way. A level has a function (its piece of the
network, made when it first runs), a table of this run, and with a cache a table on the disk. `fill` asks from the top
down: what the last level's table or the disk has is done; of the rest, what the level below has starts there; what no
level has is opened, named by its pixels, looked up on the disk once more, and else runs through all levels. What stands
at a place is a tuple of arrays, one for each feature map that what follows takes (`runtime/models/chain.py`): for a
classifier one, for a head over several taps as many.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.mx import array
from runtime.data.fingerprints import pixels_key
from runtime.distribution.exchange import ALONE, Exchange
from runtime.features.spread import fill_spread
from runtime.features.store import Key, Table
from runtime.system.cache.disk import CachedRows

Pixels = npt.NDArray[np.uint8]
Values = tuple[Any, ...]  # NDArrays of one batch: what stands at a place of the network


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A piece of the prefix, from one cut to the next, and what is kept of its output: by this run, and on the disk."""

    end: int
    run: Callable[[Values], Values]
    table: Table | None
    cached: CachedRows | None = None

    def fetch(self, names: Mapping[Key, Sequence[bytes]]) -> None:
        """Take from the disk what is there under one of a key's names."""
        if self.table is None or self.cached is None:
            return
        for key in [key for key in names if key not in self.table]:
            row = next((row for name in names[key] if (row := self.cached.load(name)) is not None), None)
            if row is not None:
                self.table.put_content(key, row)


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The frozen prefix of a stage. `levels` are in the order in which they run; the last gives the stage's input."""

    levels: tuple[Level, ...]
    batch: int
    context: Any
    to_input: Callable[[Pixels], Any]
    exchange: Exchange = ALONE

    @property
    def keeps(self) -> bool:
        """Whether what the prefix gives is kept."""
        return bool(self.levels) and self.levels[-1].table is not None

    def __call__(self, images: Pixels) -> Values:
        """Run a batch of uint8 images (N, H, W, 3), or a shard of one, through the prefix; nothing is kept."""
        values: Values = (self.to_input(images),)
        for level in self.levels:
            values = level.run(values)
        return values

    def fill(
        self,
        keys: Sequence[Key],
        images: Callable[[Sequence[Key]], Generator[Pixels, None, None]],
        origin: Callable[[Key], bytes | None],
    ) -> Iterator[tuple[int, int]]:
        """Compute what is not kept yet of `keys`; yield how many are done, and of how many.

        `images` gives the batches of uint8 images (N, H, W, 3) of keys; `origin` names an image without opening it
        (`runtime/data/fingerprints.py`). Where a run has several workers, each computes a part.
        """
        top = self.levels[-1].table
        if self.exchange.workers == 1 or top is None:
            yield from self._fill(keys, images, origin)
            return
        each = list(dict.fromkeys(keys))
        self.levels[-1].fetch(self._names([key for key in each if key not in top], origin))
        yield from fill_spread(top, each, self.batch, lambda own: self._fill(own, images, origin), self.exchange)

    def _fill(
        self,
        keys: Sequence[Key],
        images: Callable[[Sequence[Key]], Generator[Pixels, None, None]],
        origin: Callable[[Key], bytes | None],
    ) -> Iterator[tuple[int, int]]:
        top = self.levels[-1].table
        assert top is not None
        missing = [key for key in dict.fromkeys(keys) if key not in top]
        names = self._names(missing, origin)
        self.levels[-1].fetch(names)
        missing = [key for key in missing if key not in top]
        done, total = 0, len(missing)
        for start in range(len(self.levels) - 1, -1, -1):
            known, missing = self._known(start, missing, names)
            for chunk, values in self._kept(start, known) if start else self._opened(known, images, names):
                if values is not None:
                    self._up(start, chunk, values, names)
                done += len(chunk)
                yield done, total

    def _names(self, keys: Sequence[Key], origin: Callable[[Key], bytes | None]) -> dict[Key, tuple[bytes, ...]]:
        """Return the names on the disk of each key, as far as they are known before its image is opened."""
        if all(level.cached is None for level in self.levels):
            return dict.fromkeys(keys, ())
        return {key: () if (name := origin(key)) is None else (name,) for key in keys}

    def _known(self, start: int, keys: list[Key], names: Mapping[Key, Sequence[bytes]]) -> tuple[list[Key], list[Key]]:
        """Part the keys into those whose input to a level is there, and the others."""
        if start == 0:
            return keys, []
        level = self.levels[start - 1]
        if level.table is None:
            return [], keys
        level.fetch({key: names[key] for key in keys})
        return [key for key in keys if key in level.table], [key for key in keys if key not in level.table]

    def _kept(self, start: int, keys: Sequence[Key]) -> Iterator[tuple[Sequence[Key], Values]]:
        for first in range(0, len(keys), self.batch):
            chunk = keys[first : first + self.batch]
            yield chunk, self._rows_of(self.levels[start - 1], chunk)

    def _opened(
        self,
        keys: Sequence[Key],
        images: Callable[[Sequence[Key]], Generator[Pixels, None, None]],
        names: dict[Key, tuple[bytes, ...]],
    ) -> Iterator[tuple[Sequence[Key], Values | None]]:
        """Yield batches of keys with their input; without it those whose pixels the disk turns out to know."""
        waiting: list[tuple[Key, Pixels]] = []
        for first, batch in zip(range(0, len(keys), self.batch), images(keys), strict=True):
            chunk = dict(zip(keys[first : first + self.batch], batch, strict=False))  # the batch is padded
            if found := self._recognized(chunk, names):
                yield found, None
            waiting += [(key, pixels) for key, pixels in chunk.items() if key not in found]
            if len(waiting) >= self.batch:
                yield self._batch(waiting[: self.batch])
                waiting = waiting[self.batch :]
        if waiting:
            yield self._batch(waiting)

    def _recognized(self, chunk: Mapping[Key, Pixels], names: dict[Key, tuple[bytes, ...]]) -> Sequence[Key]:
        """Name images by their pixels; take from the disk, and return, those that it knows under that name."""
        top = self.levels[-1]
        if all(level.cached is None for level in self.levels) or top.table is None:
            return ()
        names.update({key: (*names[key], pixels_key(pixels)) for key, pixels in chunk.items()})
        top.fetch({key: names[key] for key in chunk})
        found = [key for key in chunk if key in top.table]
        if top.cached is not None:  # the next run need not open them
            top.cached.add([(names[key], top.table.content(key)) for key in found])
        return found

    def _batch(self, images: Sequence[tuple[Key, Pixels]]) -> tuple[Sequence[Key], Values]:
        pixels = np.stack([each for _, each in images])
        return [key for key, _ in images], (self.to_input(padded(pixels, self.batch)),)

    def _up(self, start: int, keys: Sequence[Key], values: Values, names: Mapping[Key, Sequence[bytes]]) -> None:
        """Run a batch through the levels from `start` on, and keep what each gives."""
        for level in self.levels[start:]:
            values = level.run(values)
            if level.table is not None:
                new = [number for number, key in enumerate(keys) if key not in level.table]
                level.table.put([keys[number] for number in new], [each.asnumpy()[new] for each in values])
                if level.cached is not None:
                    level.cached.add([(names[keys[n]], level.table.content(keys[n])) for n in new])
                if level.table.rounds:  # what follows is the same whether it starts from here or from what is kept
                    values = self._rows_of(level, keys)

    def take(self, keys: Sequence[Key], count: int = 0) -> Values:
        """Return what is kept of keys, padded to `count` rows or a full batch, as NDArrays."""
        return self._rows_of(self.levels[-1], keys, count)

    def _rows_of(self, level: Level, keys: Sequence[Key], count: int = 0) -> Values:
        assert level.table is not None
        return tuple(array(padded(rows, count or self.batch), ctx=self.context) for rows in level.table.take(keys))


def padded(rows: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """Repeat the last row until there are `count`: one shape for all batches, so that a graph is planned once."""
    missing = count - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows
