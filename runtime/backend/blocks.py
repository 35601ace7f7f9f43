"""Gluon blocks put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from runtime.backend.mx import gluon, nn


def sequence(blocks: Sequence[Any]) -> Any:
    """Return one HybridSequential over blocks that keep their parameters."""
    net = nn.HybridSequential(prefix="")
    net.add(*blocks)
    return net


class LossBlock(gluon.HybridBlock):  # type: ignore[misc]
    """A loss as a block: `function(F, outputs, targets)` with MXNet's operators, to float32 (N,)."""

    def __init__(self, function: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__()
        self._function = function

    def hybrid_forward(self, F: Any, outputs: Any, targets: Any) -> Any:  # noqa: N803
        """Return the loss of each image; Gluon calls this."""
        return self._function(F, outputs, targets)
