"""What the frozen part of a network makes of an image, computed once.

A stage's frozen prefix always gives the same for the same image. `Prefix` runs it in predict mode, fused, and keeps
what it gave by set, image and view; the stage's epochs, its evaluations and later stages take it from there. Where a
later stage cuts the network earlier, its input is kept on the way. With a cache, rows come from the disk and go there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.blocks import sequence
from runtime.backend.fingerprint import arithmetic
from runtime.backend.graph_rewrite import fast_graph, predicting_graph
from runtime.backend.mx import array, mx, nd
from runtime.data.fingerprints import pixels_key
from runtime.features.store import KINDS, Budget, Key, Table, row_bytes
from runtime.system.cache.disk import CachedRows, FeatureCache

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A piece of the prefix, from one cut to the next, and what is kept of its output: by this run, and on the disk."""

    end: int
    run: Callable[[Any], Any]
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

    @property
    def keeps(self) -> bool:
        """Whether what the prefix gives is kept."""
        return bool(self.levels) and self.levels[-1].table is not None

    def __call__(self, images: Pixels) -> Any:
        """Run a full batch of uint8 images (N, H, W, 3) through the prefix; nothing is kept."""
        values = self.to_input(images)
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
        (`runtime/data/fingerprints.py`).
        """
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

    def _kept(self, start: int, keys: Sequence[Key]) -> Iterator[tuple[Sequence[Key], Any]]:
        for first in range(0, len(keys), self.batch):
            chunk = keys[first : first + self.batch]
            yield chunk, self._rows_of(self.levels[start - 1], chunk)

    def _opened(
        self,
        keys: Sequence[Key],
        images: Callable[[Sequence[Key]], Generator[Pixels, None, None]],
        names: dict[Key, tuple[bytes, ...]],
    ) -> Iterator[tuple[Sequence[Key], Any]]:
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

    def _batch(self, images: Sequence[tuple[Key, Pixels]]) -> tuple[Sequence[Key], Any]:
        pixels = np.stack([each for _, each in images])
        return [key for key, _ in images], self.to_input(padded(pixels, self.batch))

    def _up(self, start: int, keys: Sequence[Key], values: Any, names: Mapping[Key, Sequence[bytes]]) -> None:
        """Run a batch through the levels from `start` on, and keep what each gives."""
        for level in self.levels[start:]:
            values = level.run(values)
            if level.table is not None:
                new = [number for number, key in enumerate(keys) if key not in level.table]
                level.table.put([keys[number] for number in new], values.asnumpy()[new])
                if level.cached is not None:
                    level.cached.add([(names[keys[n]], level.table.content(keys[n])) for n in new])
                if level.table.rounds:  # what follows is the same whether it starts from here or from what is kept
                    values = self._rows_of(level, keys)

    def take(self, keys: Sequence[Key]) -> Any:
        """Return what is kept of keys, padded to a full batch, as an NDArray."""
        return self._rows_of(self.levels[-1], keys)

    def _rows_of(self, level: Level, keys: Sequence[Key]) -> Any:
        assert level.table is not None
        return array(padded(level.table.take(keys), self.batch), ctx=self.context)


def padded(rows: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """Repeat the last row until there are `count`: one shape for all batches, so that a graph is planned once."""
    missing = count - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows


@dataclass(slots=True)
class Features:
    """Makes the prefixes of a run's stages, and holds what they share.

    `units` are the network's blocks in the order in which they run; `rows` is how many images and views there are.
    `cache` keeps rows for later runs. `identity` are plain values on which a row depends beside the network: how
    pixels become input; `about` is what a list of the cache shows. `precision` is how rows are kept, `full` or `half`.
    """

    units: Sequence[Any]
    batch: int
    size: int
    context: Any
    to_input: Callable[[Pixels], Any]
    fuse: bool = True
    keep: bool = True
    precision: str = "full"
    budget: Budget = field(default_factory=Budget)
    cache: FeatureCache | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    _tables: dict[tuple[int, str], Table] = field(default_factory=dict)
    _cached: list[CachedRows] = field(default_factory=list)
    _plain: dict[int, Any] = field(default_factory=dict)  # what predicts behind a cut; None where layers are joined

    def prefix(self, cut: int, later: Sequence[int], rows: int) -> Prefix:
        """Return the prefix of a stage whose frozen units are the first `cut`.

        `later` are the cuts of the stages to come; `rows` is how many images and views the stage can ask for. What an
        earlier prefix had open in the cache is closed.
        """
        wanted = sorted({each for each in later if 0 < each < cut} | ({cut} if cut else set()))
        digests = self._digests(wanted)
        for key in [key for key in self._tables if key not in digests.items()]:
            self._tables.pop(key).close()
        self.close()
        levels: list[Level] = []
        begin = 0
        ends: tuple[int, ...] = ()
        for end in wanted:
            table = self._table(end, digests[end], rows)
            if table is not None or end == cut:
                ends = (*ends, end)
                cached = self._open(ends, digests[end], rows) if table is not None else None
                levels.append(Level(end, self._piece(begin, end), table, cached))
                begin = end
        return Prefix(tuple(levels), self.batch, self.context, self.to_input)

    def training(self, cut: int) -> Any:
        """Return the network behind its first `cut` units, hybridized, as a stage trains it."""
        blocks = self.units[cut:]
        self._unjoined(cut)  # tried with the weights of now: those of a later time may be no numbers
        return fast_graph(blocks, (self.batch, *self._input(cut)), self.context) if self.fuse else one_by_one(blocks)

    def predicting(self, cut: int) -> Any:
        """Return the network behind its first `cut` units for prediction, with the weights that it has now."""
        plain = self._unjoined(cut)
        return joined(self.units[cut:], (self.batch, *self._input(cut)), self.context) if plain is None else plain

    def _unjoined(self, cut: int) -> Any:
        """Return what predicts behind a cut layer by layer; None where its layers can be joined."""
        if cut not in self._plain:
            blocks = self.units[cut:]
            joins = self.fuse and _convolves(blocks) and can_be_joined(blocks, self._input(cut), self.context)
            self._plain[cut] = None if joins else one_by_one(blocks)
        return self._plain[cut]

    def _input(self, cut: int) -> tuple[int, ...]:
        """Return the shape of what the units behind a cut get of one image."""
        return self._shape(cut) if cut else (3, self.size, self.size)

    def close(self) -> None:
        """Let go of the tables of the cache."""
        for each in self._cached:
            each.close()
        self._cached.clear()

    def _open(self, ends: tuple[int, ...], digest: str, rows: int) -> CachedRows | None:
        """Open the cache's table of what comes out behind the pieces that end at `ends`."""
        if self.cache is None or self.context.device_type != "cpu":
            return None
        end = ends[-1]
        shape = self._shape(end)
        identity = {
            **self.identity,
            "ends": ends,  # what is joined within a piece rounds in its own way
            "parameters": digest,
            "layers": self._layers(end),
            "batch": self.batch,
            "size": self.size,
            "fuse": self.fuse,
            "precision": self.precision,
            "machine": arithmetic(),
        }
        about = {**self.about, "cut": end, "shape": shape, "size": self.size}
        cached = self.cache.open(identity, about, row_bytes(shape, KINDS[self.precision]), rows)
        if cached is not None:
            self._cached.append(cached)
        return cached

    def _layers(self, end: int) -> list[Any]:
        """Return the operations of the first `end` units and how they hang together, without their names."""
        nodes = json.loads(sequence(self.units[:end])(mx.sym.var("data")).tojson())["nodes"]
        found = []
        for node in nodes:
            # Predicting always takes the statistics: whether training would does not matter here.
            attributes = {name: v for name, v in node.get("attrs", {}).items() if name != "use_global_stats"}
            inputs = [each[:2] for each in node["inputs"]]  # the third counts how often a statistic's symbol was used
            found.append([node["op"], attributes, inputs])
        return found

    def _digests(self, ends: Sequence[int]) -> dict[int, str]:
        """Return for each cut a digest of all parameters and statistics before it."""
        nd.waitall()  # oneDNN reorders weights in place while a forward pass runs
        state = hashlib.blake2b(digest_size=16)
        found = {}
        for number, unit in enumerate(self.units[: max(ends, default=0)]):
            for name, parameter in sorted(unit._collect_params_with_prefix().items()):
                state.update(name.encode())
                state.update(parameter.data().asnumpy().tobytes())
            if number + 1 in ends:
                found[number + 1] = state.hexdigest()
        return found

    def _table(self, end: int, digest: str, rows: int) -> Table | None:
        """Return the table of a cut, made where there is none yet; None where nothing is kept or it is too large."""
        if not self.keep:
            return None
        table = self._tables.get((end, digest))
        if table is None:
            shape = self._shape(end)
            kind = KINDS[self.precision]
            if not self.budget.fits(row_bytes(shape, kind) * rows):
                return None
            try:
                table = self._tables[end, digest] = Table(shape, rows, self.budget, kind)
            except OSError as error:
                text = "no room for a temporary file (%s); frozen features are not kept, but computed each time"
                logging.getLogger(__name__).warning(text, error.strerror or error)
                return None
        return table

    def _shape(self, end: int) -> tuple[int, ...]:
        """Return the shape of the output of the first `end` units for one image."""
        symbol = sequence(self.units[:end])(mx.sym.var("data"))
        _, (shape,), _ = symbol.infer_shape(data=(self.batch, 3, self.size, self.size))
        return tuple(shape[1:])

    def _piece(self, begin: int, end: int) -> Callable[[Any], Any]:
        """Return a piece of the network that is made ready when it first runs: all its output may be known."""
        made: list[Any] = []

        def run(values: Any) -> Any:
            if not made:
                made.append(self._ready(begin, end))
            return made[0](values)

        return run

    def _ready(self, begin: int, end: int) -> Any:
        shape, blocks = self._input(begin), self.units[begin:end]
        if self.fuse and can_be_joined(blocks, shape, self.context):
            return joined(blocks, (self.batch, *shape), self.context)
        return one_by_one(blocks)


