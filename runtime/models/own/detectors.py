"""GluonCV's detectors: CenterNet over a residual network that transposed convolutions enlarge.

Their heads give what those of ours give: float32 (batch, points, classes + 4), scores before the sigmoid and boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runtime.backend.blocks import sequence
from runtime.backend.mx import nn
from runtime.models.base import Base, OwnHead
from runtime.models.center_net import corners
from runtime.models.own.family import OwnFamily, renew
from runtime.plan.size import Size

_STRIDE = 4


class _Centers(nn.HybridBlock):  # type: ignore[misc]
    """Scores and boxes of cells of a map: its centres, the sizes and the places within a cell, in cells.

    A size below zero counts as if it were above.
    """

    def __init__(self, centers: Any, sizes: Any, places: Any) -> None:
        super().__init__(prefix="head_")
        self.centers, self.sizes, self.places = centers, sizes, places

    def hybrid_forward(self, F: Any, value: Any) -> Any:  # noqa: N803
        """Return them; Gluon calls this."""
        places = self.places(value)
        middle = F.broadcast_add(places, corners(F, places)) * _STRIDE
        half = F.abs(self.sizes(value)) * (_STRIDE / 2)
        return (
            F.concat(self.centers(value), middle - half, middle + half, dim=1).reshape((0, 0, -1)).transpose((0, 2, 1))
        )


def _center_net(net: Any, names: Sequence[str], size: Size) -> Base:  # noqa: ARG001 - the same for all sizes
    *_, last = net.heads[0]._children

    def head(outputs: int) -> Any:
        renew(net.heads[0], last, outputs)
        return _Centers(*net.heads)

    stem, *blocks = _stages(list(net.base_network.base_network))
    parts = (sequence(stem), *blocks, net.base_network.deconv)
    own = OwnHead(head, (len(parts),), lambda name: name.startswith(f"heads.0.{last}."))
    return Base(tuple(zip(names, parts, strict=True)), sequence([]), 0, own=own)


def _stages(layers: Sequence[Any]) -> list[Any]:
    """Return the layers of a stem, and behind them the four stages."""
    return [layers[:-4], *layers[-4:]]


FAMILIES: Mapping[str, OwnFamily] = MappingProxyType({"center_net": OwnFamily(_center_net)})
