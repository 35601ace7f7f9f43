"""Products of arrays: those of batches, and of attention."""

from __future__ import annotations

import math
from collections.abc import Mapping

from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import Call, Row
from runtime.export.operators.shapes import target_shape


def _batch_dot(graph: OnnxGraph, call: Call) -> str:
    pair = [
        graph.add("Transpose", each, perm=(0, 2, 1)) if call.get(f"transpose_{side}", False) else each
        for each, side in zip(call.inputs, "ab", strict=True)
    ]
    return str(graph.add("MatMul", *pair))


def _per_head(graph: OnnxGraph, call: Call, place: int) -> tuple[str, int]:
    """Return queries (0), keys (1) or values (2) of interleaved projections (length, batch, heads x 3 x width).

    They come as (batch, heads, length, width), with the width.
    """
    heads, (length, _, total) = int(call.get("heads")), call.shapes[0]
    width = int(total or 0) // (3 * heads)
    apart = graph.add("Reshape", call.inputs[0], graph.integers(int(length or 0), -1, heads, 3, width))
    chosen = graph.add("Gather", apart, graph.constant(place, "int64"), axis=3)
    return str(graph.add("Transpose", chosen, perm=(1, 2, 0, 3))), width


def _attention_scores(graph: OnnxGraph, call: Call) -> str:
    (queries, width), (keys, _) = _per_head(graph, call, 0), _per_head(graph, call, 1)
    scaled = graph.add("Mul", queries, graph.constant(1 / math.sqrt(width)))
    product = graph.add("MatMul", scaled, graph.add("Transpose", keys, perm=(0, 1, 3, 2)))
    return str(graph.add("Reshape", product, target_shape(graph, call.shape)))


def _attended(graph: OnnxGraph, call: Call) -> str:
    values, _ = _per_head(graph, call, 2)
    length = int(call.shapes[0][0] or 0)
    shares = graph.add("Reshape", call.inputs[1], graph.integers(-1, int(call.get("heads")), length, length))
    product = graph.add("Transpose", graph.add("MatMul", shares, values), perm=(2, 0, 1, 3))
    return str(graph.add("Reshape", product, graph.integers(length, -1, int(call.shape[2] or 0))))


PRODUCTS: Mapping[str, Row] = {
    "_contrib_interleaved_matmul_selfatt_qk": _attention_scores,
    "_contrib_interleaved_matmul_selfatt_valatt": _attended,
    "batch_dot": _batch_dot,
}
