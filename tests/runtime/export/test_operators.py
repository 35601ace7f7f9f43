"""Each row of the table gives what MXNet gives, for any number of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

from runtime.backend.mx import mx, nd
from runtime.export.graph import OnnxGraph
from runtime.export.network import translate
from runtime.export.operators.call import UntranslatableError
from runtime.export.operators.catalog import OPERATORS
from runtime.export.session import session
from runtime.export.symbol import Network
from runtime.models.timm.network import build
from runtime.plan.size import Size

SIDE = 12
Make = Callable[[Any], Any]


def var(name: str, *shape: int) -> Any:
    return mx.sym.var(name, shape=shape)


def heads(data: Any) -> Any:
    """Return interleaved projections of two heads of width 4: (length, batch, 24)."""
    return mx.sym.transpose(mx.sym.reshape(data, (0, 18, 24)), (1, 0, 2))


def flat(data: Any) -> Any:
    return mx.sym.reshape(data, (0, 0, -1))


POOL = {"kernel": (3, 3), "stride": (2, 2)}
CASES: dict[str, Make] = {
    "Activation": lambda x: mx.sym.Activation(x, act_type="softrelu"),
    "BatchNorm": lambda x: mx.sym.BatchNorm(x, fix_gamma=True, eps=1e-3),
    "BatchNorm scaled": lambda x: mx.sym.BatchNorm(x, fix_gamma=False, eps=1e-5),
    "Concat": lambda x: mx.sym.concat(x, x, dim=2),
    "Convolution": lambda x: mx.sym.Convolution(
        x, num_filter=4, kernel=(3, 2), pad=(2, 1), dilate=(2, 1), stride=(2, 1)
    ),
    "Convolution grouped": lambda x: mx.sym.Convolution(x, num_filter=6, kernel=(3, 3), num_group=3, no_bias=True),
    "Deconvolution": lambda x: mx.sym.Deconvolution(x, num_filter=4, kernel=(4, 3), stride=(2, 1), pad=(1, 0)),
    "Deconvolution grouped": lambda x: mx.sym.Deconvolution(
        x, num_filter=3, kernel=(3, 3), stride=(2, 2), pad=(1, 1), adj=(1, 1), num_group=3, no_bias=False
    ),
    "Dropout": lambda x: mx.sym.Dropout(x, p=0.5),
    "Flatten": lambda x: mx.sym.Flatten(x),
    "FullyConnected": lambda x: mx.sym.FullyConnected(x, num_hidden=5),
    "FullyConnected last": lambda x: mx.sym.FullyConnected(x, num_hidden=5, flatten=False),
    "FullyConnected no bias": lambda x: mx.sym.FullyConnected(x, num_hidden=5, flatten=False, no_bias=True),
    "LayerNorm": lambda x: mx.sym.LayerNorm(x, eps=1e-6),
    "LeakyReLU": lambda x: mx.sym.LeakyReLU(x, act_type="leaky", slope=0.1),
    "LeakyReLU gelu": lambda x: mx.sym.LeakyReLU(x, act_type="gelu"),
    "LeakyReLU elu": lambda x: mx.sym.LeakyReLU(x, act_type="elu", slope=0.7),
    "Pad": lambda x: mx.sym.Pad(x, mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 3, 4), constant_value=0.5),
    "Pad edge": lambda x: mx.sym.Pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 4)),
    "Pooling max": lambda x: mx.sym.Pooling(x, pool_type="max", pad=(1, 1), **POOL),
    "Pooling max full": lambda x: mx.sym.Pooling(x, pool_type="max", pooling_convention="full", **POOL),
    "Pooling avg": lambda x: mx.sym.Pooling(x, pool_type="avg", pad=(1, 1), **POOL),
    "Pooling avg full": lambda x: mx.sym.Pooling(
        x, pool_type="avg", pad=(1, 1), pooling_convention="full", count_include_pad=False, **POOL
    ),
    "Pooling global": lambda x: mx.sym.Pooling(x, pool_type="avg", global_pool=True),
    "Pooling global max": lambda x: mx.sym.Pooling(x, pool_type="max", global_pool=True),
    "Reshape": lambda x: mx.sym.reshape(x, (0, -4, 3, -1, -2)),
    "Reshape merged": lambda x: mx.sym.reshape(x, (-3, -2)),
    "SwapAxis": lambda x: mx.sym.SwapAxis(x, dim1=1, dim2=3),
    "UpSampling": lambda x: mx.sym.UpSampling(x, scale=2, sample_type="nearest"),
    "_contrib_AdaptiveAvgPooling2D": lambda x: mx.sym.contrib.AdaptiveAvgPooling2D(x, output_size=1),
    "_contrib_AdaptiveAvgPooling2D several": lambda x: mx.sym.contrib.AdaptiveAvgPooling2D(x, output_size=(3, 4)),
    "_contrib_BilinearResize2D": lambda x: mx.sym.contrib.BilinearResize2D(x, height=20, width=7),
    "_arange": lambda x: mx.sym.broadcast_add(x, mx.sym.arange(2, 8, 0.5)),
    "_arange to": lambda x: mx.sym.broadcast_add(x, mx.sym.arange(SIDE)),
    "_contrib_arange_like": lambda x: mx.sym.broadcast_add(x, mx.sym.contrib.arange_like(x, axis=3)),
    "_contrib_interleaved_matmul_selfatt_qk": lambda x: mx.sym.contrib.interleaved_matmul_selfatt_qk(heads(x), heads=2),
    "_contrib_interleaved_matmul_selfatt_valatt": lambda x: mx.sym.contrib.interleaved_matmul_selfatt_valatt(
        heads(x), mx.sym.softmax(mx.sym.contrib.interleaved_matmul_selfatt_qk(heads(x), heads=2)), heads=2
    ),
    "_copy": lambda x: mx.sym.identity(x),
    "_div_scalar": lambda x: x / 3,
    "_maximum_scalar": lambda x: mx.sym.maximum(x, 0.3),
    "_minimum_scalar": lambda x: mx.sym.minimum(x, 0.3),
    "_minus_scalar": lambda x: x - 3,
    "_mul_scalar": lambda x: x * 3,
    "_plus_scalar": lambda x: x + 3,
    "_power_scalar": lambda x: mx.sym.abs(x) ** 1.5,
    "_rdiv_scalar": lambda x: 3 / (mx.sym.abs(x) + 1),
    "_rminus_scalar": lambda x: 3 - x,
    "abs": lambda x: mx.sym.abs(x),
    "batch_dot": lambda x: mx.sym.batch_dot(flat(x), flat(x), transpose_b=True),
    "batch_dot a": lambda x: mx.sym.batch_dot(flat(x), flat(x), transpose_a=True),
    "broadcast_add": lambda x: mx.sym.broadcast_add(x, var("w", 1, 3, 1, 1)),
    "broadcast_axis": lambda x: mx.sym.broadcast_axis(mx.sym.mean(x, axis=1, keepdims=True), axis=1, size=5),
    "broadcast_div": lambda x: mx.sym.broadcast_div(x, var("w", 1, 3, 1, 1)),
    "broadcast_like": lambda x: mx.sym.broadcast_like(var("w", 1, 3, 1, 1), x),
    "broadcast_like axes": lambda x: mx.sym.broadcast_like(var("w", 1, 5, 2), flat(x), lhs_axes=(0,), rhs_axes=(0,)),
    "broadcast_mul": lambda x: mx.sym.broadcast_mul(x, var("w", 1, 3, 1, 1)),
    "broadcast_sub": lambda x: mx.sym.broadcast_sub(x, var("w", 1, 3, 1, 1)),
    "broadcast_to": lambda x: mx.sym.broadcast_add(x, mx.sym.broadcast_to(var("w", 1, 3, 1, 1), (0, 0, SIDE, SIDE))),
    "clip": lambda x: mx.sym.clip(x, a_min=-0.2, a_max=0.4),
    "elemwise_add": lambda x: x + mx.sym.relu(x),
    "elemwise_div": lambda x: x / (mx.sym.abs(x) + 1),
    "elemwise_mul": lambda x: x * mx.sym.relu(x),
    "elemwise_sub": lambda x: x - mx.sym.relu(x),
    "erf": lambda x: mx.sym.erf(x),
    "exp": lambda x: mx.sym.exp(x),
    "expand_dims": lambda x: mx.sym.expand_dims(x, axis=2),
    "hard_sigmoid": lambda x: mx.sym.hard_sigmoid(x, alpha=0.3, beta=0.4),
    "log": lambda x: mx.sym.log(mx.sym.abs(x) + 1),
    "log_softmax": lambda x: mx.sym.log_softmax(x, axis=1),
    "max": lambda x: mx.sym.max(x, axis=(2, 3)),
    "mean": lambda x: mx.sym.mean(x, axis=1, keepdims=True),
    "negative": lambda x: -x,
    "ones_like": lambda x: mx.sym.ones_like(x),
    "reciprocal": lambda x: mx.sym.reciprocal(mx.sym.abs(x) + 1),
    "relu": lambda x: mx.sym.relu(x),
    "reshape_like": lambda x: mx.sym.reshape_like(flat(x), x),
    "sigmoid": lambda x: mx.sym.sigmoid(x),
    "slice": lambda x: mx.sym.slice(x, begin=(None, 1, 2), end=(None, None, -1), step=(None, 1, 2)),
    "slice_axis": lambda x: mx.sym.slice_axis(x, axis=-1, begin=2, end=None),
    "slice_axis to": lambda x: mx.sym.slice_axis(x, axis=1, begin=0, end=-1),
    "slice_like": lambda x: mx.sym.slice_like(x, var("w", 1, 3, 5, 4), axes=(2, 3)),
    "softmax": lambda x: mx.sym.softmax(x, axis=1),
    "sqrt": lambda x: mx.sym.sqrt(mx.sym.abs(x)),
    "square": lambda x: mx.sym.square(x),
    "squeeze": lambda x: mx.sym.squeeze(mx.sym.mean(x, axis=2, keepdims=True), axis=2),
    "stack": lambda x: mx.sym.stack(x, 2 * x, axis=1),
    "sum": lambda x: mx.sym.sum(x, axis=2),
    "tanh": lambda x: mx.sym.tanh(x),
    "transpose": lambda x: mx.sym.transpose(x, axes=(0, 2, 3, 1)),
    "zeros_like": lambda x: mx.sym.zeros_like(x),
}


def both(symbol: Any, batch: int, side: int = SIDE) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return what MXNet and onnxruntime give of random images."""
    rng = np.random.default_rng(batch)
    shape = (batch, 3, side, side)
    shapes, _, statistics = symbol.infer_shape(data=shape)
    named = dict(zip(symbol.list_arguments(), shapes, strict=True)) | dict(
        zip(symbol.list_auxiliary_states(), statistics, strict=True)
    )
    arrays = {
        name: (np.abs(values) + 0.5 if "var" in name else values).astype(np.float32)
        for name, values in ((name, rng.normal(size=sides)) for name, sides in named.items())
    }
    data = arrays.pop("data")
    graph = OnnxGraph()
    made = Network(symbol, arrays, {}, frozenset())
    output, sides = translate(graph, made, "data", Size.square(side))
    graph.add("Identity", output, name="found")
    given = helper.make_tensor_value_info("data", 1, ["batch", 3, side, side])
    model = graph.model([given], [helper.make_tensor_value_info("found", 1, sides)], {}, "test")
    bound = {name: nd.array(values) for name, values in arrays.items() if name in symbol.list_arguments()}
    moved = {name: nd.array(arrays[name]) for name in symbol.list_auxiliary_states()}
    expected = symbol.bind(mx.cpu(), {"data": nd.array(data), **bound}, aux_states=moved).forward()[0].asnumpy()
    return expected, session(model.SerializeToString())(data)


