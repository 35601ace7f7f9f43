"""What each operator of MXNet is in ONNX: one row each.

A row takes the graph that is built and a `Call`, and returns the name of its output. Shapes are known but for the
batch, so that a `Reshape` of any kind becomes a plain one; where a call asks for something that its row does not do,
the row raises `Untranslatable` and nothing is written.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtime.export.graph import OnnxGraph

Shape = tuple[int | None, ...]
"""The sides of an array; None where one depends on the number of images."""


class UntranslatableError(ValueError):
    """An operator that no row translates, or not with these arguments; its text is the operator."""


@dataclass(frozen=True, slots=True)
class Call:
    """A node of a symbol: its operator, its arguments as text, and the names and shapes of what it takes and gives."""

    operator: str
    attributes: Mapping[str, str]
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    shape: Shape

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument as a value."""
        text = self.attributes.get(name)
        if text is None:
            return default
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    def demand(self, holds: bool, what: str) -> None:
        """Raise where a call is beyond its row."""
        if not holds:
            raise UntranslatableError(f"{self.operator} with {what}")

    @property
    def axis(self) -> int:
        """The argument `axis` of one axis; that of channels by default."""
        return int(self.get("axis", 1))

    @property
    def axes(self) -> tuple[int, ...]:
        """The argument `axis` of reductions: one, several, or all."""
        given = self.get("axis")
        if given is None or given == ():
            return tuple(range(len(self.shapes[0])))
        return (given,) if isinstance(given, int) else tuple(given)


Row = Callable[[OnnxGraph, Call], str]


def _same(operator: str, **attributes: Any) -> Row:
    """Return the row of an operator that takes the same inputs."""
    return lambda graph, call: str(graph.add(operator, *call.inputs, **attributes))


def _scalar(operator: str, reverse: bool = False) -> Row:
    def row(graph: OnnxGraph, call: Call) -> str:
        pair = (call.inputs[0], graph.constant(float(call.get("scalar"))))
        return str(graph.add(operator, *(reversed(pair) if reverse else pair)))

    return row


def _passed(graph: OnnxGraph, call: Call) -> str:  # noqa: ARG001
    return call.inputs[0]


# --- layers --------------------------------------------------------------------------------------


def _pads(call: Call, spatial: int) -> tuple[int, ...]:
    return tuple(call.get("pad", None) or (0,) * spatial)


def _convolution(graph: OnnxGraph, call: Call) -> str:
    kernel = tuple(call.get("kernel"))
    spatial = len(kernel)
    pads = _pads(call, spatial)
    call.demand(call.get("layout") in (None, "None", "NCHW", "NCW"), f"layout {call.get('layout')}")
    return str(
        graph.add(
            "Conv",
            *call.inputs,
            kernel_shape=kernel,
            strides=tuple(call.get("stride") or (1,) * spatial),
            dilations=tuple(call.get("dilate") or (1,) * spatial),
            pads=(*pads, *pads),
            group=int(call.get("num_group", 1)),
        )
    )


def _dense(graph: OnnxGraph, call: Call) -> str:
    data, weight, *bias = call.inputs
    if call.get("flatten", True):
        flat = data if len(call.shapes[0]) == 2 else graph.add("Flatten", data)
        return str(graph.add("Gemm", flat, weight, *bias, transB=1))
    product = graph.add("MatMul", data, graph.add("Transpose", weight, perm=(1, 0)))
    return str(graph.add("Add", product, *bias) if bias else product)


def _batch_norm(graph: OnnxGraph, call: Call) -> str:
    data, gamma, *others = call.inputs
    call.demand(call.axis == 1, f"axis {call.axis}")
    if call.get("fix_gamma", True):
        gamma = graph.constant([1.0] * int(call.shapes[1][0] or 0))
    return str(graph.add("BatchNormalization", data, gamma, *others, epsilon=float(call.get("eps", 1e-3))))


def _layer_norm(graph: OnnxGraph, call: Call) -> str:
    rank = len(call.shapes[0])
    axis = int(call.get("axis", -1)) % rank
    call.demand(axis == rank - 1, f"axis {axis}")
    return str(graph.add("LayerNormalization", *call.inputs, axis=axis, epsilon=float(call.get("eps", 1e-5))))


