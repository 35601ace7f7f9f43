"""EfficientNet, EfficientNetV2, MobileNetV3 and MobileNetV4 as timm has them.

Tan and Le (arXiv 1905.11946 and 2104.00298), Howard et al. (1905.02244), Qin et al. (2404.10518). Names of parameters
are those of timm's `efficientnet.py` and `mobilenetv3.py`: `conv_stem`, `blocks.0.0.conv_dw`, …, `classifier`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.backend.mx import gluon, nn
from runtime.models.mobile_layers import divided, to_eighths
from runtime.models.timm.inverted_residuals import Stage, Style, block
from runtime.models.timm.layers import Act

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtime.plan.size import Size


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network before its width and depth are multiplied.

    `stages` are rows by stage. `head` names the norm behind the last convolution, if there is one; `pools_first` says
    that the map is pooled before that convolution. `least` is the share of its channels that rounding leaves a layer.
    """

    style: Style
    stem: int
    stages: tuple[tuple[Stage, ...], ...]
    features: int = 1280
    norm: str = "bn2"
    pools_first: bool = False
    least: float = 0.9


_EFFICIENTNET = Architecture(
    Style("silu"),
    32,
    (
        (Stage("separable", 1, 3, 1, 1, 16, 0.25),),
        (Stage("inverted", 2, 3, 2, 6, 24, 0.25),),
        (Stage("inverted", 2, 5, 2, 6, 40, 0.25),),
        (Stage("inverted", 3, 3, 2, 6, 80, 0.25),),
        (Stage("inverted", 3, 5, 1, 6, 112, 0.25),),
        (Stage("inverted", 4, 5, 2, 6, 192, 0.25),),
        (Stage("inverted", 1, 3, 1, 6, 320, 0.25),),
    ),
)

_V2_BASE = Architecture(
    Style("silu"),
    32,
    (
        (Stage("residual_conv", 1, 3, 1, 1, 16),),
        (Stage("edge", 2, 3, 2, 4, 32),),
        (Stage("edge", 2, 3, 2, 4, 48),),
        (Stage("inverted", 3, 3, 2, 4, 96, 0.25),),
        (Stage("inverted", 5, 3, 1, 6, 112, 0.25),),
        (Stage("inverted", 8, 3, 2, 6, 192, 0.25),),
    ),
    least=0.0,
)

_V2_SMALL = Architecture(
    Style("silu"),
    24,
    (
        (Stage("residual_conv", 2, 3, 1, 1, 24),),
        (Stage("edge", 4, 3, 2, 4, 48),),
        (Stage("edge", 4, 3, 2, 4, 64),),
        (Stage("inverted", 6, 3, 2, 4, 128, 0.25),),
        (Stage("inverted", 9, 3, 1, 6, 160, 0.25),),
        (Stage("inverted", 15, 3, 2, 6, 256, 0.25),),
    ),
)

_V3_LARGE = Architecture(
    Style("hard_swish", squeezes_wide=True),
    16,
    (
        (Stage("separable", 1, 3, 1, 1, 16, act="relu"),),
        (Stage("inverted", 1, 3, 2, 4, 24, act="relu"), Stage("inverted", 1, 3, 1, 3, 24, act="relu")),
        (Stage("inverted", 3, 5, 2, 3, 40, 0.25, act="relu"),),
        (
            Stage("inverted", 1, 3, 2, 6, 80),
            Stage("inverted", 1, 3, 1, 2.5, 80),
            Stage("inverted", 2, 3, 1, 2.3, 80),
        ),
        (Stage("inverted", 2, 3, 1, 6, 112, 0.25),),
        (Stage("inverted", 3, 5, 2, 6, 160, 0.25),),
        (Stage("conv", 1, 1, 1, 1, 960),),
    ),
    norm="",
    pools_first=True,
)


def _uib(repeats: int, first: int, kernel: int, expansion: int, channels: int, stride: int = 1) -> Stage:
    return Stage("universal", repeats, kernel, stride, expansion, channels, first=first)


_V4_SMALL = Architecture(
    Style("relu"),
    32,
    (
        (Stage("conv", 1, 3, 2, 1, 32), Stage("conv", 1, 1, 1, 1, 32)),
        (Stage("conv", 1, 3, 2, 1, 96), Stage("conv", 1, 1, 1, 1, 64)),
        (_uib(1, 5, 5, 3, 96, 2), _uib(4, 0, 3, 2, 96), _uib(1, 3, 0, 4, 96)),
        (
            _uib(1, 3, 3, 6, 128, 2),
            _uib(1, 5, 5, 4, 128),
            _uib(1, 0, 5, 4, 128),
            _uib(1, 0, 5, 3, 128),
            _uib(2, 0, 3, 4, 128),
        ),
        (Stage("conv", 1, 1, 1, 1, 960),),
    ),
    norm="norm_head",
    pools_first=True,
)

