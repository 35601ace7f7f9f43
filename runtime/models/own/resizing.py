"""The bilinear resize of GluonCV's segmenters, with the same gradients from run to run.

MXNet's `BilinearResize2D` adds up its gradients in an order that depends on how threads meet. The same resize is a
product with a matrix on either side, which is repeatable.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from runtime.plan.size import Size


def resized(F: Any, value: Any, height: int, width: int) -> Any:  # noqa: N803
    """Return maps (batch, channels, h, w) at another size; the outermost cells keep their places, as in GluonCV."""
    wide = F.dot(value, _weights(F, value, 3, width))
    return F.dot(wide.transpose((0, 1, 3, 2)), _weights(F, value, 2, height)).transpose((0, 1, 3, 2))


def _weights(F: Any, value: Any, axis: int, side: int) -> Any:  # noqa: N803
    """Return how much each cell counts at each place, (cells, side)."""
    cells = F.contrib.arange_like(F.BlockGrad(value), axis=axis)
    places = F.broadcast_mul(F.arange(side) / max(side - 1, 1), F.max(cells))
    return F.relu(1 - F.abs(F.broadcast_sub(cells.reshape((-1, 1)), places.reshape((1, -1)))))


def resize_for(net: Any, built: Size, size: Size) -> None:
    """Let all layers of a network that enlarge maps to a size do so for images of another, and repeatably.

    Args:
        net: a network of GluonCV's.
        built: the size of images that it was built for.
        size: that of those it gets.
    """

    def settle(block: Any) -> None:
        to = getattr(block, "_up_kwargs", None)
        if to is not None:
            height, width = to["height"] * size.height // built.height, to["width"] * size.width // built.width
            block._up_kwargs = {"height": height, "width": width}
            block.hybrid_forward = partial(_forward, block.hybrid_forward)

    net.apply(settle)


def _forward(own: Any, F: Any, *args: Any, **parameters: Any) -> Any:  # noqa: N803
    return own(_Repeatable(F), *args, **parameters)


class _Repeatable:
    """MXNet's operators, but for the one that is not repeatable."""

    def __init__(self, operators: Any) -> None:
        self._operators = operators

    @property
    def contrib(self) -> _Contrib:
        return _Contrib(self._operators)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operators, name)


class _Contrib:
    def __init__(self, operators: Any) -> None:
        self._operators = operators

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operators.contrib, name)

    def BilinearResize2D(self, value: Any, height: int, width: int) -> Any:  # noqa: N802 - as MXNet calls it
        return resized(self._operators, value, height, width)
