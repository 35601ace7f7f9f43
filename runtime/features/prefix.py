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

Which rows may be taken for which is decided by `Features` alone: tables of a run are kept by a digest of all weights
before their place, tables of the disk by that and all else that a row's bits depend on (`_open`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.fast_graph import fast_graph, predicting_graph
from runtime.backend.fingerprint import arithmetic
from runtime.backend.mx import array, mx, nd
from runtime.data.fingerprints import pixels_key
from runtime.distribution.exchange import ALONE, Exchange
from runtime.features.spread import fill_spread
from runtime.features.store import KINDS, Key, Shapes, Table, Tables, row_bytes, whole_budget
from runtime.models.chain import Chain
from runtime.plan.size import Size
from runtime.system.cache.disk import CachedRows, FeatureCache
from runtime.system.spill import Budget

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


@dataclass(slots=True)
class Features:
    """Makes the prefixes of a run's stages, and holds what they share.

    `chain` is the network. `cache` keeps rows for later runs. `identity` are plain values on which a row depends beside
    the network: how pixels become input; `about` is what a list of the cache shows. `precision` is how rows are kept,
    `full` or `half`. `teacher` are the features of a network that teaches this one, whose last layer is the last cut.
    `exchange` is with the other workers of the run.
    `lasting` are tables that later runs of this process find again; without it they go with the run.
    """

    chain: Chain
    batch: int
    size: Size
    context: Any
    to_input: Callable[[Pixels], Any]
    fuse: bool = True
    keep: bool = True
    precision: str = "full"
    budget: Budget = field(default_factory=whole_budget)
    cache: FeatureCache | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    teacher: Features | None = None
    exchange: Exchange = ALONE
    lasting: Tables | None = None
    _tables: dict[tuple[int, str], Table] = field(default_factory=dict)
    _cached: list[CachedRows] = field(default_factory=list)
    _plain: dict[int, Any] = field(default_factory=dict)  # what predicts behind a cut; None where layers are joined
    _sized: dict[Size, Features] = field(default_factory=dict)

    def resized(self, sizes: Iterable[Size | None]) -> Mapping[Size, Features]:
        """Return the same for images of other sizes, with which it shares its room; what others took is given back."""
        wanted = [size for size in dict.fromkeys(sizes) if size]
        for size in [size for size in self._sized if size not in wanted]:
            for table in self._sized.pop(size)._tables.values():
                table.close()
        for size in wanted:
            own: dict[str, Any] = {"_tables": {}, "_cached": [], "_plain": {}, "_sized": {}}
            self._sized.setdefault(size, replace(self, size=size, **own))
        return {size: self._sized[size] for size in wanted}

    def prefix(self, cut: int, later: Sequence[int], rows: int) -> Prefix:
        """Return the prefix of a stage whose frozen blocks are the first `cut`.

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
            table = self._table((*ends, end), digests[end], rows)
            if table is not None or end == cut:
                ends = (*ends, end)
                cached = self._open(ends, digests[end], rows) if table is not None else None
                levels.append(Level(end, self._piece(begin, end), table, cached))
                begin = end
        return Prefix(tuple(levels), self.batch, self.context, self.to_input, self.exchange)

    def training(self, cut: int, shards: int = 1) -> Any:
        """Return the network behind its first `cut` blocks, hybridized, as a stage trains it.

        It takes what the prefix gives of a shard of a batch, each array as an argument.
        """
        self._unjoined(cut)  # tried with the weights of now: those of a later time may be no numbers
        net = self.chain.net(cut, self._end)
        if not self.fuse:
            return one_by_one(net)
        return fast_graph(
            net, self._batches(cut, self._end, self.batch // shards), self.context, joins_maps=bool(self.chain.taps)
        )

    def predicting(self, cut: int) -> Any:
        """Return the network behind its first `cut` blocks for prediction, with the weights that it has now."""
        plain = self._unjoined(cut)
        return self._joined(cut, self._end) if plain is None else plain

    def _unjoined(self, cut: int) -> Any:
        """Return what predicts behind a cut layer by layer; None where its layers can be joined."""
        if cut not in self._plain:
            net = self.chain.net(cut, self._end)
            joins = self.fuse and _convolves(net) and self._can_be_joined(cut, self._end)
            self._plain[cut] = None if joins else one_by_one(net)
        return self._plain[cut]

    @property
    def _end(self) -> int:
        return len(self.chain.blocks)

    def close(self) -> None:
        """Let go of the tables of the cache."""
        for each in self._cached:
            each.close()
        self._cached.clear()
        if self.teacher is not None:
            self.teacher.close()
        for sized in self._sized.values():
            sized.close()

    def _open(self, ends: tuple[int, ...], digest: str, rows: int) -> CachedRows | None:
        """Open the cache's table of what comes out behind the pieces that end at `ends`."""
        if self.cache is None or self.context.device_type != "cpu":
            return None
        end = ends[-1]
        shapes = self._shapes(end)
        about = {**self.about, "cut": end, "shape": shapes[0] if len(shapes) == 1 else shapes, "size": self.size.plain}
        size = row_bytes(shapes, KINDS[self.precision])
        cached = self.cache.open(self._row_identity(ends, digest), about, size, rows)
        if cached is not None:
            self._cached.append(cached)
        return cached

    def _row_identity(self, ends: tuple[int, ...], digest: str) -> dict[str, Any]:
        """Return all that the bits of a row depend on behind the pieces that end at `ends`."""
        end = ends[-1]
        identity = {
            **self.identity,
            "ends": ends,  # what is joined within a piece rounds in its own way
            "parameters": digest,
            "layers": self._layers(end),
            "batch": self.batch,
            "size": self.size.plain,
            "fuse": self.fuse,
            "precision": self.precision,
            "machine": arithmetic(),
        }
        if len(self._shapes(end)) > 1:
            identity["taps"] = self.chain.live(end)
        return identity

    def _layers(self, end: int) -> list[Any]:
        """Return the operations of the first `end` blocks and how they hang together, without their names."""
        nodes = json.loads(self._symbol(end).tojson())["nodes"]
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
        for number, block in enumerate(self.chain.blocks[: max(ends, default=0)]):
            for name, parameter in sorted(block._collect_params_with_prefix().items()):
                state.update(name.encode())
                state.update(parameter.data().asnumpy().tobytes())
            if number + 1 in ends:
                found[number + 1] = state.hexdigest()
        return found

    def _table(self, ends: tuple[int, ...], digest: str, rows: int) -> Table | None:
        """Return the table of a cut, made where there is none yet; None where nothing is kept or it is too large."""
        if not self.keep:
            return None
        end, kind = ends[-1], KINDS[self.precision]
        table = self._tables.get((end, digest))
        if table is None:
            shapes = self._shapes(end)
            try:
                if self.lasting is not None:
                    identity = json.dumps(self._row_identity(ends, digest), default=str)
                    return self.lasting.table(identity, shapes, rows, kind)
                if not self.budget.fits(row_bytes(shapes, kind) * rows):
                    return None
                table = self._tables[end, digest] = Table(shapes, rows, self.budget, kind)
            except OSError as error:
                text = "no room for a temporary file (%s); frozen features are not kept, but computed each time"
                logging.getLogger(__name__).warning(text, error.strerror or error)
                return None
        return table

    def _symbol(self, end: int) -> Any:
        """Return what the first `end` blocks make of an input named `data`."""
        found = self.chain.net(0, end)(mx.sym.var("data"))
        return mx.sym.Group(found) if isinstance(found, list) else found

    def _shapes(self, index: int) -> Shapes:
        """Return the shapes of what stands at a place of one image."""
        if index == 0:
            return ((3, *self.size),)
        _, shapes, _ = self._symbol(index).infer_shape(data=(self.batch, 3, *self.size))
        return tuple(tuple(shape[1:]) for shape in shapes)

    def _batches(self, begin: int, end: int, batch: int | None = None) -> Shapes:
        """Return the shapes of batches of what the blocks from one place to another take."""
        return tuple((batch or self.batch, *shape) for shape in self._shapes(begin)[self.chain.taken(begin, end)])

    def _piece(self, begin: int, end: int) -> Callable[[Values], Values]:
        """Return a piece of the network that is made ready when it first runs: all its output may be known."""
        made: list[Any] = []
        passed, taken = self.chain.passed(begin, end), self.chain.taken(begin, end)

        def run(values: Values) -> Values:
            if not made:
                made.append(self._ready(begin, end))
            found = made[0](*values[taken])
            return (*values[:passed], *(found if isinstance(found, list) else [found]))

        return run

    def _ready(self, begin: int, end: int) -> Any:
        if self.fuse and self._can_be_joined(begin, end):
            return self._joined(begin, end)
        return one_by_one(self.chain.net(begin, end))

    def _joined(self, begin: int, end: int) -> Any:
        return joined(self.chain.net(begin, end), self._batches(begin, end), self.context)

    def _can_be_joined(self, begin: int, end: int) -> bool:
        return can_be_joined(lambda: self.chain.net(begin, end), self._batches(begin, end, 1), self.context)


