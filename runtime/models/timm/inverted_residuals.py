"""The blocks of EfficientNet, MobileNetV3 and MobileNetV4, as chains of layers with timm's names.

In goes a `Stage`, a row of an architecture's table; out comes a block for one size of input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.backend.mx import gluon, nn
from runtime.models.mobile_layers import SameConv, divided, to_eighths
from runtime.models.timm.layers import Act, ConvNormAct, SqueezeExcite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.plan.size import Size

Layers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """`repeats` blocks of a kind, of which the first has the stride.

    `kind` is a key of `_KINDS`. `expansion` is how many times wider than its input the inside of a block is. `squeeze`
    is the share of channels that squeeze and excite reduces to, none if 0. `act` is the architecture's if empty.
    `first` is the size of a depthwise kernel before the expansion; none if 0, as with `kernel`.
    """

    kind: str
    repeats: int
    kernel: int
    stride: int
    expansion: float
    channels: int
    squeeze: float = 0.0
    act: str = ""
    first: int = 0


@dataclass(frozen=True, slots=True)
class Style:
    """What all layers of a network have in common.

    `act` is the activation, `epsilon` that of norms. `same` says that convolutions are padded as TensorFlow's SAME, not
    by half their kernel. `squeezes_wide` says that squeeze and excite is MobileNetV3's: its share is one of the wide
    channels, not of the block's input, and its activations are ReLU and the hard sigmoid.
    """

    act: str
    epsilon: float = 1e-5
    same: bool = False
    squeezes_wide: bool = False

    def conv(self, channels_in: int, channels: int, size: Size, kernel: int, stride: int = 1, groups: int = 1) -> Any:
        """Return a convolution without bias."""
        if self.same:
            return SameConv(channels_in, channels, size, kernel, stride, groups)
        return nn.Conv2D(channels, kernel, stride, kernel // 2, groups=groups, use_bias=False, in_channels=channels_in)

    def norm(self, channels: int) -> Any:
        """Return a norm."""
        return nn.BatchNorm(in_channels=channels, epsilon=self.epsilon)

    def squeeze(self, stage: Stage, channels: int) -> Layers:
        """Return squeeze and excite for these wide channels, as far as the stage has it."""
        if not stage.squeeze:
            return {}
        names = ("conv_reduce", "conv_expand")
        if self.squeezes_wide:
            return {"se": SqueezeExcite(channels, to_eighths(channels * stage.squeeze), names, gate="hard_sigmoid")}
        return {"se": SqueezeExcite(channels, round(channels * stage.squeeze / stage.expansion), names, self.act)}


class Residual(gluon.HybridBlock):  # type: ignore[misc]
    """Layers one after the other; the result is added to the input if `skips`."""

    def __init__(self, layers: Layers, skips: bool) -> None:
        super().__init__()
        self._skips = skips
        for name, layer in layers.items():
            self.register_child(layer, name)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803
        """Return the block's output; Gluon calls this."""
        shortcut = x
        for layer in self._children.values():
            x = layer(x)
        return x + shortcut if self._skips else x


def block(stage: Stage, style: Style, channels_in: int, channels: int, size: Size, stride: int) -> Residual:
    """Return one block of a stage for images of a size."""
    skips = stride == 1 and channels_in == channels and stage.kind != "conv"
    return Residual(_KINDS[stage.kind](stage, style, channels_in, channels, size, stride), skips)


def _conv(stage: Stage, style: Style, channels_in: int, channels: int, size: Size, stride: int) -> Layers:
    return {
        "conv": style.conv(channels_in, channels, size, stage.kernel, stride),
        "bn1": style.norm(channels),
        "act1": Act(stage.act or style.act),
    }


def _separable(stage: Stage, style: Style, channels_in: int, channels: int, size: Size, stride: int) -> Layers:
    return {
        "conv_dw": style.conv(channels_in, channels_in, size, stage.kernel, stride, channels_in),
        "bn1": style.norm(channels_in),
        "act1": Act(stage.act or style.act),
        **style.squeeze(stage, channels_in),
        "conv_pw": style.conv(channels_in, channels, divided(size, stride), 1),
        "bn2": style.norm(channels),
    }


def _inverted(stage: Stage, style: Style, channels_in: int, channels: int, size: Size, stride: int) -> Layers:
    wide = to_eighths(channels_in * stage.expansion)
    act = stage.act or style.act
    return {
        "conv_pw": style.conv(channels_in, wide, size, 1),
        "bn1": style.norm(wide),
        "act1": Act(act),
        "conv_dw": style.conv(wide, wide, size, stage.kernel, stride, wide),
        "bn2": style.norm(wide),
        "act2": Act(act),
        **style.squeeze(stage, wide),
        "conv_pwl": style.conv(wide, channels, divided(size, stride), 1),
        "bn3": style.norm(channels),
    }


def _edge(stage: Stage, style: Style, channels_in: int, channels: int, size: Size, stride: int) -> Layers:
    wide = to_eighths(channels_in * stage.expansion)
    return {
        "conv_exp": style.conv(channels_in, wide, size, stage.kernel, stride),
        "bn1": style.norm(wide),
        "act1": Act(stage.act or style.act),
        **style.squeeze(stage, wide),
        "conv_pwl": style.conv(wide, channels, divided(size, stride), 1),
        "bn2": style.norm(channels),
    }


def _universal(stage: Stage, style: Style, channels_in: int, channels: int, size: Size, stride: int) -> Layers:  # noqa: ARG001 - none is padded as SAME
    wide = to_eighths(channels_in * stage.expansion)
    at_start = stride if not stage.kernel else 1
    layers: Layers = {}
    if stage.first:
        layers["dw_start"] = ConvNormAct(channels_in, channels_in, stage.first, at_start, channels_in, act="")
    layers["pw_exp"] = ConvNormAct(channels_in, wide, act=style.act)
    if stage.kernel:
        layers["dw_mid"] = ConvNormAct(wide, wide, stage.kernel, stride, wide, act=style.act)
    layers["pw_proj"] = ConvNormAct(wide, channels, act="")
    return layers


_KINDS: Mapping[str, Callable[[Stage, Style, int, int, Size, int], Layers]] = {
    "conv": _conv,
    "residual_conv": _conv,
    "separable": _separable,
    "inverted": _inverted,
    "edge": _edge,
    "universal": _universal,
}
"""What makes the layers of a block: timm's cn, cn with skip, ds, ir, er and uir."""
