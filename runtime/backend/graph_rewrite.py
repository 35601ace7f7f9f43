"""The trained part of a network as a graph that trains fast.

In: a network that is ready for its stage, and the shapes of what it takes, one or several. Out: one block over the same
parameters that computes the same, up to rounding, with operators whose gradients MXNet 1.9.1 has in a fast form. By
which of these rules a graph is written depends on the level of the processor's instructions: by those that pay there
(docs/fast-graph.md).

* a batch norm right behind a convolution and the ReLU behind it as one operator. Of a ReLU6 the `clip` stays, or
  becomes the minimum with 6: a third of the time of a light network's training step was spent between the two.
* a depthwise convolution with a large kernel on a small image as a product of matrices. Its weights' gradient has no
  fast form there (kernels of 3 x 3 have one): 10 to 40 times slower than the forward pass.
* a LayerNorm over the last axis as products with vectors: of MXNet's own the gradient, with its sums over rows and
  columns, takes 16 times as long as the forward pass; written so, the two together take half.
* a convolution of channels that fill no blocks of oneDNN's, in front of a norm with the batch's statistics, with zeros
  beside them, for heads over several maps: the gradient of a norm in another layout took a quarter of a detector's
  step. Other networks keep it, and with it the bits that their locks record.
* what is cut out of a convolution's result is cut out behind its norm, where that takes no statistics of the batch.
* channels that squeeze and excite scales as a product of matrices: a step through them takes less than half the time.

For prediction SiLU and that scale have a form of their own (`runtime/backend/gates.py`).

How it works. The network's symbol is a list of nodes (operator, name, attributes, inputs as numbers of nodes before
it) and of heads, the nodes that are its outputs. `_Graph` goes through the old list once and writes a new one: for each
node it adds the node as it was, or what a rule puts in its place, and notes under which number its result now stands;
inputs and heads are looked up there. A rule may look at what reads a node (`readers`, heads among them): a result that
something else reads is never joined away. The new graph keeps the names of parameters, so that a SymbolBlock over it
shares them. Before it is used, its gradients on noise are compared with those of the graph as it was, with dropout left
out of both; where they differ, the rule that adds zeros is dropped, then the one that joins layers, then all rules.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.gates import Gates, scales_channels
from runtime.backend.mx import autograd, gluon, mx, nd
from runtime.system.cpu import instructions

Node = dict[str, Any]
Values = npt.NDArray[np.float32]
Shapes = Sequence[tuple[int, ...]]  # of a network's inputs, each (batch, channels, …)
Entry = list[int]  # the number of a node, and which of its outputs

_CELLS = 700  # of the input times the output: with more, the convolution on two cores is as fast as the product
_TRIED = 2  # images; layouts do not depend on their number
_ELSEWHERE = frozenset({"join", "product", "scale", "vectors"})
_RULES = {  # by level of instructions, never by a timing: the same everywhere at that level, which the lock records
    "avx2": _ELSEWHERE | {"minimum"},
    "avx512_core": _ELSEWHERE,  # behind a norm of odd channels the minimum's gradient comes in a layout that is refused
}
_OF_SEVERAL_MAPS = {"avx512_core": frozenset({"pad"})}  # and these where a network takes several maps
_BLOCK = 8  # channels
_WIDE_BLOCK = 16  # of AVX-512
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
        net = _block(_Graph(symbol, shapes, rules=rules), net.collect_params(), context)
    net.hybridize(static_alloc=True, static_shape=not rules)  # as fast; less memory with this graph, more without
    return net


def _rules_that_train_alike(
    net: Any, symbol: Any, shapes: Shapes, context: Any, every: frozenset[str]
) -> frozenset[str]:
    """Return the rules whose graph of a network that trains gives the same gradients; none where there are none."""
    parameters = net.collect_params()
    trained = [parameter for parameter in parameters.values() if parameter.grad_req != "null"]
    plain = _Graph(symbol, shapes, drops=False)
    if not trained or _Graph(symbol, shapes, drops=False, rules=every).operators() == plain.operators():
        return frozenset()
    # Only gradients, which the next step overwrites, and what norms set in training are touched: copies take memory.
    before = {each: each.data().copy() for each in parameters.values() if len(each.shape) == 1}
    try:
        _take_step(_block(plain, parameters, context), shapes, context)
        expected = [parameter.grad().asnumpy() for parameter in trained]
        for rules in dict.fromkeys((every, every - {"pad"}, every - {"pad", "join"})):
            with suppress(mx.MXNetError):
                graph = _Graph(symbol, shapes, drops=False, rules=rules)
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
    graph = _Graph(_symbol(net, shapes), shapes, predicts=True)
    graph.fix(net.collect_params(), context)
    rewritten = graph.gates.silus or graph.gates.scales or graph.constants
    if rewritten or any(node["op"] == "slice" for node in graph.nodes):
        return _block(graph, net.collect_params(), context)
    return net


def _symbol(net: Any, shapes: Shapes) -> Any:
    """Return what a network makes of its inputs, which are named as Gluon names them."""
    found = net(*map(mx.sym.var, _inputs(shapes)))
    return mx.sym.Group(found) if isinstance(found, list) else found


def _inputs(shapes: Shapes) -> list[str]:
    return ["data"] if len(shapes) == 1 else [f"data{number}" for number in range(len(shapes))]


def _block(graph: _Graph, parameters: Any, context: Any) -> Any:
    """Return a graph over parameters, by name, as a block."""
    known = gluon.ParameterDict()
    known.update(parameters)
    for name, values in graph.constants.items():
        known._params[name] = _parameter(name, "null", nd.array(values), context)
    inputs = [mx.sym.var(name, dtype="float32") for name in _inputs(graph.given)]
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


class _Graph:
    """A symbol's graph, written anew node by node.

    It may lose its dropout (`drops`), get operators that train fast by `rules`, and take for granted that it only
    predicts (`predicts`).
    """

    def __init__(
        self,
        symbol: Any,
        shapes: Shapes,
        *,
        drops: bool = True,
        predicts: bool = False,
        rules: frozenset[str] = frozenset(),
    ) -> None:
        graph = json.loads(symbol.tojson())
        self.attributes = graph["attrs"]
        self.old: list[Node] = graph["nodes"]
        self.given = shapes
        self.shapes = _shapes(symbol, shapes)
        self.readers = Counter(entry[0] for node in self.old for entry in node["inputs"])
        self.readers.update(entry[0] for entry in graph["heads"])
        self.before_depthwise = {self.old[node["inputs"][0][0]]["name"] for node in self.old if _is_depthwise(node)}
        self.before_norm = {self.old[node["inputs"][0][0]]["name"] for node in self.old if _takes_statistics(node)}
        self.drops, self.predicts, self.rules = drops, predicts, rules
        self.gates = Gates.of(self.old if predicts else (), graph["heads"])
        self.nodes: list[Node] = []
        self.constants: dict[str, npt.NDArray[np.float32]] = {}
        self.new: dict[int, int] = {}
        for number, node in enumerate(self.old):
            self.new[number] = self._write_predicting(number, node) if predicts else self._write(node)
        self.heads = [self._entry(head) for head in graph["heads"]]

    def symbol(self) -> Any:
        """Return the new graph."""
        arguments = [number for number, node in enumerate(self.nodes) if node["op"] == "null"]
        return mx.sym.load_json(
            json.dumps({"nodes": self.nodes, "arg_nodes": arguments, "heads": self.heads, "attrs": self.attributes})
        )

    def operators(self) -> list[str]:
        """Return what the nodes compute, in order."""
        return [node["op"] for node in self.nodes]

    def fix(self, parameters: Any, context: Any) -> None:
        """Put its value in the place of what is computed of parameters alone, such as weights in another order."""
        inputs = _inputs(self.given)
        alone: set[int] = set()
        for number, node in enumerate(self.nodes):
            is_parameter = node["op"] == "null" and node["name"] not in inputs
            if is_parameter or node["op"] == "_ones" or node["inputs"] and {e[0] for e in node["inputs"]} <= alone:
                alone.add(number)
        readers = [node["inputs"] for number, node in enumerate(self.nodes) if number not in alone]
        read = {entry[0] for entries in readers for entry in entries}
        wanted = sorted(number for number in alone & read if self.nodes[number]["inputs"])
        if not wanted:
            return
        heads, self.heads = self.heads, [[number, 0, 0] for number in wanted]
        symbol, self.heads = self.symbol(), heads
        found = nd.CachedOp(symbol)(*(parameters[name].data(context) for name in symbol.list_inputs()))
        for number, value in zip(wanted, found if isinstance(found, list) else [found], strict=True):
            name = f"{self.nodes[number]['name']}_fixed"
            self.nodes[number] = {"op": "null", "name": name, "inputs": []}
            self.constants[name] = value.asnumpy()

    def _entry(self, entry: Entry) -> Entry:
        return [self.new[entry[0]], *entry[1:]]

    def _add(self, op: str, name: str, inputs: Sequence[Entry], **attributes: Any) -> int:
        node: Node = {"op": op, "name": name, "inputs": list(inputs)}
        if attributes:
            node["attrs"] = {key: str(value) for key, value in attributes.items()}
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _write_predicting(self, number: int, node: Node) -> int:
        """Add what stands for a node in a graph that predicts; return the number of its result."""
        gates, name = self.gates, node["name"]
        inputs = [self._entry(entry) for entry in node["inputs"]]
        if number in gates.within or number in gates.late.values():
            return inputs[0][0]  # what reads it does its work
        if number in gates.silus:
            made = self._add("_backward_Activation", f"{name}_silu", [inputs[0]] * 3, act_type="softrelu")
            return made if gates.silus[number] else self._add("BlockGrad", name, [[made, 0, 0]])
        if number in gates.scales:
            cells = self.shapes[self._output_name(node["inputs"][0])][2:]
            gate = self._entry(gates.scales[number])
            spread = self._add("broadcast_axis", f"{name}_spread", [gate], axis=(2, 3), size=cells)
            return self._add("_backward_Activation", name, [inputs[0], *[[spread, 0, 0]] * 2], act_type="softrelu")
        if number in gates.means:
            return self._add("Pooling", name, inputs, **_MEAN)
        made = self._write(node)
        if number in gates.late:
            return self._add("Pooling", f"{name}_mean", [[made, 0, 0]], **_MEAN)
        return made

    def _write(self, node: Node) -> int:
        """Add what stands for a node; return the number of its result."""
        inputs = [self._entry(entry) for entry in node["inputs"]]
        if not self._comes_before_its_slice(node, inputs):
            return self._join(node, inputs)
        cut = self.nodes[inputs[0][0]]
        made = self._join(node, [cut["inputs"][0], *inputs[1:]])
        return self._add("slice", f"{node['name']}_slice", [[made, 0, 0]], **cut["attrs"])

    def _comes_before_its_slice(self, node: Node, inputs: Sequence[Entry]) -> bool:
        """Whether a node can work on the whole of what its input is a part of: right behind a convolution it is joined.

        A norm can where it takes its statistics, not the batch's.
        """
        whole = node["op"] == "BatchNorm" and (self.predicts or node["attrs"].get("use_global_stats") == "True")
        if not (whole or _relu(node)):
            return False
        cut = self.nodes[inputs[0][0]]
        return cut["op"] == "slice" and _keeps_channels(cut) and self.readers[node["inputs"][0][0]] == 1

    def _join(self, node: Node, inputs: Sequence[Entry]) -> int:
        if node["op"] == "Dropout" and not self.drops:
            return inputs[0][0]
        if "join" in self.rules and (limit := _relu(node)) and self._takes_relu(node):
            self.nodes[inputs[0][0]]["op"] = "_contrib_BatchNormWithReLU"
            if limit == np.inf:
                return inputs[0][0]
            if "minimum" in self.rules:
                return self._add("_minimum_scalar", node["name"], inputs, scalar=limit)
        if "scale" in self.rules and scales_channels(self.old, node):
            return self._scale(node, inputs)
        if "product" in self.rules and node["op"] == "Convolution" and self._is_slow(node):
            return self._product(node, inputs)
        if "pad" in self.rules and node["op"] == "Convolution" and self._fills_no_blocks(node):
            return self._pad(node, inputs)
        if "vectors" in self.rules and node["op"] == "LayerNorm" and node["attrs"].get("axis", "-1") == "-1":
            return self._layer_norm(node, inputs)
        return self._add(node["op"], node["name"], inputs, **node.get("attrs", {}))

    def _takes_relu(self, node: Node) -> bool:
        """Whether a ReLU's input is a norm right behind a convolution, read once: elsewhere the gradient is wrong.

        A plain ReLU gains only beside a depthwise convolution, with channels in whole blocks of oneDNN's.
        """
        old = node["inputs"][0][0]
        norm = self.nodes[self.new[old]]
        before = self.nodes[norm["inputs"][0][0]] if norm["op"] == "BatchNorm" else norm
        if before["op"] != "Convolution" or self.readers[old] > 1:
            return False
        beside = node["name"] in self.before_depthwise or _is_depthwise(before)
        return node["op"] == "clip" or beside and int(before["attrs"]["num_filter"]) % _BLOCK == 0

    def _scale(self, node: Node, inputs: Sequence[Entry]) -> int:
        """Write channels times what is spread over them as (1, 1) x (1, cells), for each channel of each image."""
        name, x = node["name"], inputs[0]
        spread = self.old[node["inputs"][1][0]]
        gate = self._add("Reshape", f"{name}_gate", [self._entry(spread["inputs"][0])], shape=(-3, 1, 1))
        cells = self._add("Reshape", f"{name}_cells", [x], shape=(-3, 1, -1))
        scaled = self._add("batch_dot", f"{name}_scaled", [[gate, 0, 0], [cells, 0, 0]])
        return self._add("reshape_like", name, [[scaled, 0, 0], x])

    def _is_slow(self, node: Node) -> bool:
        """Whether a convolution is depthwise, its kernel large, and its image small."""
        conv = {key: ast.literal_eval(value) for key, value in node["attrs"].items() if value[:1] in "(0123456789TF"}
        channels, *side = self.shapes[self._output_name(node["inputs"][0])][1:]
        cells = int(np.prod(side)) * int(np.prod(self.shapes[node["name"] + "_output"][2:]))
        return (
            len(conv["kernel"]) == 2
            and min(conv["kernel"]) > 3
            and conv.get("num_group", 1) == conv["num_filter"] == channels
            and conv.get("dilate", (1, 1)) == (1, 1)
            and bool(conv.get("no_bias"))
            and cells <= _CELLS
        )

    def _output_name(self, entry: Entry) -> str:
        node = self.old[entry[0]]
        name: str = node["name"]
        return name if node["op"] == "null" else f"{name}_output"

    def _product(self, node: Node, inputs: Sequence[Entry]) -> int:
        """Write a depthwise convolution as (image cells) x (image cells, output cells), for each channel."""
        name = node["name"]
        kernel, stride, pad = (ast.literal_eval(node["attrs"].get(key, d)) for key, d in _GEOMETRY)
        _, channels, *side = self.shapes[self._output_name(node["inputs"][0])]
        taps = _taps(kernel, stride, pad, side)
        out = self.shapes[name + "_output"][2:]
        index = self._constant(f"ftr_taps_{kernel}_{stride}_{pad}_{side}".replace(" ", ""), taps)
        step = partial(self._step, name)

        # After a prediction the weights lie in a layout of oneDNN, which its own `Reshape` cannot read.
        plain = step("_mul_scalar", "plain", inputs[1][0], scalar=1.0)
        flat = step("Reshape", "taps", plain, shape=(channels, kernel[0] * kernel[1]))
        matrices = step("dot", "all", flat, index)
        matrices = step("Reshape", "matrices", matrices, shape=(channels, int(np.prod(side)), int(np.prod(out))))
        images = self._add("Reshape", f"{name}_cells", inputs[:1], shape=(0, 0, -1))
        images = step("SwapAxis", "images", images, dim1=0, dim2=1)
        found = step("batch_dot", "product", images, matrices)
        found = step("SwapAxis", "back", found, dim1=0, dim2=1)
        return step("Reshape", "result", found, shape=(0, 0, *out))

    def _fills_no_blocks(self, node: Node) -> bool:
        """Whether a convolution of single cells, in front of a norm of the batch, has channels left over."""
        attributes = node["attrs"]
        plain = attributes.get("num_group", "1") == "1" and ast.literal_eval(attributes["kernel"]) == (1, 1)
        channels = self.shapes[self._output_name(node["inputs"][0])][1]
        return plain and channels % _WIDE_BLOCK != 0 and node["name"] in self.before_norm

    def _pad(self, node: Node, inputs: Sequence[Entry]) -> int:
        """Write a convolution of single cells with zeros beside its channels, in the map and in the weights."""
        channels, *side = self.shapes[self._output_name(node["inputs"][0])][1:]
        count = int(node["attrs"]["num_filter"])
        width = -(-channels // _WIDE_BLOCK) * _WIDE_BLOCK
        step = partial(self._step, node["name"])
        widen = {"mode": "constant", "pad_width": (0, 0, 0, 0, 0, width - channels, 0, 0)}
        cells = step("Reshape", "cells", inputs[0][0], shape=(0, 1, channels, -1))
        cells = step("Reshape", "map", step("Pad", "filled", cells, **widen), shape=(0, width, *side))
        plain = step("_mul_scalar", "plain", inputs[1][0], scalar=1.0)  # as in `_product`
        weights = step("Reshape", "rows", plain, shape=(1, count, channels, 1))
        weights = step("Reshape", "weights", step("Pad", "widened", weights, **widen), shape=(count, width, 1, 1))
        entries = [[cells, 0, 0], [weights, 0, 0], *inputs[2:]]
        return self._add("Convolution", node["name"], entries, **node["attrs"])

    def _layer_norm(self, node: Node, inputs: Sequence[Entry]) -> int:
        """Write a LayerNorm with its means, and what is the same for all channels or all rows, as products."""
        shape = self.shapes[self._output_name(node["inputs"][0])]
        channels = shape[-1]
        means = self._constant(f"ftr_mean_{channels}", np.full((channels, 1), 1 / channels, np.float32))
        ones = self._constant(f"ftr_ones_{channels}", np.ones((1, channels), np.float32))
        step = partial(self._step, node["name"])
        rows = self._add("Reshape", f"{node['name']}_rows", inputs[:1], shape=(-1, channels))
        gamma, beta = (
            self._add("Reshape", f"{node['name']}_{name}", [entry], shape=(1, -1))
            for name, entry in zip(("gamma", "beta"), inputs[1:], strict=True)
        )
        mean = step("dot", "mean", rows, means)
        centred = step("elemwise_sub", "centred", rows, step("dot", "means", mean, ones))
        variance = step("dot", "variance", step("square", "square", centred), means)
        variance = step("_plus_scalar", "epsilon", variance, scalar=node["attrs"].get("eps", "1e-5"))
        scale = step("dot", "scale", step("rsqrt", "rsqrt", variance), gamma)
        shift = step("dot", "shift", step("ones_like", "ones", mean), beta)
        normed = step("elemwise_add", "shifted", step("elemwise_mul", "scaled", centred, scale), shift)
        return step("Reshape", "result", normed, shape=(-1, *shape[1:]))

    def _constant(self, name: str, values: Values) -> int:
        """Return the number of a node that holds values; there is one of each name."""
        if name not in self.constants:
            self.constants[name] = values
            self._add("null", name, [])
        return next(number for number, each in enumerate(self.nodes) if each["name"] == name)

    def _step(self, name: str, op: str, suffix: str, *given: int, **attributes: Any) -> int:
        return self._add(op, f"{name}_{suffix}", [[each, 0, 0] for each in given], **attributes)


_MEAN = {"kernel": (1, 1), "global_pool": True, "pool_type": "avg"}
_GEOMETRY = (("kernel", "()"), ("stride", "(1, 1)"), ("pad", "(0, 0)"))


def _keeps_channels(cut: Node) -> bool:
    """Whether a slice takes all images and all channels."""
    return all(ast.literal_eval(cut["attrs"][key])[:2] == (None, None) for key in ("begin", "end"))


def _is_depthwise(node: Node) -> bool:
    if node["op"] != "Convolution":
        return False
    groups: str = node["attrs"].get("num_group", "1")
    return groups != "1" and groups == node["attrs"]["num_filter"]


def _takes_statistics(node: Node) -> bool:
    """Whether a node is a norm with the statistics of the batch."""
    return bool(node["op"] == "BatchNorm" and node["attrs"].get("use_global_stats") != "True")


def _relu(node: Node) -> float:
    """Return the limit of a ReLU: infinity for the plain one, 0 for other nodes."""
    attributes = node.get("attrs", {})
    if node["op"] == "Activation" and attributes["act_type"] == "relu" or node["op"] == "relu":
        return float(np.inf)
    if node["op"] == "clip" and float(attributes["a_min"]) == 0:
        return float(attributes["a_max"])
    return 0.0


def _shapes(symbol: Any, shapes: Shapes) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of each output and argument by name."""
    internals = symbol.get_internals()
    _, found, _ = internals.infer_shape(**dict(zip(_inputs(shapes), shapes, strict=True)))
    return dict(zip(internals.list_outputs(), found, strict=True))


def _taps(
    kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], side: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Return which kernel cell joins which image cell to which output cell: (kernel cells, image x output cells)."""
    rows, columns = (_joins(*each) for each in zip(kernel, stride, pad, side, strict=True))
    joined: npt.NDArray[np.float32] = np.einsum("ayp,bxq->abyxpq", rows, columns)
    return joined.reshape(kernel[0] * kernel[1], -1)


def _joins(kernel: int, stride: int, pad: int, side: int) -> npt.NDArray[np.float32]:
    """The same along one axis: (kernel, side, output side), 1 where the three meet."""
    out = (side + 2 * pad - kernel) // stride + 1
    a, y, p = np.ogrid[:kernel, :side, :out]
    return np.asarray(y == p * stride + a - pad, np.float32)
