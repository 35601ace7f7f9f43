"""Builds networks of timm: the whole one with its classifier, and the base that is cut from it.

A family's module has a function `build(size, classes, **options)`. It returns a block whose attributes bear timm's
names, so that a parameter's name is timm's with `gamma` and `beta` for a norm's weight and bias and `scale` for the
factors of a layer; what begins with an underscore, timm does not have (`timm_names`). The block
says how it is cut: `parts`, a list of layers for each part of the row; `tail`, the layers behind them, with
nothing to train; `classifier`, the path of the last layer, empty where there is none; `features`, how many numbers that
takes. Where what its parts give are no maps, it has `cells` (`Base`); where a file has to be fit to the size of images,
`fitted`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from runtime.backend.mx import nn
from runtime.models.base import Base
from runtime.models.timm.catalog import TIMM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.plan.size import Size

Block = Any
Array = npt.NDArray[Any]


def build(name: str, size: Size) -> Block:
    """Return the whole network for images of a size, with no weights yet and not hybridized."""
    row = TIMM[name]
    return import_module(f"runtime.models.timm.{row.family}").build(size=size, classes=row.classes, **row.options)


def split(net: Block, name: str) -> Base:
    """Cut a network that `build` made; the parts share its parameters, and its classifier is left out."""
    names = TIMM[name].parts
    parts = tuple((part, _sequence(part, layers)) for part, layers in zip(names, net.parts, strict=True))
    return Base(parts, _sequence("tail", net.tail), net.features, getattr(net, "cells", None))


def fitted(net: Block, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return what a file holds, by timm's names, as a network that `build` made takes it.

    A transformer's position embedding that was learned on images of another size is resampled.
    """
    return net.fitted(arrays) if hasattr(net, "fitted") else arrays


def timm_names(net: Block) -> Mapping[str, Any]:
    """Return the parameters of a network that `build` made by their names in timm's files."""
    return {_timm_name(name): parameter for name, parameter in net._collect_params_with_prefix().items()}


_LEAVES = {"gamma": "weight", "beta": "bias", "scale": "gamma"}


def _timm_name(name: str) -> str:
    *path, leaf = name.split(".")
    return ".".join([*(each for each in path if not each.startswith("_")), _LEAVES.get(leaf, leaf)])


def _sequence(part: str, layers: list[Block]) -> Block:
    sequence = nn.HybridSequential(prefix=f"{part}_")
    sequence.add(*layers)
    return sequence
