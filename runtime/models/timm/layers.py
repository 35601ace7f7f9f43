"""Layers that several families of timm share, with timm's names of their parameters."""

from __future__ import annotations

from typing import Any

from runtime.backend.mx import gluon, nn


class ConvNormAct(gluon.HybridBlock):  # type: ignore[misc]
    """A convolution without bias, `conv`, BatchNorm, `bn`, and an activation unless `act` is empty.

    Input (batch, channels_in, height, width); output (batch, channels, …), padded by half the kernel.
    """

    def __init__(
        self, channels_in: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: str = "relu"
    ) -> None:
        super().__init__()
        self._act = act
        with self.name_scope():
            self.conv = nn.Conv2D(
                channels,
                kernel,
                strides=stride,
                padding=kernel // 2,
                groups=groups,
                use_bias=False,
                in_channels=channels_in,
            )
            self.bn = nn.BatchNorm(in_channels=channels, epsilon=1e-5)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the block's output; Gluon calls this."""
        x = self.bn(self.conv(x))
        return F.Activation(x, act_type=self._act) if self._act else x


class SqueezeExcite(gluon.HybridBlock):  # type: ignore[misc]
    """Scales each channel by what the means of all say (Hu et al., arXiv 1709.01507).

    Two convolutions of single cells, with an activation behind each; `names` are timm's for the two.
    """

    def __init__(
        self,
        channels: int,
        reduced: int,
        names: tuple[str, str] = ("fc1", "fc2"),
        act: str = "relu",
        gate: str = "sigmoid",
    ) -> None:
        super().__init__()
        with self.name_scope():
            self.register_child(nn.Conv2D(reduced, 1, in_channels=channels), names[0])
            self.register_child(Act(act), "act")
            self.register_child(nn.Conv2D(channels, 1, in_channels=reduced), names[1])
            self.register_child(Act(gate), "gate")

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the scaled channels; Gluon calls this."""
        # The gradient of global pooling is slow in oneDNN, that of `broadcast_mul` in MXNet.
        scale = F.contrib.AdaptiveAvgPooling2D(x, output_size=1)
        for layer in self._children.values():
            scale = layer(scale)
        return x * F.broadcast_like(scale, x)


class Act(gluon.HybridBlock):  # type: ignore[misc]
    """An activation by timm's name for it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the activation; Gluon calls this."""
        match self._name:
            case "silu":
                return x * F.Activation(x, act_type="sigmoid")
            case "hard_sigmoid":
                return F.clip(x + 3, 0, 6) / 6
            case "hard_swish":
                return x * (F.clip(x + 3, 0, 6) / 6)
            case name:
                return F.Activation(x, act_type=name)
