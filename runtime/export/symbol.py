"""A trained network as one symbol of MXNet, with its arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.backend.mx import mx, nd
from runtime.models.network import Model

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A symbol with the input `data`, and its arrays by the symbol's names.

    `parameters` are the model's own names of those that are parameters, `base.block1.0.conv.weight`; `statistics` are
    what no gradient moves.
    """

    symbol: Any
    arrays: Mapping[str, Array]
    parameters: Mapping[str, str]
    statistics: frozenset[str]


def network(model: Model, served: Callable[[Any], tuple[Any, Mapping[str, Array]]]) -> Network:
    """Return a model's network; `served` makes of its outputs what is to leave, with the arrays that this takes."""
    net = model.net
    symbol, constants = served(net(mx.sym.var("data")))
    statistics = frozenset(symbol.list_auxiliary_states())
    used = statistics | set(symbol.list_arguments())
    nd.waitall()  # oneDNN reorders weights in place while a forward pass runs
    found = {name: each for name, each in net.collect_params().items() if name in used}
    own = {id(parameter): name for name, parameter in model.parameters.items()}
    arrays = {name: parameter.data().asnumpy() for name, parameter in found.items()}
    names = {name: own[id(parameter)] for name, parameter in found.items()}
    return Network(symbol, {**arrays, **constants}, names, statistics)
