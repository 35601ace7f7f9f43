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
    """Scales each channel by what the means of all say (Hu et al., arXiv 1709.01507): `fc1`, ReLU, `fc2`, sigmoid."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        with self.name_scope():
            self.fc1 = nn.Conv2D(reduced, 1, in_channels=channels)
            self.fc2 = nn.Conv2D(channels, 1, in_channels=reduced)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        """Return the scaled channels; Gluon calls this."""
        scale = F.contrib.AdaptiveAvgPooling2D(x, output_size=1)
        scale = F.relu(self.fc1(scale))
        return F.broadcast_mul(x, F.sigmoid(self.fc2(scale)))