def _pooling(graph: OnnxGraph, call: Call) -> str:
    kind = call.get("pool_type", "max")
    call.demand(kind in ("avg", "max"), f"pool_type {kind}")
    if call.get("global_pool", False):
        return str(graph.add({"avg": "GlobalAveragePool", "max": "GlobalMaxPool"}[kind], call.inputs[0]))
    kernel = tuple(call.get("kernel"))
    strides = tuple(call.get("stride") or (1,) * len(kernel))
    pads, counts_pads = _pads(call, len(kernel)), call.get("count_include_pad", True)
    # What MXNet rounds up is padded instead: runtimes differ in what a last window beyond the edge counts.
    beyond = [
        (out - 1) * stride + side - (before + 2 * pad)
        for out, before, side, stride, pad in zip(
            call.shape[2:], call.shapes[0][2:], kernel, strides, pads, strict=True
        )
        if out is not None and before is not None
    ]
    ends = [pad + max(0, more) for pad, more in zip(pads, beyond, strict=True)]
    sides: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": (*pads, *ends)}
    if kind == "max":
        return str(graph.add("MaxPool", call.inputs[0], **sides))
    call.demand(not counts_pads or max(beyond) <= 0, "a last window beyond the padding")
    return str(graph.add("AveragePool", call.inputs[0], count_include_pad=int(counts_pads), **sides))


