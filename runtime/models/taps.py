"""Taps: the feature maps inside a base that a head can take, by name.

A tap is named as the parameters before it are: `block3` is what comes out of that part, `block7.0` what comes out of
the first layer of block7 (of EfficientNet-Lite its 320 channels, without the convolution that widens them to 1,280).
Strides and channels are read from the network itself, so that a new family needs no row for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.backend.blocks import sequence
from runtime.backend.mx import gluon, mx
from runtime.models.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.models.base import Base
    from runtime.plan.size import Size


@dataclass(frozen=True, slots=True)
class Tap:
    """A feature map: `channels`, and for how many pixels of the input, in height and width, a cell of it stands."""

    name: str
    stride: int
    channels: int


def taps(base: Base, size: Size) -> Mapping[str, Tap]:
    """Return the taps of a base for images of a size, from the input on.

    Those are the parts and the layers inside them, as far as they give a map of several cells: the last part of vgg
    gives a vector, that of mobilenetv3 pools. The parts of hrnet give all their branches in one map, those of dla the
    means of the maps before in front of theirs (`runtime/models/branching.py`). A stride is the power of two next to
    what the sizes say: where a network does not pad, its maps are a little smaller.
    """
    names, outputs = [], []
    value = mx.sym.var("data")
    for part, block in base.parts:
        for name, layer in _named(part, block):
            value = layer(value)
            names.append(name)
            outputs.append(value if base.cells is None else base.cells(value))
    _, shapes, _ = mx.sym.Group(outputs).infer_shape(data=(1, 3, *size))
    return {
        name: Tap(name, 2 ** round(math.log2(size.height / shape[2])), shape[1])
        for name, shape in zip(names, shapes, strict=True)
        if len(shape) == 4 and shape[2] > 1
    }


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """A base up to the last of the maps that a head takes: its parts, the places of the maps, and their channels.

    A place is how many parts lie before it; the finest map is the first.
    """

    parts: tuple[tuple[str, Any], ...]
    places: tuple[int, ...]
    channels: tuple[int, ...]


def pyramid(base: Base, size: Size, finest: int) -> Pyramid | None:
    """Return the base cut for a head over one map for each stride from `finest` to 32 pixels.

    Of the parts whose map has a stride, it is the last one's. The last part may end in a layer that widens its map for
    a classifier, as that of EfficientNet from 320 channels to 1,280: that layer is left out. None where the base has
    no such maps, each of half the size of the one before. Where the head is the network's own, it takes what it always
    took.
    """
    if base.own is not None:
        return Pyramid(base.parts, base.own.places, ())
    found = taps(base, size)
    parts = list(base.parts)
    name, last = parts[-1]
    inner = [each for each, _ in _named(name, last) if each in found]
    if len(inner) > 1 and found[inner[-1]].channels > _WIDENED * found[inner[-2]].channels:
        parts[-1] = (name, _block(last, list(last)[:-1]))
        found = {**found, name: found[inner[-2]]}
    by_stride = {found[part].stride: index for index, (part, _) in enumerate(parts) if part in found}
    places = [index + 1 for stride, index in sorted(by_stride.items()) if finest <= stride <= _COARSEST]
    strides = [found[parts[index - 1][0]].stride for index in places]
    if not strides or strides[-1] != _COARSEST or strides != [_COARSEST >> n for n in reversed(range(len(strides)))]:
        return None
    parts = parts[: places[-1]]
    return Pyramid(tuple(parts), tuple(places), tuple(found[parts[place - 1][0]].channels for place in places))


_WIDENED, _COARSEST = 2.5, 32


def tapped(base: Base, names: Sequence[str], head: Any) -> Chain:
    """Return a base up to the last of some taps, and behind it a head that takes all of them.

    The blocks are the base's parts, cut where a tap lies inside. What follows the last tap is left out.

    Args:
        names: taps in the order in which they run.
        head: a block; its arguments are the maps, in that order.
    """
    left, blocks, places = list(names), [], []
    for part, block in base.parts:
        layers: list[Any] = []
        for name, layer in _named(part, block):
            layers.append(layer)
            if name == left[0]:
                blocks.append(_block(block, layers))
                places.append(len(blocks))
                layers = []
                left.pop(0)
                if not left:
                    return Chain((*blocks, head if base.cells is None else _OfCells(head, base.cells)), tuple(places))
        if layers:
            blocks.append(_block(block, layers))
    raise ValueError(f"this base has no tap {left[0]}, or it stands before another that was named first")


class _OfCells(gluon.HybridBlock):  # type: ignore[misc]
    """A head over the maps that `cells` makes of what stands at the taps."""

    def __init__(self, head: Any, cells: Any) -> None:
        super().__init__(prefix="")
        self.head = head
        self._cells = (cells,)  # nothing of its own, and no child: the head's parameters keep their names

    def hybrid_forward(self, F: Any, *values: Any) -> Any:  # noqa: ARG002, N803
        """Return what the head gives; Gluon calls this."""
        return self.head(*map(self._cells[0], values))


def _named(part: str, block: Any) -> list[tuple[str, Any]]:
    """Return a part's layers with the names of what comes out of them: of the last one it is the part's."""
    *inner, last = block
    return [*((f"{part}.{number}", layer) for number, layer in enumerate(inner)), (part, last)]


def _block(part: Any, layers: Sequence[Any]) -> Any:
    return part if len(layers) == len(part) else sequence(layers)
