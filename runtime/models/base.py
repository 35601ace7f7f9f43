"""A base network, as every family hands it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Normalization = tuple[tuple[float, float, float], tuple[float, float, float]]
"""The mean and the standard deviation of each channel, for values from 0 to 1."""

HybridBlock = Any  # mxnet.gluon.HybridBlock; MXNet has no types, and this module must not import it


@dataclass(frozen=True, slots=True)
class OwnHead:
    """The head that a network was made with.

    `build` makes it, for a number of outputs, of maps of the parts; a place is how many parts lie before a map. What is
    new in it, or was in training only, starts from no file: `is_new` says so of a parameter's structural name in the
    whole network.
    """

    build: Callable[[int], HybridBlock]
    places: tuple[int, ...]
    is_new: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Base:
    """A network without its classifier, cut into named parts that run one after the other.

    `parts` are the units that a recipe freezes and unfreezes, from the input on; `tail` holds what follows
    them and has nothing to train of its own (pooling, flattening); its output is float32 of shape (batch,
    `features`). `cells` makes maps (batch, channels, height, width) of what a part gives where that is none: of a
    transformer's tokens, without that of the image.
    """

    parts: tuple[tuple[str, HybridBlock], ...]
    tail: HybridBlock
    features: int
    cells: HybridBlock | None = None
    maps: tuple[int, ...] = ()  # channels of the maps that a head over several takes, the finest first
    own: OwnHead | None = None
