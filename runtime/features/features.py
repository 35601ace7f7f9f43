"""The network of a run as its stages have it: what is frozen as a `Prefix`, and what trains or predicts behind that.

Which rows may be taken for which is decided here alone: tables of a run are kept by a digest of all weights before
their place, tables of the disk by that and all else that a row's bits depend on (`_open`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.backend.fast_graph import fast_graph
from runtime.backend.fingerprint import arithmetic
from runtime.backend.joined import can_be_joined, joined, one_by_one
from runtime.backend.mx import mx, nd
from runtime.distribution.exchange import ALONE, Exchange
from runtime.features.prefix import Level, Pixels, Prefix, Values
from runtime.features.store import KINDS, Shapes, Table, Tables, row_bytes, whole_budget
from runtime.models.chain import Chain
from runtime.plan.size import Size
from runtime.system.cache.disk import CachedRows, FeatureCache
from runtime.system.spill import Budget


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