def _adaptive_pooling(graph: OnnxGraph, call: Call) -> str:
    before, after = call.shapes[0][2:], call.shape[2:]
    if after == (1, 1):
        return str(graph.add("GlobalAveragePool", call.inputs[0]))
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if b is not None and a is not None]
    call.demand(all(b % a == 0 for b, a in pairs), f"output {after} of {before}")
    sides = tuple(b // a for b, a in pairs)
    return str(graph.add("AveragePool", call.inputs[0], kernel_shape=sides, strides=sides))


def _activation(graph: OnnxGraph, call: Call) -> str:
    kind = call.get("act_type")
    call.demand(kind in _ACTIVATIONS, f"act_type {kind}")
    return str(graph.add(_ACTIVATIONS[kind], call.inputs[0]))


_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus", "softsign": "Softsign"}


def _leaky(graph: OnnxGraph, call: Call) -> str:
    kind, data = call.get("act_type", "leaky"), call.inputs[0]
    if kind in ("leaky", "elu"):
        operator = {"leaky": "LeakyRelu", "elu": "Elu"}[kind]
        return str(graph.add(operator, data, alpha=float(call.get("slope", 0.25))))
    call.demand(kind == "gelu", f"act_type {kind}")
    error = graph.add("Erf", graph.add("Mul", data, graph.constant(1 / math.sqrt(2))))
    half = graph.add("Mul", data, graph.constant(0.5))
    return str(graph.add("Mul", half, graph.add("Add", error, graph.constant(1.0))))


def _clip(graph: OnnxGraph, call: Call) -> str:
    bounds = (graph.constant(float(call.get(name))) for name in ("a_min", "a_max"))
    return str(graph.add("Clip", call.inputs[0], *bounds))


def _hard_sigmoid(graph: OnnxGraph, call: Call) -> str:
    return str(
        graph.add("HardSigmoid", call.inputs[0], alpha=float(call.get("alpha", 0.2)), beta=float(call.get("beta", 0.5)))
    )


def _softmax(graph: OnnxGraph, call: Call) -> str:
    call.demand(call.get("temperature") in (None, 1.0), "a temperature")
    operator = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[call.operator]
    return str(graph.add(operator, call.inputs[0], axis=int(call.get("axis", -1))))


# --- shapes --------------------------------------------------------------------------------------


def _target(graph: OnnxGraph, shape: Shape) -> str:
    return graph.integers(*(-1 if side is None else side for side in shape))


def _reshape(graph: OnnxGraph, call: Call) -> str:
    call.demand(call.shape.count(None) <= 1, f"two sides that depend on the batch: {call.shape}")
    return str(graph.add("Reshape", call.inputs[0], _target(graph, call.shape)))


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


# --- resizing ------------------------------------------------------------------------------------


def _upsampling(graph: OnnxGraph, call: Call) -> str:
    call.demand(call.get("sample_type") == "nearest" and len(call.inputs) == 1, f"{call.get('sample_type')}")
    scale = float(call.get("scale"))
    return str(
        graph.add(
            "Resize",
            call.inputs[0],
            "",
            graph.constant([1.0, 1.0, scale, scale]),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    )


def _bilinear(graph: OnnxGraph, call: Call) -> str:
    corners = bool(call.get("align_corners", True))
    head = graph.add("Shape", call.inputs[0], start=0, end=2)
    sides = graph.integers(*(side or 0 for side in call.shape[2:]))
    mode = "align_corners" if corners else "half_pixel"
    sizes = graph.add("Concat", head, sides, axis=0)
    return str(graph.add("Resize", call.inputs[0], "", "", sizes, mode="linear", coordinate_transformation_mode=mode))


# --- products ------------------------------------------------------------------------------------


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
    return str(graph.add("Reshape", product, _target(graph, call.shape)))


def _attended(graph: OnnxGraph, call: Call) -> str:
    values, _ = _per_head(graph, call, 2)
    length = int(call.shapes[0][0] or 0)
    shares = graph.add("Reshape", call.inputs[1], graph.integers(-1, int(call.get("heads")), length, length))
    product = graph.add("Transpose", graph.add("MatMul", shares, values), perm=(2, 0, 1, 3))
    return str(graph.add("Reshape", product, graph.integers(length, -1, int(call.shape[2] or 0))))


# --- the table -----------------------------------------------------------------------------------

_ELEMENTWISE = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div"}
_SCALARS = {
    "plus": "Add",
    "minus": "Sub",
    "mul": "Mul",
    "div": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
}
_UNARY = ("abs", "erf", "exp", "log", "negative", "reciprocal", "relu", "sigmoid", "sqrt", "tanh")

OPERATORS: Mapping[str, Row] = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _passed,
    "Flatten": _same("Flatten"),
    "FullyConnected": _dense,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _leaky,
    "Pad": _pad,
    "Pooling": _pooling,
    "Reshape": _reshape,
    "SwapAxis": _swap,
    "UpSampling": _upsampling,
    "_contrib_AdaptiveAvgPooling2D": _adaptive_pooling,
    "_contrib_BilinearResize2D": _bilinear,
    "_contrib_interleaved_matmul_selfatt_qk": _attention_scores,
    "_contrib_interleaved_matmul_selfatt_valatt": _attended,
    "_copy": _passed,
    "_rdiv_scalar": _scalar("Div", reverse=True),
    "_rminus_scalar": _scalar("Sub", reverse=True),
    "batch_dot": _batch_dot,
    "broadcast_like": _broadcast_like,
    "clip": _clip,
    "expand_dims": _expand_dims,
    "hard_sigmoid": _hard_sigmoid,
    "log_softmax": _softmax,
    "max": partial(_reduced, "ReduceMax"),
    "mean": partial(_reduced, "ReduceMean"),
    "ones_like": partial(_filled, 1.0),
    "slice": _slice,
    "slice_axis": _slice_axis,
    "slice_like": _slice_like,
    "softmax": _softmax,
    "square": lambda graph, call: str(graph.add("Mul", call.inputs[0], call.inputs[0])),
    "squeeze": _reshape,
    "stack": _stack,
    "sum": partial(_reduced, "ReduceSum"),
    "transpose": _transpose,
    "zeros_like": partial(_filled, 0.0),
    **{f"elemwise_{name}": _same(operator) for name, operator in _ELEMENTWISE.items()},
    **{f"broadcast_{name}": _same(operator) for name, operator in _ELEMENTWISE.items()},
    **{f"_{name}_scalar": _scalar(operator) for name, operator in _SCALARS.items()},
    **{name: _same({"negative": "Neg"}.get(name, name.capitalize())) for name in _UNARY},
}
"""The rows by MXNet's name. `tests/runtime/export/test_operators.py` compares each with MXNet."""