_V4_MEDIUM = replace(
    _V4_SMALL,
    stages=(
        (Stage("edge", 1, 3, 2, 4, 48),),
        (_uib(1, 3, 5, 4, 80, 2), _uib(1, 3, 3, 2, 80)),
        (
            _uib(1, 3, 5, 6, 160, 2),
            _uib(2, 3, 3, 4, 160),
            _uib(1, 3, 5, 4, 160),
            _uib(1, 3, 3, 4, 160),
            _uib(1, 3, 0, 4, 160),
            _uib(1, 0, 0, 2, 160),
            _uib(1, 3, 0, 4, 160),
        ),
        (
            _uib(1, 5, 5, 6, 256, 2),
            _uib(1, 5, 5, 4, 256),
            _uib(2, 3, 5, 4, 256),
            _uib(1, 0, 0, 4, 256),
            _uib(1, 3, 0, 4, 256),
            _uib(1, 3, 5, 2, 256),
            _uib(1, 5, 5, 4, 256),
            _uib(2, 0, 0, 4, 256),
            _uib(1, 5, 0, 2, 256),
        ),
        (Stage("conv", 1, 1, 1, 1, 960),),
    ),
)

_ARCHITECTURES: Mapping[str, Architecture] = {
    "efficientnet": _EFFICIENTNET,
    "efficientnetv2_base": _V2_BASE,
    "efficientnetv2_small": _V2_SMALL,
    "efficientnetv2_rw": replace(
        _V2_SMALL,
        stages=(
            (Stage("edge", 2, 3, 1, 1, 24),),
            *_V2_SMALL.stages[1:5],
            (Stage("inverted", 15, 3, 2, 6, 272, 0.25),),
        ),
        features=1792,
    ),
    "mobilenetv3_large": _V3_LARGE,
    "mobilenetv4_conv_small": _V4_SMALL,
    "mobilenetv4_conv_medium": _V4_MEDIUM,
}


class MobileNet(gluon.HybridBlock):  # type: ignore[misc]
    """The whole network; input float32 (batch, 3, height, width) of the size it is built for, output (batch, classes).

    Its last convolution belongs to the last part.
    """

    classifier = "classifier"

    def __init__(self, size: Size, classes: int, architecture: Architecture, width: float, depth: float) -> None:
        super().__init__()
        style, least = architecture.style, architecture.least
        self.features = to_eighths(architecture.features * width, least)
        with self.name_scope():
            channels = to_eighths(architecture.stem * width, least)
            stem = {
                "conv_stem": style.conv(3, channels, size, 3, 2),
                "bn1": style.norm(channels),
                "act": Act(style.act),
            }
            size, blocks = divided(size, 2), nn.HybridSequential(prefix="")
            for rows in architecture.stages:
                stage = nn.HybridSequential(prefix="")
                for row, stride in _repeated(rows, depth):
                    given, channels = channels, to_eighths(row.channels * width, least)
                    stage.add(block(row, style, given, channels, size, stride))
                    size = divided(size, stride)
                blocks.add(stage)
            head, pool = _head(architecture, channels, self.features, size), {"pool": nn.GlobalAvgPool2D()}
            head = pool | head if architecture.pools_first else head | pool
            layers = {**stem, "blocks": blocks, **head, "flatten": nn.Flatten()}
            for name, layer in {**layers, self.classifier: nn.Dense(classes, in_units=self.features)}.items():
                self.register_child(layer, name)
        self._pools_first = architecture.pools_first

    @property
    def parts(self) -> list[list[Any]]:
        """The layers of each part."""
        conv, norm, act, blocks, *head = self._children.values()
        head = head[: len(head) - len(self.tail) - 1]
        *stages, last = ([*stage] for stage in blocks)
        return [[conv, norm, act], *stages, [*last, *head]]

    @property
    def tail(self) -> list[Any]:
        """What gives the classifier its numbers."""
        *_, pool, flatten, _ = self._children.values()
        return [flatten] if self._pools_first else [pool, flatten]

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return the class scores; Gluon calls this."""
        for layer in self._children.values():
            x = layer(x)
        return x


def _repeated(rows: Sequence[Stage], depth: float) -> Iterator[tuple[Stage, int]]:
    """Yield the row and the stride of each block of a stage."""
    for row in rows:
        for number in range(math.ceil(row.repeats * depth)):
            yield row, 1 if number else row.stride


def _head(architecture: Architecture, channels: int, features: int, size: Size) -> dict[str, Any]:
    """Return the last convolution, which has a bias where no norm follows it."""
    style, act = architecture.style, {"act_head": Act(architecture.style.act)}
    if not architecture.norm:
        return {"conv_head": nn.Conv2D(features, 1, in_channels=channels), **act}
    return {"conv_head": style.conv(channels, features, size, 1), architecture.norm: style.norm(features), **act}


def build(
    size: Size, classes: int, architecture: str, width: float = 1.0, depth: float = 1.0, tensorflow: bool = False
) -> MobileNet:
    """Return a network with no weights yet; `tensorflow` has its padding and the epsilon of its norms."""
    found = _ARCHITECTURES[architecture]
    if tensorflow:
        found = replace(found, style=replace(found.style, same=True, epsilon=1e-3))
    return MobileNet(size, classes, found, width, depth)
