"""What a family of GluonCV's networks with their own heads has to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.backend.mx import nn
from runtime.models.base import Base
from runtime.plan.size import Size


@dataclass(frozen=True, slots=True)
class OwnFamily:
    """How the networks of a family are built and cut.

    `cut` takes the network, the names of its parts and the size of the images, and returns a base with its own head;
    `options` are what the zoo's function gets.
    """

    cut: Callable[[Any, Sequence[str], Size], Base]
    options: Mapping[str, Any] = field(default_factory=dict)


def renew(parent: Any, name: str, outputs: int) -> None:
    """Put a convolution with other outputs in place of a block's child, whose name it keeps."""
    old = parent._children[name]
    same = {each: old._kwargs[each] for each in ("kernel", "stride", "pad", "dilate")}
    starts = {"weight_initializer": old.weight.init, "bias_initializer": old.bias.init}
    new = nn.Conv2D(outputs, *same.values(), in_channels=old.weight.shape[1], prefix=old.prefix, **starts)
    parent._children[name] = new
    if hasattr(parent, name):
        setattr(parent, name, new)
