"""A network of MXNet as nodes of an ONNX graph.

In go a symbol and its arrays; out comes the name of the output. Each node is translated by its row
(`runtime/export/operators/catalog.py`); shapes are inferred by MXNet for two numbers of images, which tells what
depends on that number. What depends on parameters alone, such as weights that take a layer's scale, is a constant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.backend.mx import mx, nd
from runtime.export.graph import Array, OnnxGraph
from runtime.export.operators.call import Call, Shape, UntranslatableError
from runtime.export.operators.catalog import OPERATORS
from runtime.export.symbol import Network
from runtime.plan.size import Size


def translate(graph: OnnxGraph, network: Network, data: str, size: Size) -> tuple[str, Shape]:
    """Add a network to a graph; return the name and the shape of its output.

    Arrays get the model's own names where they are parameters of it; `data` is what the graph calls the network's
    input, float32 (batch, 3, height, width).

    Raises:
        UntranslatableError: an operator has no row, or not for these arguments.
    """
    written = json.loads(network.symbol.tojson())
    shapes = _shapes(network.symbol, written["nodes"], size)
    renamed = {name: network.parameters.get(name, name) for name in network.arrays}
    graph.arrays |= {renamed[name]: values for name, values in network.arrays.items()}
    constants = _constants(network, written["nodes"])
    names: list[str] = []
    for node, shape in zip(written["nodes"], shapes, strict=True):
        operator = node["op"]
        if node["name"] in constants:
            names.append(graph.constant(constants[node["name"]]))
            continue
        if operator == "null":
            names.append(data if node["name"] == "data" else renamed[node["name"]])
            continue
        if operator not in OPERATORS:
            raise UntranslatableError(operator)
        if any(output for _, output, *_ in node["inputs"]):
            raise UntranslatableError(f"{operator} behind an operator of several outputs")
        sources = [source for source, *_ in node["inputs"]]
        inputs = tuple(names[source] for source in sources)
        call = Call(operator, node.get("attrs", {}), inputs, tuple(shapes[source] for source in sources), shape)
        names.append(OPERATORS[operator](graph, call))
    (head, *others) = written["heads"]
    if others or head[1]:
        raise UntranslatableError("a network of several outputs")
    return names[head[0]], shapes[head[0]]


def _constants(network: Network, nodes: Sequence[Mapping[str, Any]]) -> Mapping[str, Array]:
    """Return the values of the operators that depend on parameters alone, by name."""
    alone: list[bool] = []
    for node in nodes:
        inputs = [alone[source] for source, *_ in node["inputs"]]
        alone.append(node["name"] in network.arrays if node["op"] == "null" else all(inputs))
    names = [node["name"] for node, is_alone in zip(nodes, alone, strict=True) if is_alone and node["op"] != "null"]
    internals = network.symbol.get_internals()
    symbol = mx.sym.Group([internals[f"{name}_output"] for name in names]) if names else None
    if symbol is None or not symbol.list_inputs():  # numbers alone, which have rows
        return {}
    found = nd.CachedOp(symbol)(*(nd.array(network.arrays[name]) for name in symbol.list_inputs()))
    values = found if isinstance(found, list) else [found]
    return {name: value.asnumpy() for name, value in zip(names, values, strict=True)}


def _shapes(symbol: Any, nodes: Sequence[Mapping[str, Any]], size: Size) -> list[Shape]:
    """Return the shape of the first output of each node, in order."""
    internals = symbol.get_internals()
    found = [internals.infer_shape(data=(batch, 3, *size))[1] for batch in (2, 3)]
    by_name = {
        name: tuple(one if one == other else None for one, other in zip(*pair, strict=True))
        for name, *pair in zip(internals.list_outputs(), *found, strict=True)
    }
    return [_first(by_name, node["name"]) for node in nodes]


def _first(shapes: Mapping[str, Shape], name: str) -> Shape:
    for ending in ("", "_output", "_output0"):
        if name + ending in shapes:
            return shapes[name + ending]
    raise UntranslatableError(f"an operator whose outputs have names of their own, {name}")
