"""Layers with parameters, pooling and activations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import Call, Row, passed


def _pads(call: Call, spatial: int) -> tuple[int, ...]:
    return tuple(call.get("pad", None) or (0,) * spatial)


def _window(call: Call) -> dict[str, Any]:
    """Return what convolutions of both directions say of their kernels."""
    kernel = tuple(call.get("kernel"))
    spatial = len(kernel)
    pads = _pads(call, spatial)
    call.demand(call.get("layout") in (None, "None", "NCHW", "NCW"), f"layout {call.get('layout')}")
    return {
        "kernel_shape": kernel,
        "strides": tuple(call.get("stride") or (1,) * spatial),
        "dilations": tuple(call.get("dilate") or (1,) * spatial),
        "pads": (*pads, *pads),
        "group": int(call.get("num_group", 1)),
    }


def _convolution(graph: OnnxGraph, call: Call) -> str:
    return str(graph.add("Conv", *call.inputs, **_window(call)))


def _deconvolution(graph: OnnxGraph, call: Call) -> str:
    call.demand(not call.get("target_shape"), "a target_shape")
    beyond = tuple(call.get("adj") or (0,) * len(call.get("kernel")))
    return str(graph.add("ConvTranspose", *call.inputs, output_padding=beyond, **_window(call)))


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


def _hard_sigmoid(graph: OnnxGraph, call: Call) -> str:
    return str(
        graph.add("HardSigmoid", call.inputs[0], alpha=float(call.get("alpha", 0.2)), beta=float(call.get("beta", 0.5)))
    )


def _softmax(graph: OnnxGraph, call: Call) -> str:
    call.demand(call.get("temperature") in (None, 1.0), "a temperature")
    operator = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[call.operator]
    return str(graph.add(operator, call.inputs[0], axis=int(call.get("axis", -1))))


LAYERS: Mapping[str, Row] = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "Convolution": _convolution,
    "Deconvolution": _deconvolution,
    "Dropout": passed,
    "FullyConnected": _dense,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _leaky,
    "Pooling": _pooling,
    "_contrib_AdaptiveAvgPooling2D": _adaptive_pooling,
    "hard_sigmoid": _hard_sigmoid,
    "log_softmax": _softmax,
    "softmax": _softmax,
}