def _convolves(net: Any) -> bool:
    """Whether there is a layer that joining makes faster."""
    return any(len(parameter.shape) == 4 for parameter in net.collect_params().values())


def one_by_one(net: Any) -> Any:
    """Return a network that runs layer by layer."""
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def joined(net: Any, shapes: Shapes, context: Any) -> Any:
    """Return a network whose layers are joined, for prediction of inputs of these shapes (batch, channels, …).

    It copies the weights: those that train must not be in it.

    Raises:
        MXNetError: they cannot be joined.
    """
    net = predicting_graph(net, shapes, context)
    zeros = [nd.zeros(shape, ctx=context) for shape in shapes]
    net.optimize_for(*zeros, backend="MKLDNN", static_alloc=True, static_shape=True)
    return net


_JOINED_BOUND = 1e-3  # of the largest output: rounding alone is a hundred times smaller


def can_be_joined(make: Callable[[], Any], shapes: Shapes, context: Any) -> bool:
    """Whether a network that `make` makes gives the same with its layers joined, tried on one batch of noise.

    MXNet 1.9.1 mixes up the weights of some networks with many branches (senet, hrnet); as a rule it refuses then.
    """
    rng = np.random.default_rng(0)
    noise = [nd.array(rng.normal(size=shape).astype(np.float32), ctx=context) for shape in shapes]
    expected = _outputs(one_by_one(make()), noise)
    try:
        found = _outputs(joined(make(), shapes, context), noise)
    except mx.MXNetError:
        return False
    return all(
        bool(np.abs(one - other).max() <= _JOINED_BOUND * np.abs(other).max())
        for one, other in zip(found, expected, strict=True)
    )


def _outputs(net: Any, values: Sequence[Any]) -> list[npt.NDArray[np.float32]]:
    found = net(*values)
    return [each.asnumpy() for each in (found if isinstance(found, list) else [found])]
