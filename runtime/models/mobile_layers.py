"""What EfficientNet-Lite and timm's mobile networks share: SAME padding, and how widths are rounded."""

from __future__ import annotations

import math
from typing import Any

from runtime.backend.mx import nn
from runtime.plan.size import Size


def divided(size: Size, stride: int) -> Size:
    """Return the size of what a convolution gives that is padded as SAME, or by half its odd kernel."""
    return Size(*(math.ceil(side / stride) for side in size))


def to_eighths(channels: float, least: float = 0.9) -> int:
    """Round to a multiple of 8, but never below this share of them."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= least * channels else rounded + 8


class SameConv(nn.Conv2D):  # type: ignore[misc]
    """A convolution without bias, padded as TensorFlow's SAME, which depends on whether a side is even.

    Input (batch, channels_in, height, width), of the size that it is built for: another would be padded wrongly; output
    (batch, channels, h, w), each side divided by the stride and rounded up.
    """

    def __init__(
        self, channels_in: int, channels: int, size: Size, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        total = [max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in size]
        # MXNet pads both ends alike. Where SAME padding needs one cell less at the beginning, the
        # convolution begins one stride earlier and its first row and column are cut off: five times faster
        # than padding the input.
        self._begins_early = [each % 2 for each in total]
        padding = [each // 2 + stride * (each % 2) for each in total]
        super().__init__(
            channels, kernel, strides=stride, padding=padding, groups=groups, use_bias=False, in_channels=channels_in
        )

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:  # noqa: N803
        """Return the block's output; Gluon calls this."""
        x = super().hybrid_forward(F, x, weight, bias)
        if any(self._begins_early):
            x = F.slice(x, begin=(None, None, *self._begins_early), end=(None, None, None, None))
        return x
