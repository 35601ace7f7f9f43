"""GluonCV's SSD over a MobileNet or a residual network (Liu et al., arXiv 1512.02325).

The zoo has one graph that gives all maps. Here the backbone is the zoo's classifier, cut as that is, whose parameters
have the names of the graph; the head makes four coarser maps of its last one, and scores and boxes of them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from runtime.backend.blocks import sequence
from runtime.backend.mx import gluoncv, nn
from runtime.models.base import Base, OwnHead
from runtime.models.center_net import corners
from runtime.models.own.anchors import SSD, SSD_UNITS
from runtime.models.own.family import OwnFamily, renew
from runtime.plan.size import Size

_FILTERS = (512, 512, 256, 256)
"""Channels of the coarser maps."""

_BACKBONES = MappingProxyType(
    {
        "mobilenet0_": ("mobilenet1.0", (9, 21, 33, 69, 81)),
        "resnetv10_": ("resnet50_v1", (4, 5, 6, 7, 8)),
    }
)
"""By the prefix of its parameters, the classifier of a backbone, and how many of its layers lie before each cut."""


class _MultiBox(nn.HybridBlock):  # type: ignore[misc]
    """Scores and boxes of the anchors of six maps, (batch, points, 2 x (classes + 5)).

    The first half is for each class the score that an object of it is there, the box, and a column of no use. The
    second is what the convolutions give: scores of the background and of each class before the softmax, and how the
    box differs from the anchor.
    """

    def __init__(self, coarser: Sequence[Any], scores: Any, boxes: Any, classes: int) -> None:
        super().__init__(prefix="head_")
        self.coarser, self.scores, self.boxes = sequence(coarser), scores, boxes
        self._scores = classes + 1

    def hybrid_forward(self, F: Any, *maps: Any) -> Any:  # noqa: N803
        """Return them; Gluon calls this."""
        values = list(maps)
        for make in self.coarser:
            values.append(make(values[-1]))
        scores, changes, boxes = [], [], []
        for value, (stride, anchors), score, change in zip(values, SSD, self.scores, self.boxes, strict=True):
            found = change(value)
            scores.append(_rows(F, score(value), self._scores))
            changes.append(_rows(F, found, 4))
            boxes.append(_rows(F, F.concat(*_boxes(F, found, stride, anchors), dim=1), 4))
        raw = F.concat(*scores, dim=1)
        logs = F.minimum(F.slice_axis(F.log_softmax(raw, axis=2), axis=2, begin=1, end=None), -_SUREST)
        background = F.slice_axis(raw, axis=2, begin=0, end=1)
        found = (logs - F.log(1 - F.exp(logs)), F.concat(*boxes, dim=1), background)
        return F.concat(*found, raw, F.concat(*changes, dim=1), dim=2)


_SUREST = 1e-6
_LARGEST = 8.0  # the logarithm of a side by the anchor's


def _rows(F: Any, value: Any, columns: int) -> Any:  # noqa: N803
    """Return a map as rows, (batch, points, columns): the anchors of a cell follow one another."""
    return value.transpose((0, 2, 3, 1)).reshape((0, -1, columns))


def _boxes(F: Any, found: Any, stride: int, anchors: Sequence[tuple[float, float]]) -> Iterator[Any]:  # noqa: N803
    """Yield for each anchor the corners of its boxes, (batch, 4, h, w)."""
    middle = (corners(F, found) + 0.5) * stride
    for number, anchor in enumerate(anchors):
        x, y, wide, high = (
            F.slice_axis(found, axis=1, begin=4 * number + n, end=4 * number + n + 1) * SSD_UNITS[n] for n in range(4)
        )
        moved = F.concat(*(each * side for each, side in zip((x, y), anchor, strict=True)), dim=1)
        halves = [
            F.exp(F.minimum(each, _LARGEST)) * (side / 2) for each, side in zip((wide, high), anchor, strict=True)
        ]
        place, half = F.broadcast_add(moved, middle), F.concat(*halves, dim=1)
        yield F.concat(place - half, place + half, dim=1)


class _Graph(nn.HybridSequential):  # type: ignore[misc]
    """Layers whose parameters a file has under their own names, as those of a graph."""

    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Any]:
        return {f"{prefix}.{_in_graph(each.name)}": each for each in self.collect_params().values()}


def _in_graph(name: str) -> str:
    """Return a parameter's name in the graph: norms that are no layers of Gluon call their statistics otherwise."""
    return name.replace("_running_", "_moving_") if name.startswith("expand_") else name


def _coarser(number: int, channels: int) -> Any:
    made = nn.HybridSequential(prefix="")
    for kind, options in (("trans_", {"kernel_size": 1}), ("", {"kernel_size": 3, "strides": 2, "padding": 1})):
        made.add(
            nn.Conv2D(channels, use_bias=False, prefix=f"expand_{kind}conv{number}_", **options),
            nn.BatchNorm(epsilon=1e-3, scale=False, prefix=f"expand_{kind}bn{number}_"),
            nn.Activation("relu"),
        )
    return made


def _cut(net: Any, names: Sequence[str], size: Size) -> Base:  # noqa: ARG001 - the same for all sizes
    own = next(iter(net.features._collect_params_with_prefix()))
    prefix, (name, cuts) = next((prefix, row) for prefix, row in _BACKBONES.items() if own.startswith(prefix))
    classifier = gluoncv().model_zoo.get_model(name, pretrained=False, prefix=prefix)
    layers = list(classifier.features)
    parts = [sequence(layers[begin:end]) for begin, end in pairwise((0, *cuts))]
    coarser = [_coarser(number, channels) for number, channels in enumerate(_FILTERS)]
    graph = _Graph(prefix="")
    graph.add(*parts, *coarser)
    net._children["features"] = graph

    def head(outputs: int) -> Any:
        for predictor, (_, anchors) in zip(net.class_predictors, SSD, strict=True):
            renew(predictor, "predictor", len(anchors) * (outputs + 1))
        return _MultiBox(coarser, net.class_predictors, net.box_predictors, outputs)

    places = (len(parts) - 1, len(parts))
    own_head = OwnHead(head, places, lambda name: name.startswith(("class_predictors.", "anchor_generators.")))
    return Base(tuple(zip(names, parts, strict=True)), sequence([]), 0, own=own_head)


FAMILIES: Mapping[str, OwnFamily] = MappingProxyType({"ssd": OwnFamily(_cut)})
