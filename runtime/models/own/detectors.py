"""GluonCV's detectors: CenterNet over a residual network that transposed convolutions enlarge, and YOLOv3.

Their heads give what those of ours give: float32 (batch, points, classes + 4), scores before the sigmoid and boxes.
Behind these YOLOv3 has what its loss is computed of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from runtime.backend.blocks import sequence
from runtime.backend.mx import nn
from runtime.models.base import Base, OwnHead
from runtime.models.center_net import corners
from runtime.models.own.anchors import YOLO3
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


class _Yolo(nn.HybridBlock):  # type: ignore[misc]
    """Scores and boxes of all anchors of three maps, (batch, points, 2 x (classes + 5)).

    The first half is for each class the score that an object of it is there, the box, and the score of any object. The
    second is what the convolution gives: the place in the cell (x, y), the logarithms of the sides by the anchor's, the
    score of an object and those of the classes, if there is one.
    """

    def __init__(self, net: Any, classes: int) -> None:
        super().__init__(prefix="head_")
        self.blocks, self.transitions = net.yolo_blocks, net.transitions
        self.outputs = sequence([output.prediction for output in net.yolo_outputs])
        self._columns = 5 + classes

    def hybrid_forward(self, F: Any, *maps: Any) -> Any:  # noqa: N803
        """Return them; Gluon calls this."""
        rows, value = [], maps[-1]
        for place, (stride, anchors) in enumerate(YOLO3):
            value, tip = self.blocks[place](value)
            found = self.outputs[place](tip)
            for number, anchor in enumerate(anchors):
                begin = number * self._columns
                own = F.slice_axis(found, axis=1, begin=begin, end=begin + self._columns)
                rows.append(_decoded(F, own, stride, anchor).reshape((0, 0, -1)))
            if place + 1 < len(YOLO3):
                larger = F.UpSampling(self.transitions[place](value), scale=2, sample_type="nearest")
                value = F.concat(larger, maps[-2 - place], dim=1)
        return F.concat(*rows, dim=2).transpose((0, 2, 1))


def _decoded(F: Any, own: Any, stride: int, anchor: tuple[int, int]) -> Any:  # noqa: N803
    places, wide, high, objects, classes = (
        F.slice_axis(own, axis=1, begin=begin, end=end) for begin, end in ((0, 2), (2, 3), (3, 4), (4, 5), (5, None))
    )
    middle = F.broadcast_add(F.sigmoid(places), corners(F, own)) * stride
    halves = [F.exp(F.minimum(each, _LARGEST)) * (side / 2) for each, side in zip((wide, high), anchor, strict=True)]
    half = F.concat(*halves, dim=1)
    logs = F.broadcast_sub(-F.Activation(-classes, "softrelu"), F.Activation(-objects, "softrelu"))
    logs = F.minimum(logs, -_SUREST)  # the logarithm of the chance that an object of a class is there
    scores = logs - F.log(1 - F.exp(logs))
    return F.concat(scores, middle - half, middle + half, objects, own, dim=1)


_LARGEST = 8.0  # the logarithm of a side by the anchor's
_SUREST = 1e-6


def _yolo3(net: Any, names: Sequence[str], size: Size) -> Base:  # noqa: ARG001 - the same for all sizes
    def head(outputs: int) -> Any:
        for output in net.yolo_outputs:
            renew(output, "prediction", 3 * (5 + outputs))
        return _Yolo(net, outputs)

    first, *rest = (list(stage) for stage in net.stages)
    groups = [*_stem(first), *rest]
    parts = tuple(map(sequence, groups))
    places = tuple(range(len(parts) - 2, len(parts) + 1))
    own = OwnHead(head, places, lambda name: name.startswith("yolo_outputs."))
    return Base(tuple(zip(names, parts, strict=True)), sequence([]), 0, own=own)


def _stem(layers: Sequence[Any]) -> list[Sequence[Any]]:
    """Return the layers up to the first map in parts: those of Darknet, or of a MobileNet."""
    starts = (1, 3, 6) if len(layers) == _OF_DARKNET else (9, 21)
    return [layers[begin:end] for begin, end in pairwise((0, *starts, len(layers)))]


_OF_DARKNET = 15  # layers

FAMILIES: Mapping[str, OwnFamily] = MappingProxyType({"center_net": OwnFamily(_center_net), "yolo3": OwnFamily(_yolo3)})
