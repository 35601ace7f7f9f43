"""GluonCV's segmenters: FCN, PSPNet and DeepLabV3 over dilated networks, and Fast-SCNN.

Their heads give scores of the classes for each pixel, (batch, classes, height, width): as in GluonCV, those of cells
of eight pixels are enlarged before the loss. The auxiliary head of training is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from runtime.backend.blocks import sequence
from runtime.backend.mx import nn
from runtime.models.base import Base, OwnHead
from runtime.models.own.family import OwnFamily, renew
from runtime.models.own.resizing import resize_for, resized
from runtime.plan.size import Size

_SIDE = 480  # pixels, of both sides of the images that a network is built for


class _Scores(nn.HybridBlock):  # type: ignore[misc]
    """Scores of pixels, given the maps that a head takes: it, and the bilinear resize that the zoo has behind it."""

    def __init__(self, size: Size, **layers: Any) -> None:
        super().__init__(prefix="head_")
        for name, layer in layers.items():
            self.register_child(layer, name)
        self._size = size

    def hybrid_forward(self, F: Any, *maps: Any) -> Any:  # noqa: N803
        """Return the scores; Gluon calls this."""
        first, *layers = self._children.values()
        value = first(*maps)
        for layer in layers:
            value = layer(value)
        return resized(F, value, *self._size)


def _dilated(net: Any, names: Sequence[str], size: Size) -> Base:
    def head(outputs: int) -> Any:
        renew(net.head.block, last, outputs)
        return _Scores(size, scores=net.head)

    resize_for(net, Size.square(_SIDE), size)
    *_, last = net.head.block._children
    stem = sequence([net.conv1, net.bn1, net.relu, net.maxpool])
    parts = (stem, net.layer1, net.layer2, net.layer3, net.layer4)
    own = OwnHead(head, (len(parts),), lambda name: name.startswith((f"head.block.{last}.", "auxlayer.")))
    return Base(tuple(zip(names, parts, strict=True)), sequence([]), 0, own=own)


def _fast(net: Any, names: Sequence[str], size: Size) -> Base:
    def head(outputs: int) -> Any:
        renew(net.classifier, "conv", outputs)
        return _Scores(size, fusion=net.feature_fusion, scores=net.classifier)

    resize_for(net, Size.square(_SIDE), size)
    features = net.global_feature_extractor
    last = sequence([features.bottleneck3, features.ppm])
    parts = (net.learning_to_downsample, features.bottleneck1, features.bottleneck2, last)
    own = OwnHead(head, (1, len(parts)), lambda name: name.startswith(("classifier.conv.", "auxlayer.")))
    return Base(tuple(zip(names, parts, strict=True)), sequence([]), 0, own=own)


FAMILIES: Mapping[str, OwnFamily] = MappingProxyType(
    {
        **dict.fromkeys(("fcn", "psp", "deeplab"), OwnFamily(_dilated, {"crop_size": _SIDE})),
        "fastscnn": OwnFamily(_fast, {"crop_size": _SIDE}),
    }
)
