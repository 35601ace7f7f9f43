"""The graph in a `-symbol.json` file, as MXNet exports it: nodes by number, read with the standard library alone.

In goes the path of a file from strangers; out comes a `Graph`, whose nodes name operators of a closed list. MXNet's own
reader never sees the file: it knows operators that call Python or read files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recipe_lang.problem import Kind, RecipeError

NotAGraph = Kind(
    "E544",
    "not a graph",
    reason="""`symbol(…)` names the `-symbol.json` file of a network that Gluon's `export`, or `ftr export --format
    symbol`, wrote. It is read as data: its operators are those of image networks, and none runs code of others.""",
    fields="path reason",
    message="`{path}` cannot be the base: {reason}",
    help="export the network again: `net.export(…)` of a hybridized network, or `ftr export --format symbol`",
)

_NAMES: Final = """
Activation BatchNorm BlockGrad Concat Convolution Deconvolution Dropout ElementWiseSum Flatten FullyConnected
GroupNorm InstanceNorm L2Normalization LRN LayerNorm LeakyReLU Pad Pooling Reshape SliceChannel SwapAxis UpSampling
abs add_n batch_dot broadcast_add broadcast_div broadcast_like broadcast_maximum broadcast_minimum broadcast_mul
broadcast_sub clip concat dot elemwise_add elemwise_div elemwise_mul elemwise_sub erf exp expand_dims flatten
hard_sigmoid identity log log_softmax max mean negative ones_like pad relu repeat reshape reshape_like rsqrt sigmoid
slice slice_axis softmax softsign split sqrt square squeeze stack sum swapaxes tanh tile transpose
_contrib_AdaptiveAvgPooling2D _contrib_BilinearResize2D _copy _div_scalar _maximum_scalar _minimum_scalar
_contrib_interleaved_matmul_selfatt_qk _contrib_interleaved_matmul_selfatt_valatt
_minus_scalar _mul_scalar _ones _plus_scalar _power_scalar _rdiv_scalar _rminus_scalar
_Plus _Minus _Mul _Div _PlusScalar _MinusScalar _MulScalar _DivScalar
"""
OPERATORS: Final = frozenset(_NAMES.split())
"""What a node may be: operators that compute, by MXNet's names."""

LARGEST_GRAPH: Final = 64 << 20
_MOST_NODES = 50_000
_LONGEST = 400
_MOST_ATTRIBUTES = 64


@dataclass(frozen=True, slots=True)
class Node:
    """An operator (nothing where it is a variable), its settings, and the outputs that it takes: node and which.

    `shape` is what the file says of a variable's; 0 is any length, and nothing may be said.
    """

    operator: str
    name: str
    settings: Mapping[str, str]
    inputs: tuple[tuple[int, int], ...]
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's nodes, each behind those that it takes."""

    path: Path
    nodes: tuple[Node, ...]


def read_graph(path: Path) -> Graph:
    """Read a file that MXNet exported.

    Raises:
        RecipeError: it is not there, is no such file, or has an operator that is not listed.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise ValueError("it is no file")
        with path.open("rb") as file:
            text = file.read(LARGEST_GRAPH + 1)
        if len(text) > LARGEST_GRAPH:
            raise ValueError(f"it has more than {LARGEST_GRAPH:,} bytes")
        plain = json.loads(text)
        nodes = plain.get("nodes") if isinstance(plain, dict) else None
        if not isinstance(nodes, list) or not 0 < len(nodes) <= _MOST_NODES:
            raise ValueError("it lists no nodes")
        read = tuple(_node(number, node) for number, node in enumerate(nodes))
        if len({node.name for node in read}) < len(read):
            raise ValueError("two of its nodes have one name")
    except OSError as error:
        raise not_a_graph(path, (error.strerror or str(error)).lower()) from None
    except RecursionError:
        raise not_a_graph(path, "it is no JSON of a graph") from None
    except ValueError as error:  # of JSON and of UTF-8, too
        raise not_a_graph(path, str(error).splitlines()[0][:160]) from None
    return Graph(path, read)


def not_a_graph(path: Path, reason: str) -> RecipeError:
    """Return the error for a file that cannot be a base."""
    return RecipeError(NotAGraph(path=str(path), reason=reason))


def _node(number: int, plain: Any) -> Node:
    match plain:
        case {"op": str() as operator, "name": str() as name, "inputs": list() as inputs}:
            if not name or not name.isprintable() or len(name) > _LONGEST:
                raise ValueError(f"node {number} has no proper name")
            if operator != "null" and operator not in OPERATORS:
                shown = "".join(filter(str.isprintable, operator))[:60]
                raise ValueError(f"`{name[:60]}` is a `{shown}`, which is not among the operators that are read")
            settings = _settings(plain)
            shape = tuple(map(int, re.findall(r"\d{1,12}", settings.get("__shape__", ""))))
            own = {key: value for key, value in settings.items() if not key.startswith("__")}
            return Node("" if operator == "null" else operator, name, own, _inputs(number, inputs), shape)
    raise ValueError(f"node {number} is not described as MXNet does")


def _settings(plain: Mapping[str, Any]) -> dict[str, str]:
    """Return a node's settings, which older versions keep under other names."""
    found: dict[str, str] = {}
    for key in ("param", "attr", "attrs"):
        match plain.get(key):
            case dict() as settings:
                found |= settings
    for name, value in found.items():
        if not isinstance(value, str) or len(value) > _LONGEST or not name.isidentifier():
            raise ValueError(f"`{plain['name'][:60]}` has a strange setting")
    if len(found) > _MOST_ATTRIBUTES:
        raise ValueError(f"`{plain['name'][:60]}` has {len(found)} settings")
    return found


def _inputs(number: int, inputs: list[Any]) -> tuple[tuple[int, int], ...]:
    found = []
    for each in inputs:
        match each:
            case [int() as source, int() as output, *_] if 0 <= source < number and 0 <= output < _MOST_ATTRIBUTES:
                found.append((source, output))
            case _:
                raise ValueError(f"node {number} takes what does not stand before it")
    return tuple(found)
