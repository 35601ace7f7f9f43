"""Gluon blocks put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.backend.mx import nn


def sequence(blocks: Sequence[Any]) -> Any:
    """Return one HybridSequential over blocks that keep their parameters."""
    net = nn.HybridSequential(prefix="")
    net.add(*blocks)
    return net
