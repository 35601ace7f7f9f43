"""A network as blocks that run one after the other, of which the head may take several feature maps.

An index is how many blocks lie before it. What a network needs of its beginning, once that has run, are the values at
the index where it was cut and at the taps before it: they are `live` there. A network without taps has one value at
each index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.backend.mx import gluon

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Blocks in the order in which they run; each takes what the one before it gives.

    The block behind the last of `taps` takes what stands at all of them, in order. `taps` are indices in ascending
    order; none means that each block takes one value.
    """

    blocks: Sequence[Any]
    taps: tuple[int, ...] = ()

    def live(self, index: int) -> tuple[int, ...]:
        """Return the indices whose values the blocks from `index` on take, in ascending order; the last is `index`."""
        return (*self._held(index), index)

    def passed(self, begin: int, end: int) -> int:
        """Return how many of the values at `begin` are live at `end` as well: they are the first ones."""
        return sum(index in self.live(end) for index in self.live(begin))

    def taken(self, begin: int, end: int) -> slice:
        """Return which of the values at `begin` the blocks up to `end` take: all where they join, else the last."""
        joins = self._held(begin) and end > self.taps[-1]
        return slice(None) if joins else slice(-1, None)

    def net(self, begin: int, end: int) -> Any:
        """Return the blocks from one index to another as one new block, over the same parameters.

        It takes the values at `begin` that `taken` says, and gives those at `end` that were not passed: one, or a
        list.
        """
        return _Chained(self.blocks[begin:end], range(begin, end), self.taps)

    def outputs(self, value: Any) -> list[Any]:
        """Return the value at each place, given the input, which is the first."""
        found = [value]
        for block in self.blocks:
            joins = self.taps and len(found) - 1 == self.taps[-1]
            found.append(block(*(found[tap] for tap in self.taps)) if joins else block(found[-1]))
        return found

    def _held(self, index: int) -> tuple[int, ...]:
        if not self.taps or index > self.taps[-1]:
            return ()
        return tuple(tap for tap in self.taps if tap < index)


class _Chained(gluon.HybridBlock):  # type: ignore[misc]
    """Blocks that stand at `indices` of a chain."""

    def __init__(self, blocks: Sequence[Any], indices: range, taps: tuple[int, ...]) -> None:
        super().__init__(prefix="")
        for block in blocks:
            self.register_child(block)
        self._indices = indices
        self._join = taps[-1] if taps and taps[-1] in indices else None
        # Without the join the value at the start is passed by, not given once more.
        self._held = {tap for tap in taps if tap > indices.start or self._join is not None}

    def hybrid_forward(self, F: Any, x: Any, *more: Any) -> Any:  # noqa: ARG002, N803
        """Return the value at the last index, behind those at the taps on the way; Gluon calls this."""
        *held, x = (x, *more)
        for index, block in zip(self._indices, self._children.values(), strict=True):
            if index == self._join:
                x, held = block(*held, x), []
                continue
            if index in self._held:
                held.append(x)
            x = block(x)
        return [*held, x] if held else x
