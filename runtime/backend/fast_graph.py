"""A network as a graph that trains fast, and one that predicts fast.

In: a network that is ready for its stage, and the shapes of what it takes, one or several. Out: one block over the same
parameters that computes the same, up to rounding, with operators whose gradients MXNet 1.9.1 has in a fast form. By
which of the rules of `graph_rewrite.py` a graph is written depends on the level of the processor's instructions: by
those that pay there (docs/fast-graph.md). Before it is used, its gradients on noise are compared with those of the
graph as it was, with dropout left out of both; where they differ, the rule that adds zeros is dropped, then the one
that joins layers, then all rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from runtime.backend.graph_rewrite import Graph, Shapes, Values, inputs_of
from runtime.backend.mx import autograd, gluon, mx, nd
from runtime.system.cpu import instructions

_TRIED = 2  # images; layouts do not depend on their number
_ELSEWHERE = frozenset({"join", "product", "scale", "vectors"})
_RULES = {  # by level of instructions, never by a timing: the same everywhere at that level, which the lock records
    "avx2": _ELSEWHERE | {"minimum"},
    "avx512_core": _ELSEWHERE,  # behind a norm of odd channels the minimum's gradient comes in a layout that is refused
}
_OF_SEVERAL_MAPS = {"avx512_core": frozenset({"pad"})}  # and these where a network takes several maps
_BOUND = 3e-2  # of the gradient's norm: rounding is far smaller, a layout mixed up far larger


def fast_graph(net: Any, shapes: Shapes, context: Any, *, joins_maps: bool = False) -> Any:
    """Return a network hybridized for training on inputs of these shapes (batch, channels, …).

    `joins_maps` is whether its head takes several maps of its base. It predicts too. Parameters are shared; what its
    blocks are set to train, and how their norms behave, is fixed here. When its gradients, tried on noise, are not
    those of the network, it is the network as it is: which memory layouts meet, and whether MXNet handles them, depends
    on the processor.
    """
    symbol = _symbol(net, shapes)
    level = instructions()
    every = _RULES.get(level, _ELSEWHERE) | (_OF_SEVERAL_MAPS.get(level, frozenset()) if joins_maps else frozenset())
    tried = [(min(each[0], _TRIED), *each[1:]) for each in shapes]
    rules = _rules_that_train_alike(net, symbol, tried, context, every)
    if rules:
        net = _block(Graph(symbol, shapes, rules=rules), net.collect_params(), context)
    net.hybridize(static_alloc=True, static_shape=not rules)  # as fast; less memory with this graph, more without
    return net


def _rules_that_train_alike(
    net: Any, symbol: Any, shapes: Shapes, context: Any, every: frozenset[str]
) -> frozenset[str]:
    """Return the rules whose graph of a network that trains gives the same gradients; none where there are none."""
    parameters = net.collect_params()
    trained = [parameter for parameter in parameters.values() if parameter.grad_req != "null"]
    plain = Graph(symbol, shapes, drops=False)
    if not trained or Graph(symbol, shapes, drops=False, rules=every).operators() == plain.operators():
        return frozenset()
    # Only gradients, which the next step overwrites, and what norms set in training are touched: copies take memory.
    before = {each: each.data().copy() for each in parameters.values() if len(each.shape) == 1}
    try:
        _take_step(_block(plain, parameters, context), shapes, context)
        expected = [parameter.grad().asnumpy() for parameter in trained]
        for rules in dict.fromkeys((every, every - {"pad"}, every - {"pad", "join"})):
            with suppress(mx.MXNetError):
                graph = Graph(symbol, shapes, drops=False, rules=rules)
                _take_step(_block(graph, parameters, context), shapes, context)
                if _are_alike(expected, (parameter.grad().asnumpy() for parameter in trained)):
                    return rules
    finally:
        for parameter, values in before.items():
            parameter.set_data(values)
    return frozenset()


def _are_alike(expected: Sequence[Values], found: Iterable[Values]) -> bool:
    """Whether the gradients of all parameters, taken as one vector, differ by less than the bound."""
    wrong, size = 0.0, 0.0
    for one, other in zip(expected, found, strict=True):
        wrong += float(np.square(one - other, dtype=np.float64).sum())
        size += float(np.square(one, dtype=np.float64).sum())
    return bool(wrong <= _BOUND**2 * size)


def predicting_graph(net: Any, shapes: Shapes, context: Any) -> Any:
    """Return a network, not hybridized yet, whose layers can be joined, for prediction on inputs of these shapes.

    A part cut out of what a convolution gives stands between it and its norm; here it is cut behind the two. What is
    made of parameters alone is made once: the graph has the parameters of now.
    """
    graph = Graph(_symbol(net, shapes), shapes, predicts=True)
    graph.fix(net.collect_params(), context)
    rewritten = graph.gates.silus or graph.gates.scales or graph.constants
    if rewritten or any(node["op"] == "slice" for node in graph.nodes):
        return _block(graph, net.collect_params(), context)
    return net


def _symbol(net: Any, shapes: Shapes) -> Any:
    """Return what a network makes of its inputs, which are named as Gluon names them."""
    found = net(*map(mx.sym.var, inputs_of(shapes)))
    return mx.sym.Group(found) if isinstance(found, list) else found


def _block(graph: Graph, parameters: Any, context: Any) -> Any:
    """Return a graph over parameters, by name, as a block."""
    known = gluon.ParameterDict()
    known.update(parameters)
    for name, values in graph.constants.items():
        known._params[name] = _parameter(name, "null", nd.array(values), context)
    inputs = [mx.sym.var(name, dtype="float32") for name in inputs_of(graph.given)]
    return gluon.SymbolBlock(graph.symbol(), inputs, params=known)


def _parameter(name: str, grad_req: str, values: Any, context: Any) -> Any:
    made = gluon.Parameter(name, grad_req, values.shape)
    made.initialize(mx.init.Zero(), ctx=context)
    made.set_data(values)
    return made


def _take_step(block: Any, shapes: Shapes, context: Any) -> None:
    """Leave the gradients of a block for noise in its parameters."""
    block.hybridize()
    rng = np.random.default_rng(0)
    noise = [nd.array(rng.normal(size=shape), ctx=context) for shape in shapes]
    with autograd.record():
        found = block(*noise)
        outputs = found if isinstance(found, list) else [found]
        losses = [(each * nd.array(rng.normal(size=each.shape), ctx=context)).sum() for each in outputs]
    autograd.backward(losses)
    nd.waitall()