@pytest.mark.parametrize("name", CASES)
def test_a_row_gives_what_mxnet_gives(name: str) -> None:
    symbol = CASES[name](mx.sym.var("data"))
    for batch in (1, 4):
        expected, found = both(symbol, batch)
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * max(1, np.abs(expected).max()))


def test_every_row_has_a_case() -> None:
    assert {name.partition(" ")[0] for name in CASES} == set(OPERATORS)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda x: mx.sym.arcsin(x), "arcsin"),
        (lambda x: mx.sym.Activation(mx.sym.split(x, num_outputs=3)[1], act_type="relu"), "SliceChannel"),
        (lambda x: mx.sym.Pooling(x, pool_type="avg", pooling_convention="full", **POOL), "a last window beyond"),
        (lambda x: mx.sym.BatchNorm(x, axis=2), "BatchNorm with axis 2"),
        (lambda x: mx.sym.contrib.AdaptiveAvgPooling2D(x, output_size=5), "_contrib_AdaptiveAvgPooling2D with output"),
    ],
)
def test_what_has_no_row_is_named(make: Make, told: str) -> None:
    with pytest.raises(UntranslatableError, match=told):
        both(make(mx.sym.var("data")), 1)


@pytest.mark.parametrize(
    ("name", "side"),
    [("convnext_atto.d2_in1k", 64), ("convnextv2_atto.fcmae_ft_in1k", 64), ("vit_small_patch14_dinov2.lvd142m", 28)],
)
def test_a_network_whose_weights_take_scales_gives_what_mxnet_gives(name: str, side: int) -> None:
    net = build(name, Size.square(side))
    expected, found = both(net(mx.sym.var("data")), 2, side)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
