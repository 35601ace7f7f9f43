"""RegNetY as timm has it: residual stages of grouped convolutions with squeeze and excite.

Radosavovic et al., Designing Network Design Spaces (arXiv 2003.13678). Names of parameters are those of timm's
`regnet.py`: `stem`, `s1.b1.conv1.conv`, …, `head.fc`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.backend.blocks import sequence
from runtime.backend.mx import gluon, nn
from runtime.models.timm.layers import ConvNormAct, SqueezeExcite

if TYPE_CHECKING:
    from runtime.plan.size import Size

_STEM = 32


class Bottleneck(gluon.HybridBlock):  # type: ignore[misc]
    """1 x 1, grouped 3 x 3, squeeze and excite, 1 x 1, added to the input, then ReLU."""

    def __init__(self, channels_in: int, channels: int, stride: int, group: int) -> None:
        super().__init__()
        with self.name_scope():
            self.conv1 = ConvNormAct(channels_in, channels)
            self.conv2 = ConvNormAct(channels, channels, 3, stride, channels // group)
            self.se = SqueezeExcite(channels, round(0.25 * channels_in))
            self.conv3 = ConvNormAct(channels, channels, act="")
            is_same = stride == 1 and channels_in == channels
            self.downsample = None if is_same else ConvNormAct(channels_in, channels, 1, stride, act="")

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the block's output; Gluon calls this."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.conv3(self.se(self.conv2(self.conv1(x)))) + shortcut)


class _Head(gluon.HybridBlock):  # type: ignore[misc]
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        with self.name_scope():
            self.fc = nn.Dense(classes, in_units=features)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.fc(x)


class RegNet(gluon.HybridBlock):  # type: ignore[misc]
    """The whole network; input float32 (batch, 3, height, width), output (batch, classes)."""

    classifier = "head.fc"

    def __init__(self, classes: int, widths: tuple[int, ...], depths: tuple[int, ...], group: int) -> None:
        super().__init__()
        self.features = widths[-1]
        with self.name_scope():
            self.stem = ConvNormAct(3, _STEM, 3, 2)
            channels_in = _STEM
            for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
                stage = gluon.nn.HybridSequential()
                for block in range(depth):
                    stage.register_child(Bottleneck(channels_in, width, 1 if block else 2, group), f"b{block + 1}")
                    channels_in = width
                setattr(self, f"s{number}", stage)
            self.pool = sequence([nn.GlobalAvgPool2D(), nn.Flatten()])
            self.head = _Head(self.features, classes)

    @property
    def parts(self) -> list[list[Any]]:
        """The layers of each part."""
        return [[self.stem], [*self.s1], [*self.s2], [*self.s3], [*self.s4]]

    @property
    def tail(self) -> list[Any]:
        """What gives the classifier its numbers."""
        return [*self.pool]

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return the class scores; Gluon calls this."""
        x = self.s4(self.s3(self.s2(self.s1(self.stem(x)))))
        return self.head(self.pool(x))


def build(size: Size, classes: int, **options: Any) -> RegNet:  # noqa: ARG001 - it is the same for each size
    """Return a network with no weights yet."""
    return RegNet(classes, **options)
