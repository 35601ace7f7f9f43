"""A graph that trains fast has the outputs and the gradients of the blocks that it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from bench.sweep_bases import chosen
from runtime.backend.blocks import sequence
from runtime.backend.fast_graph import fast_graph, predicting_graph
from runtime.backend.freezing import prepare_stage
from runtime.backend.gates import scales_channels
from runtime.backend.joined import joined, one_by_one
from runtime.backend.mx import autograd, mx, nd, nn
from runtime.models.catalog import ZOOS
from runtime.models.heads import head_block
from runtime.models.network import Model, build_model, start_weights, units
from runtime.models.timm.layers import Act, SqueezeExcite
from runtime.plan.size import Size
from runtime.plan.types import Component

SLOW = ("senet_154", "residualattentionnet56", "xception", "darknet53", "inceptionv3")  # seconds each, nothing new
SMALLEST = [(zoo, name) for zoo, name in chosen("", smallest_per_family=True) if zoo == "gluoncv" and name not in SLOW]
WIDE = (
    *("xception", "darknet53", "inceptionv3", "densenet121", "vgg11", "resnext50_32x4d"),
    *("cifar_residualattentionnet56", "hrnet_w18_small_v1_c", "mobilenetv3_large", "dla34"),
    *("resnet18_v1b_0.89", "resnet18_v1"),
)
"""Seconds each: `test_zoo.py` has them, and their operators are those of others."""
LAYER_NORMS = ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "convnext_atto.d2_in1k", "convnextv2_atto.fcmae_ft_in1k")
DENSE = [Component("dense", {"units": "classes"})]


def one_step(net: Callable[[Any], Any], parameters: dict[str, Any], values: Any) -> tuple[Any, Any, Any]:
    """Return the outputs, all gradients in a row, and the moved statistics in a row."""
    with autograd.record():
        scores = net(values)
        loss = (scores * nd.array(np.random.default_rng(1).normal(size=scores.shape))).sum()
    loss.backward()
    nd.waitall()
    gradients = [p.grad().asnumpy().ravel() for p in parameters.values() if p.grad_req != "null"]
    moved = [p.data().asnumpy().ravel() for name, p in parameters.items() if "running" in name]
    return scores.asnumpy(), np.concatenate(gradients), np.concatenate([*moved, np.zeros(1)])


def zoo_model(zoo: str, name: str, size: int) -> Model:
    base = Component(zoo, {"name": name, "weights": None})
    model = build_model(base, DENSE, Size.square(size), partial(head_block, outputs={"classes": 3}))
    start_weights(model, base, 1, mx.cpu())
    return model


def drop_nothing(block: Any) -> None:
    """Make a dropout pass everything: its numbers come in another order in another graph."""
    if isinstance(block, nn.Dropout):
        block._rate = 0.0


def assert_same_step(build: Callable[[], Model], size: int, *, norm_frozen: bool) -> str:
    """Compare a step of everything behind the stem; return the kind of network that stands for it."""
    found = []
    for fast in (False, True):
        model = build()
        stem, *rest = model.parts.items()
        prepare_stage([stem], [])
        prepare_stage(rest, list(model.parameters.values()), norm_frozen=norm_frozen)
        for block in units(model):
            block.apply(drop_nothing)
        pixels = nd.array(np.random.default_rng(0).normal(size=(4, 3, size, size)).astype(np.float32))
        values = stem[1](pixels)
        net = sequence(units(model)[1:])
        if fast:
            net = fast_graph(net, [values.shape], mx.cpu())
        kind = type(net).__name__
        found.append(one_step(net, dict(model.parameters), values))
    (scores, gradients, moved), (other_scores, other_gradients, other_moved) = found
    np.testing.assert_allclose(other_scores, scores, rtol=1e-3, atol=1e-4 * np.abs(scores).max())
    assert np.linalg.norm(other_gradients - gradients) <= 2e-2 * np.linalg.norm(
        gradients
    )  # the flip of one ReLU is 8e-3
    np.testing.assert_allclose(other_moved, moved, rtol=1e-3, atol=1e-4 * np.abs(moved).max())
    return kind


@pytest.mark.parametrize(
    ("zoo", "name"), [pytest.param(*each, marks=[pytest.mark.long] * (each[1] in WIDE)) for each in SMALLEST]
)
def test_each_family_trains_alike(zoo: str, name: str) -> None:
    row = ZOOS[zoo][name]
    size = row.native if row.native < 100 else next(side for side in (64, 96, 128, row.native) if row.accepts(side))
    assert_same_step(lambda: zoo_model(zoo, name, size), size, norm_frozen=False)


@pytest.mark.parametrize("name", LAYER_NORMS)
def test_layer_norms_train_alike(name: str) -> None:
    assert assert_same_step(lambda: zoo_model("timm", name, 32), 32, norm_frozen=False) == "SymbolBlock"


def test_a_layer_norm_is_written_with_products() -> None:
    norm = nn.LayerNorm(in_channels=6, epsilon=1e-3)
    norm.initialize()
    for parameter in (norm.gamma, norm.beta):
        parameter.set_data(nd.array(np.random.default_rng(0).normal(size=6)))
    values = nd.array(np.random.default_rng(0).normal(size=(3, 5, 4, 6)))
    net = fast_graph(sequence([norm]), [values.shape], mx.cpu())
    expected, found = (one_step(each, {"gamma": norm.gamma, "beta": norm.beta}, values) for each in (norm, net))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(net(values).asnumpy(), norm(values).asnumpy(), rtol=1e-4, atol=1e-5)
    assert "LayerNorm" not in net(mx.sym.var("data")).tojson()


@pytest.mark.parametrize("name", LAYER_NORMS)
def test_weights_that_a_network_orders_are_the_same_after_a_prediction(name: str) -> None:
    model = zoo_model("timm", name, 32)
    net = fast_graph(sequence(units(model)), [(2, 3, 32, 32)], mx.cpu())
    values = nd.array(np.random.default_rng(0).normal(size=(2, 3, 32, 32)))
    parameters = dict(model.parameters)
    before = one_step(net, parameters, values)
    kept = model.arrays()
    fused = joined(sequence(units(model)), [values.shape], mx.cpu())
    for predicting in (fused, one_by_one(sequence(units(model))), net):
        for _ in range(2):
            scores = predicting(values).asnumpy()
            np.testing.assert_allclose(scores, before[0], rtol=1e-3, atol=1e-4)
        for one, other in zip(before, one_step(net, parameters, values), strict=True):
            np.testing.assert_array_equal(other, one)
    for key, array in model.arrays().items():
        np.testing.assert_array_equal(array, kept[key])


@pytest.mark.parametrize(
    ("size", "norm_frozen"),
    [(64, False), (96, True), *(pytest.param(*each, marks=pytest.mark.long) for each in ((96, False), (64, True)))],
)
def test_large_depthwise_kernels_and_norms(size: int, norm_frozen: bool) -> None:
    def build() -> Model:
        base = Component("packaged", {"name": "efficientnet_lite0", "weights": None})
        model = build_model(base, DENSE, Size.square(size), partial(head_block, outputs={"classes": 3}))
        start_weights(model, base, 1, mx.cpu())
        return model

    assert assert_same_step(build, size, norm_frozen=norm_frozen) == "SymbolBlock"


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "side"), [(5, 1, 2, 4), (5, 2, 2, 6), (5, 2, 3, 5), (7, 1, 3, 5), (5, 1, 0, 6)]
)
def test_a_depthwise_convolution_of_any_geometry(kernel: int, stride: int, pad: int, side: int) -> None:
    conv = nn.Conv2D(6, kernel, stride, pad, groups=6, use_bias=False, in_channels=6)
    conv.initialize(mx.init.Normal(1.0))
    values = nd.array(np.random.default_rng(0).normal(size=(3, 6, side, side)))
    net = fast_graph(sequence([conv]), [values.shape], mx.cpu())
    expected, found = (one_step(each, {"weight": conv.weight}, values) for each in (conv, net))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)
    assert "batch_dot" in net(mx.sym.var("data")).tojson()


@pytest.mark.parametrize(("level", "limit"), [("avx2", "_minimum_scalar"), ("avx512_core", "clip")])
def test_the_level_of_instructions_chooses_the_rules(level: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backend.fast_graph.instructions", lambda: level)
    net = nn.HybridSequential(prefix="")
    net.add(nn.Conv2D(16, 3, in_channels=16), nn.BatchNorm(in_channels=16), nn.HybridLambda(relu6))
    net.initialize(mx.init.Normal(1.0))
    symbol = fast_graph(net, [(2, 16, 6, 6)], mx.cpu())(mx.sym.var("data"))
    operators = {node["op"] for node in json.loads(symbol.tojson())["nodes"]}
    assert operators == {"null", "Convolution", "_contrib_BatchNormWithReLU", limit}


def relu6(F: Any, values: Any) -> Any:  # noqa: N803
    return F.clip(values, 0, 6)


def test_zeros_beside_channels_that_fill_no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """They train alike, before a prediction and behind one; a head over one map and a lower level do without."""
    net = nn.HybridSequential(prefix="")
    net.add(nn.Conv2D(16, 1, in_channels=10), nn.BatchNorm(in_channels=16), nn.Activation("relu"))
    net.add(nn.Conv2D(16, 3, padding=1, in_channels=16))
    net.initialize(mx.init.Normal(1.0))
    values = nd.array(np.random.default_rng(0).normal(size=(3, 10, 7, 5)))
    parameters = {name: p for name, p in net.collect_params().items() if "running" not in name}
    expected = one_step(net, parameters, values)
    monkeypatch.setattr("runtime.backend.fast_graph.instructions", lambda: "avx512_core")
    fast = fast_graph(net, [values.shape], mx.cpu(), joins_maps=True)
    assert operators(fast).count("Pad") == 2
    before = one_step(fast, parameters, values)
    for one, other in zip(expected, before, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3 * max(1, np.abs(one).max()))
    joined(net, [values.shape], mx.cpu())(values).wait_to_read()
    for one, other in zip(before, one_step(fast, parameters, values), strict=True):
        np.testing.assert_array_equal(other, one)
    assert "Pad" not in operators(fast_graph(net, [values.shape], mx.cpu()))
    monkeypatch.setattr("runtime.backend.fast_graph.instructions", lambda: "avx2")
    assert "Pad" not in operators(fast_graph(net, [values.shape], mx.cpu(), joins_maps=True))


def test_a_step_after_a_prediction_is_the_same() -> None:
    """Predicting puts weights into layouts of oneDNN, joined layers too."""
    model = zoo_model("packaged", "efficientnet_lite0", 64)
    parameters = {name: p for name, p in model.parameters.items() if name.startswith("base.block6")}
    block = model.parts["base.block6"]
    prepare_stage([("base.block6", block)], list(parameters.values()), norm_frozen=True)
    values = nd.array(np.random.default_rng(0).normal(size=(8, 112, 4, 4)))
    net = fast_graph(sequence([block]), [values.shape], mx.cpu())
    before = one_step(net, parameters, values)
    fused = joined(sequence([block]), [values.shape], mx.cpu())
    for predicting in (fused, one_by_one(sequence([block])), net):
        predicting(values).wait_to_read()
        for one, other in zip(before, one_step(net, parameters, values), strict=True):
            np.testing.assert_array_equal(other, one)


def test_dropout_still_drops() -> None:
    values = nd.ones((4, 100))
    dense = nn.Dense(100, use_bias=False, in_units=100)
    dense.initialize()
    dense.weight.set_data(nd.array(np.eye(100)))
    net = fast_graph(sequence([nn.Dropout(0.5), dense]), [values.shape], mx.cpu())
    with autograd.record():
        dropped = net(values).asnumpy()
    assert 0.3 < (dropped == 0).mean() < 0.7
    np.testing.assert_array_equal(net(values).asnumpy(), values.asnumpy())


# --- gates -----------------------------------------------------------------------------------


def gated(channels: int = 16) -> Any:
    """Return SiLU, squeeze and excite and their convolutions, as EfficientNet has them."""
    layers = [
        nn.Conv2D(channels, 3, padding=1, in_channels=channels),
        Act("silu"),
        SqueezeExcite(channels, 4, act="silu"),
        nn.Conv2D(8, 1, in_channels=channels),
        Act("silu"),
    ]
    net = sequence(layers)
    net.initialize(mx.init.Normal(1.0))
    return net


def operators(net: Any) -> list[str]:
    return [node["op"] for node in json.loads(net(mx.sym.var("data")).tojson())["nodes"]]


def test_gates_predict_in_the_layout_of_convolutions() -> None:
    net, values = gated(), nd.array(np.random.default_rng(0).normal(size=(2, 16, 9, 7)))
    expected = net(values).asnumpy()
    graph = operators(predicting_graph(net, [values.shape], mx.cpu()))
    assert "elemwise_mul" not in graph
    assert graph.count("_backward_Activation") == 4  # two SiLUs, that of the squeeze, and the scale
    assert graph.count("BlockGrad") == 1  # behind the last SiLU, which is the output
    assert graph.index("Pooling") > 2 + graph.index("_backward_Activation")  # behind the squeeze's first convolution
    found = joined(net, [values.shape], mx.cpu())(values).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_gates_that_something_else_reads_predict_alike() -> None:
    """A SiLU that is added to, pooled by windows, read by two, or whose scale is an output, may ask for a gradient."""
    net = sequence([nn.Conv2D(8, 1, in_channels=8), Act("silu"), _Forks(), SqueezeExcite(8, 2)])
    net.initialize(mx.init.Normal(1.0))
    values = nd.array(np.random.default_rng(0).normal(size=(2, 8, 6, 6)))
    expected = net(values).asnumpy()
    found = joined(net, [values.shape], mx.cpu())(values).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


class _Forks(nn.HybridBlock):  # type: ignore[misc]
    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        return x + F.Pooling(x, kernel=(3, 3), pad=(1, 1), pool_type="avg")


def test_scaled_channels_train_as_products() -> None:
    net, values = gated(), nd.array(np.random.default_rng(0).normal(size=(3, 16, 9, 7)))
    parameters = dict(net.collect_params())
    expected = one_step(net, parameters, values)
    fast = fast_graph(net, [values.shape], mx.cpu())
    assert operators(fast).count("batch_dot") == 1
    assert "_backward_Activation" not in operators(fast)
    for one, other in zip(expected, one_step(fast, parameters, values), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4 * np.abs(one).max())


def test_a_network_with_gates_trains_alike() -> None:
    name = "tf_efficientnetv2_b0.in1k"
    assert assert_same_step(lambda: zoo_model("timm", name, 75), 75, norm_frozen=False) == "SymbolBlock"


@pytest.mark.parametrize(("gate", "scales"), [((2, 8, 1, 1), True), ((2, 1, 1, 1), False), ((2, 8, 1, 5), False)])
def test_a_product_scales_channels_where_its_gate_has_one_number_for_each(gate: tuple[int, ...], scales: bool) -> None:
    nodes: list[Any] = [
        {"op": "null", "name": "x", "inputs": []},
        {"op": "null", "name": "gate", "inputs": []},
        {"op": "broadcast_like", "name": "spread", "inputs": [[1, 0, 0], [0, 0, 0]]},
        {"op": "elemwise_mul", "name": "scaled", "inputs": [[0, 0, 0], [2, 0, 0]]},
    ]
    assert scales_channels(nodes, nodes[3], {"x": (2, 8, 5, 5), "gate": gate}) == scales
