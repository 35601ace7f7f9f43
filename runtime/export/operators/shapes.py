"""What moves, cuts, repeats and reduces arrays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import Call, Row, Shape, same


def target_shape(graph: OnnxGraph, shape: Shape) -> str:
    """Return a shape as `Reshape` takes it."""
    return graph.integers(*(-1 if side is None else side for side in shape))


def _reshape(graph: OnnxGraph, call: Call) -> str:
    call.demand(call.shape.count(None) <= 1, f"two sides that depend on the batch: {call.shape}")
    return str(graph.add("Reshape", call.inputs[0], target_shape(graph, call.shape)))


def _transpose(graph: OnnxGraph, call: Call) -> str:
    axes = call.get("axes") or tuple(reversed(range(len(call.shape))))
    return str(graph.add("Transpose", call.inputs[0], perm=tuple(axes)))


def _swap(graph: OnnxGraph, call: Call) -> str:
    order = list(range(len(call.shape)))
    one, other = int(call.get("dim1", 0)), int(call.get("dim2", 0))
    order[one], order[other] = order[other], order[one]
    return str(graph.add("Transpose", call.inputs[0], perm=order))


def _cut(
    graph: OnnxGraph, data: str, begins: Mapping[int, int], ends: Mapping[int, int], steps: Mapping[int, int]
) -> str:
    axes = sorted({*begins, *ends, *steps})
    if not axes:
        return data
    return str(
        graph.add(
            "Slice",
            data,
            graph.integers(*(begins.get(axis, 0) for axis in axes)),
            graph.integers(*(ends.get(axis, 2**31 - 1) for axis in axes)),
            graph.integers(*axes),
            graph.integers(*(steps.get(axis, 1) for axis in axes)),
        )
    )


def _slice(graph: OnnxGraph, call: Call) -> str:
    begins, ends, steps = (
        {axis: int(each) for axis, each in enumerate(call.get(name) or ()) if each is not None}
        for name in ("begin", "end", "step")
    )
    call.demand(all(step > 0 for step in steps.values()), "a step backwards")
    return _cut(graph, call.inputs[0], begins, ends, steps)


def _slice_axis(graph: OnnxGraph, call: Call) -> str:
    axis, end = call.axis % len(call.shape), call.get("end")
    return _cut(graph, call.inputs[0], {axis: int(call.get("begin"))}, {} if end is None else {axis: int(end)}, {})


def _slice_like(graph: OnnxGraph, call: Call) -> str:
    axes = call.get("axes") or tuple(range(len(call.shape)))
    ends = {axis % len(call.shape): call.shape[axis] for axis in axes}
    return _cut(graph, call.inputs[0], {}, {axis: end for axis, end in ends.items() if end is not None}, {})


def _expand_dims(graph: OnnxGraph, call: Call) -> str:
    return str(graph.add("Unsqueeze", call.inputs[0], graph.integers(call.axis)))


def _concat(graph: OnnxGraph, call: Call) -> str:
    return str(graph.add("Concat", *call.inputs, axis=int(call.get("dim", 1))))


def _stack(graph: OnnxGraph, call: Call) -> str:
    axis = int(call.get("axis", 0))
    parts = [graph.add("Unsqueeze", each, graph.integers(axis)) for each in call.inputs]
    return str(graph.add("Concat", *parts, axis=axis))


def _reduced(operator: str, graph: OnnxGraph, call: Call) -> str:
    call.demand(not call.get("exclude", False), "exclude")
    return str(
        graph.add(operator, call.inputs[0], graph.integers(*call.axes), keepdims=int(call.get("keepdims", False)))
    )


def _pad(graph: OnnxGraph, call: Call) -> str:
    widths = call.get("pad_width")
    call.demand(call.get("mode") in ("constant", "reflect", "edge"), f"mode {call.get('mode')}")
    value = graph.constant(float(call.get("constant_value", 0.0)))
    sides = graph.integers(*widths[0::2], *widths[1::2])
    return str(graph.add("Pad", call.inputs[0], sides, value, mode=call.get("mode")))


def _filled(value: float, graph: OnnxGraph, call: Call) -> str:
    from onnx import helper

    tensor = helper.make_tensor("value", 1, [1], [value])
    return str(graph.add("ConstantOfShape", graph.add("Shape", call.inputs[0]), value=tensor))


def _broadcast_like(graph: OnnxGraph, call: Call) -> str:
    """Repeat sides of one; those that depend on the batch are taken from the other array when the graph runs."""
    ours = call.get("lhs_axes") or tuple(range(len(call.shapes[0])))
    theirs = call.get("rhs_axes") or tuple(range(len(call.shapes[1])))
    rank, other = len(call.shapes[0]), len(call.shapes[1])
    source = {mine % rank: their % other for mine, their in zip(_many(ours), _many(theirs), strict=True)}
    sides = [
        graph.add("Shape", call.inputs[1], start=source[axis], end=source[axis] + 1)
        if side is None and axis in source
        else graph.integers(1 if side is None else side)
        for axis, side in enumerate(call.shape)
    ]
    return str(graph.add("Expand", call.inputs[0], graph.add("Concat", *sides, axis=0)))


def _many(axes: Any) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else tuple(axes)


def _arange(graph: OnnxGraph, call: Call) -> str:
    """Count: of a length that is known, so a constant."""
    call.demand(None not in call.shape and int(call.get("repeat", 1)) == 1, "a length that is not known, or repeats")
    is_to = call.operator == "_arange" and call.get("stop") is None  # one bound alone is the last
    start, step = 0.0 if is_to else float(call.get("start", 0)), float(call.get("step", 1))
    return graph.constant(start + step * np.arange(int(call.shape[0] or 0)))


def _broadcast(graph: OnnxGraph, call: Call) -> str:
    """Repeat sides of one to sides that are known; a side of the batch stays as it is."""
    return str(
        graph.add("Expand", call.inputs[0], graph.integers(*(1 if side is None else side for side in call.shape)))
    )


SHAPES: Mapping[str, Row] = {
    "Concat": _concat,
    "Flatten": same("Flatten"),
    "Pad": _pad,
    "Reshape": _reshape,
    "SwapAxis": _swap,
    "_arange": _arange,
    "_contrib_arange_like": _arange,
    "broadcast_axis": _broadcast,
    "broadcast_like": _broadcast_like,
    "broadcast_to": _broadcast,
    "expand_dims": _expand_dims,
    "max": partial(_reduced, "ReduceMax"),
    "mean": partial(_reduced, "ReduceMean"),
    "ones_like": partial(_filled, 1.0),
    "reshape_like": _reshape,
    "slice": _slice,
    "slice_axis": _slice_axis,
    "slice_like": _slice_like,
    "squeeze": _reshape,
    "stack": _stack,
    "sum": partial(_reduced, "ReduceSum"),
    "transpose": _transpose,
    "zeros_like": partial(_filled, 0.0),
}
