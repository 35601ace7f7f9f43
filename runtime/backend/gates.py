"""Where a graph multiplies by gates: SiLU, and squeeze and excite.

In: the nodes of a symbol's graph, as `runtime/backend/graph_rewrite.py` has them. Out: which of them are of a kind that
has a fast form.

MXNet 1.9.1 multiplies in the plain layout: what convolutions give is brought there and back. But the slope of softplus
is the sigmoid, so that the gradient of softplus at s, for an output gradient of x, is x * sigmoid(s): one operator
that works on the layout of convolutions. With s = x it is SiLU; with s the same for all cells of a channel it scales
channels.

That operator has no gradient of its own, and MXNet refuses a graph that could ask for one: it is for graphs that
predict. Joined convolutions (`_sg_mkldnn_conv`) never ask, so that it may stand before them; the mean before the first
convolution of a squeeze is taken behind it instead, which is the same. Before anything else stands a `BlockGrad`, which
takes a copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
Entry = list[int]
Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Gates:
    """Numbers of nodes.

    `silus` says of each whether nothing asks for its gradient. `scales` has for each product of squeeze and excite what
    its sigmoid takes, and `within` the nodes between the two. `means` are those of all cells that a squeeze begins
    with; `late` are those that are taken later, by the convolution of single cells behind them.
    """

    silus: Mapping[int, bool]
    scales: Mapping[int, Entry]
    within: frozenset[int]
    means: frozenset[int]
    late: Mapping[int, int]

    @classmethod
    def of(cls, nodes: Sequence[Node], heads: Sequence[Entry], shapes: Shapes) -> Gates:
        """Find them; `shapes` are those of what nodes give, by name."""
        graph = _Graph(nodes, {entry[0] for entry in heads}, shapes)
        everywhere = range(len(nodes))
        scales = {number: gate for number in everywhere if (gate := graph.scale(number)) is not None}
        silus = {number: graph.is_free(number, scales) for number in everywhere if graph.is_silu(number)}
        scaled = {nodes[number]["inputs"][0][0] for number in scales}
        means = [each for each in everywhere if is_mean(nodes[each]) and nodes[each]["inputs"][0][0] in scaled]
        late = {graph.readers[each][0]: each for each in means if silus.get(nodes[each]["inputs"][0][0])}
        spread = [nodes[number]["inputs"][1][0] for number in scales]
        within = {*spread, *(nodes[each]["inputs"][0][0] for each in spread)}
        return cls(silus, scales, frozenset(within), frozenset(means), late)


class _Graph:
    """A graph with what reads each node."""

    def __init__(self, nodes: Sequence[Node], heads: Set[int], shapes: Shapes) -> None:
        self.nodes = nodes
        self.heads = heads
        self.shapes = shapes
        self.readers: dict[int, list[int]] = defaultdict(list)
        for number, node in enumerate(nodes):
            for entry in node["inputs"]:
                self.readers[entry[0]].append(number)

    def is_silu(self, number: int) -> bool:
        """Whether a node is x * sigmoid(x)."""
        node = self.nodes[number]
        if node["op"] != "elemwise_mul":
            return False
        x, (gate, *_) = node["inputs"]
        return self._is_sigmoid(gate) and self.nodes[gate]["inputs"] == [x]

    def scale(self, number: int) -> Entry | None:
        """Return what the sigmoid takes that a node scales channels by; None for another, or if none but it is read."""
        if not scales_channels(self.nodes, self.nodes[number], self.shapes) or not self._is_convolved(number):
            return None
        spread = self.nodes[number]["inputs"][1][0]
        gate = self.nodes[spread]["inputs"][0][0]
        if not (self._is_inner(spread) and self._is_inner(gate) and self._is_sigmoid(gate)):
            return None
        found: Entry = self.nodes[gate]["inputs"][0]
        return found

    def is_free(self, number: int, scales: Collection[int]) -> bool:
        """Whether nothing that reads a SiLU asks for its gradient, once these scales are written."""
        return number not in self.heads and all(self._asks_for_none(each, scales) for each in self.readers[number])

    def _asks_for_none(self, reader: int, scales: Collection[int]) -> bool:
        node, after = self.nodes[reader], self.readers[reader]
        if node["op"] == "broadcast_like":
            return all(each in scales for each in after)
        if is_mean(node):
            return self._is_inner(reader) and _is_of_cells(self.nodes[after[0]])
        return node["op"] == "Convolution" or reader in scales

    def _is_inner(self, number: int) -> bool:
        return len(self.readers[number]) == 1 and number not in self.heads

    def _is_convolved(self, number: int) -> bool:
        return number not in self.heads and all(self.nodes[r]["op"] == "Convolution" for r in self.readers[number])

    def _is_sigmoid(self, number: int) -> bool:
        node = self.nodes[number]
        return bool(node["op"] == "Activation" and node["attrs"]["act_type"] == "sigmoid")


def scales_channels(nodes: Sequence[Node], node: Node, shapes: Shapes) -> bool:
    """Whether a node is x (N, C, H, W) times something (N, C, 1, 1) that is spread over the cells of x."""
    if node["op"] != "elemwise_mul":
        return False
    x, (spread, *_) = node["inputs"]
    if nodes[spread]["op"] != "broadcast_like" or nodes[spread]["inputs"][1] != x:
        return False
    whole, gate = (shapes.get(output_name(nodes, each), ()) for each in (x, nodes[spread]["inputs"][0]))
    return len(whole) == 4 and tuple(gate) == (*whole[:2], 1, 1)


def output_name(nodes: Sequence[Node], entry: Entry) -> str:
    """Return what the shape of a node's output is known by."""
    node = nodes[entry[0]]
    name: str = node["name"]
    return name if node["op"] == "null" else f"{name}_output"


def is_mean(node: Node) -> bool:
    """Whether a node is the mean of all cells of each channel."""
    return bool(node["op"] == "_contrib_AdaptiveAvgPooling2D" and node["attrs"]["output_size"] == "1")


def _is_of_cells(node: Node) -> bool:
    """Whether a node is a convolution of single cells."""
    attributes = node.get("attrs", {})
    return node["op"] == "Convolution" and (attributes["kernel"], attributes.get("stride")) == ("(1, 1)", "(1, 1)")
