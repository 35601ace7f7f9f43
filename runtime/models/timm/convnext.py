"""ConvNeXt, first and second version, as timm has it: depthwise 7 x 7 convolutions and dense layers on each cell.

Liu et al. (arXiv 2201.03545), Woo et al. (arXiv 2301.00808). Names of parameters are those of timm's `convnext.py`:
`stem.0`, `stages.0.blocks.0.conv_dw`, …, `head.norm`, `head.fc`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.backend.mx import gluon, mx, nn
from runtime.models.timm.transformer import Mlp, layer_norm

if TYPE_CHECKING:
    from runtime.plan.size import Size

_SCALE = 1e-6  # of a block at the start


class Block(gluon.HybridBlock):  # type: ignore[misc]
    """A depthwise convolution, a norm and a dense network of two layers on each cell, added to the input.

    `responds` says that it is of the second version: a norm of the response between the two layers, and no scale.
    """

    def __init__(self, channels: int, convolves: bool, responds: bool) -> None:
        super().__init__()
        with self.name_scope():
            self.conv_dw = nn.Conv2D(channels, 7, padding=3, groups=channels, in_channels=channels)
            self.norm = layer_norm(channels)
            self.mlp = Mlp(channels, 4 * channels, convolves, responds)
            if not responds:
                self.scale = self.params.get("scale", shape=(channels,), init=mx.init.Constant(_SCALE))

    def hybrid_forward(self, F: Any, x: Any, **scale: Any) -> Any:  # noqa: N803
        """Return what is of the input's shape; Gluon calls this."""
        cells = self.norm(F.transpose(self.conv_dw(x), axes=(0, 2, 3, 1)))
        return x + F.transpose(self.mlp(cells, *scale.values()), axes=(0, 3, 1, 2))


class MapNorm(nn.LayerNorm):  # type: ignore[misc]
    """A LayerNorm over the channels of maps (batch, channels, height, width)."""

    def __init__(self, channels: int) -> None:
        super().__init__(axis=-1, epsilon=1e-6, in_channels=channels)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Any:  # noqa: N803
        """Return what is of the input's shape; Gluon calls this."""
        x = super().hybrid_forward(F, F.transpose(x, axes=(0, 2, 3, 1)), gamma, beta)
        return F.transpose(x, axes=(0, 3, 1, 2))


class _Stage(gluon.HybridBlock):  # type: ignore[misc]
    def __init__(self, channels_in: int, channels: int, depth: int, **options: bool) -> None:
        super().__init__()
        with self.name_scope():
            self.downsample = gluon.nn.HybridSequential()
            if channels_in != channels:
                self.downsample.add(MapNorm(channels_in), nn.Conv2D(channels, 2, strides=2, in_channels=channels_in))
            self.blocks = gluon.nn.HybridSequential()
            self.blocks.add(*(Block(channels, **options) for _ in range(depth)))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.blocks(self.downsample(x))


class _Head(gluon.HybridBlock):  # type: ignore[misc]
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        with self.name_scope():
            self._pool = nn.HybridSequential()
            self._pool.add(nn.GlobalAvgPool2D(), nn.Flatten())
            self.norm = layer_norm(features)
            self.fc = nn.Dense(classes, in_units=features)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        return self.fc(self.norm(self._pool(x)))


class ConvNeXt(gluon.HybridBlock):  # type: ignore[misc]
    """The whole network; input float32 (batch, 3, height, width), output (batch, classes)."""

    classifier = "head.fc"

    def __init__(self, classes: int, widths: tuple[int, ...], depths: tuple[int, ...], **options: bool) -> None:
        super().__init__()
        self.features = widths[-1]
        with self.name_scope():
            self.stem = gluon.nn.HybridSequential()
            self.stem.add(nn.Conv2D(widths[0], 4, strides=4, in_channels=3), MapNorm(widths[0]))
            self.stages = gluon.nn.HybridSequential()
            before = (widths[0], *widths)
            self.stages.add(*(_Stage(*each, **options) for each in zip(before, widths, depths, strict=False)))
            self.head = _Head(self.features, classes)

    @property
    def parts(self) -> list[list[Any]]:
        """The layers of each part."""
        stages = [[*stage.downsample, *stage.blocks] for stage in self.stages]
        return [[*self.stem], *stages, [*self.head._pool, self.head.norm]]

    @property
    def tail(self) -> list[Any]:
        """What gives the classifier its numbers: nothing more."""
        return [nn.Flatten()]

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return the class scores; Gluon calls this."""
        return self.head(self.stages(self.stem(x)))


def build(size: Size, classes: int, **options: Any) -> ConvNeXt:  # noqa: ARG001 - it is the same for each size
    """Return a network with no weights yet."""
    return ConvNeXt(classes, **options)