def _convolves(blocks: Sequence[Any]) -> bool:
    """Whether there is a layer that joining makes faster."""
    return any(len(parameter.shape) == 4 for block in blocks for parameter in block.collect_params().values())


def one_by_one(blocks: Sequence[Any]) -> Any:
    """Return blocks as one network that runs layer by layer."""
    net = sequence(blocks)
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def joined(blocks: Sequence[Any], shape: tuple[int, ...], context: Any) -> Any:
    """Return blocks as one network whose layers are joined, for prediction at one shape (batch, channels, …).

    It copies the weights: those that train must not be in it.

    Raises:
        MXNetError: they cannot be joined.
    """
    net = predicting_graph(blocks, shape, context)
    net.optimize_for(nd.zeros(shape, ctx=context), backend="MKLDNN", static_alloc=True, static_shape=True)
    return net


_JOINED_BOUND = 1e-3  # of the largest output: rounding alone is a hundred times smaller


def can_be_joined(blocks: Sequence[Any], shape: tuple[int, ...], context: Any) -> bool:
    """Whether blocks give the same with their layers joined, tried on one input of noise.

    MXNet 1.9.1 mixes up the weights of some networks with many branches (senet, hrnet); as a rule it refuses then.
    """
    noise = nd.array(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32), ctx=context)
    expected = one_by_one(blocks)(noise).asnumpy()
    try:
        found = joined(blocks, noise.shape, context)(noise).asnumpy()
    except mx.MXNetError:
        return False
    return bool(np.abs(found - expected).max() <= _JOINED_BOUND * np.abs(expected).max())
