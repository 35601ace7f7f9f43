"""What a stage does not train stays bit for bit as it is, whatever the optimizer; what it trains moves."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytest

from runtime.backend import freezing
from runtime.backend.mx import autograd, gluon, mx, nd, nn
from runtime.training import gradients, optimizers

BATCH = 4

ARGS: dict[str, dict[str, float | bool]] = {
    "sgd": {"momentum": 0.9},
    "nag": {"momentum": 0.9},
    "adam": {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8},
    "adamw": {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8},
    "rmsprop": {"rho": 0.9, "momentum": 0.5, "epsilon": 1e-8, "centered": False},
}
COMMON = {"lr": 0.01, "weight_decay": 0.01, "decay_norms": True}

Parts = list[tuple[str, Any]]


def sequential(*blocks: Any) -> Any:
    block = nn.HybridSequential()
    block.add(*blocks)
    return block


def ready(parts: Parts, size: int) -> Parts:
    """Initialize, so that every parameter has a value and no norm is at its starting point."""
    mx.random.seed(3)
    random = np.random.default_rng(3)
    net = sequential(*(part for _, part in parts))
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, size, size)))
    for param in net.collect_params().values():
        # MXNet itself sets the constant scale of a norm without one to 1.
        if len(param.shape) == 1 and not (param.name.endswith("gamma") and not param._differentiable):
            noise = random.uniform(0.5, 1.5, param.shape)
            param.set_data(nd.array(noise if param.name.endswith(("gamma", "var")) else noise - 1))
    return parts


def toy() -> Parts:
    """Return three blocks with batch norm and dropout, and a head; the last norm has no scale or shift."""

    def block(**norm: Any) -> Any:
        return sequential(nn.Conv2D(6, 3, padding=1), nn.BatchNorm(**norm), nn.Dropout(0.4))

    parts = [("stem", block()), ("block1", block()), ("block2", block(scale=False, center=False))]
    head = sequential(nn.GlobalAvgPool2D(), nn.Dropout(0.3), nn.Dense(5))
    return ready([*parts, ("head", head)], 8)


def resnet18() -> Parts:
    net = gluon.model_zoo.vision.resnet18_v1(classes=5)
    parts = [("stem", net.features[0:4])]
    parts += [(f"block{i}", net.features[3 + i]) for i in range(1, 5)]
    return ready([*parts, ("head", sequential(net.features[8], net.output))], 64)


def mobilenet() -> Parts:
    net = gluon.model_zoo.vision.mobilenet_v2_0_25(classes=5)
    bounds = (0, 3, 9, 20, 22)
    names = ("stem", "block1", "block2", "block3")
    parts = [(name, net.features[a:b]) for name, a, b in zip(names, bounds[:-1], bounds[1:], strict=True)]
    return ready([*parts, ("head", sequential(net.features[22], net.output))], 64)


NETS = {"toy": (toy, 8), "resnet18": (resnet18, 64), "mobilenet": (mobilenet, 64)}


def of(parts: Parts, *names: str) -> list[Any]:
    """Return the parameters of the named parts, running statistics included."""
    return [p for name, part in parts if name in names for p in part.collect_params().values()]


def is_norm(param: Any) -> bool:
    return param.name.endswith(("gamma", "beta", "running_mean", "running_var"))


def frozen_and_trained(parts: Parts, trained: Collection[Any], norm_frozen: bool) -> tuple[list[Any], list[Any]]:
    moving = [p for p in of(parts, *dict(parts)) if p in trained and not (norm_frozen and is_norm(p))]
    return [p for p in of(parts, *dict(parts)) if p not in moving], moving


def values(params: Sequence[Any]) -> dict[str, Any]:
    return {p.name: p.data().asnumpy().copy() for p in params}


def batches(size: int, steps: int) -> list[tuple[Any, Any]]:
    random = np.random.default_rng(5)
    draw = [(random.normal(size=(BATCH, 3, size, size)), random.integers(0, 5, BATCH)) for _ in range(steps)]
    return [(nd.array(x), nd.array(y)) for x, y in draw]


def train(
    parts: Parts, size: int, trained: Collection[Any], optimizer: str = "sgd", norm_frozen: bool = False
) -> tuple[Any, Any]:
    """Run a stage of three steps as the loop does; return its prefix and its suffix."""
    live = freezing.prepare_stage(parts, trained, norm_frozen)
    at = freezing.cut([bool(params) for params in live.values()])
    prefix = sequential(*(part for _, part in parts[:at]))
    suffix = sequential(*(part for _, part in parts[at:]))
    prefix.hybridize()
    suffix.hybridize(static_alloc=True, static_shape=True)
    params = [p for group in live.values() for p in group]
    trainer = optimizers.trainer([(p, 1.0) for p in params], optimizer, {**ARGS[optimizer], **COMMON})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for x, y in batches(size, 3):
        features = prefix(x) if at else x
        with autograd.record():
            error = loss(suffix(features), y)
        error.backward()
        # Else decay alone could be what moves the trained ones.
        assert all(p.grad().abs().max().asscalar() > 0 for p in params if gradients.is_weight(p))
        gradients.add_l1(params, 1e-3, BATCH, decay_norms=True)
        gradients.clip_by_global_norm(params, BATCH, norm=5.0)
        trainer.step(BATCH)
    return prefix, suffix


def assert_only_these_move(
    parts: Parts, size: int, trained: Collection[Any], optimizer: str = "sgd", norm_frozen: bool = False
) -> None:
    frozen, moving = frozen_and_trained(parts, trained, norm_frozen)
    assert frozen
    assert moving
    before = values(frozen), values(moving)
    train(parts, size, trained, optimizer, norm_frozen)
    after = values(frozen), values(moving)
    changed = [name for name, value in before[0].items() if not np.array_equal(value, after[0][name])]
    still = [name for name, value in before[1].items() if np.array_equal(value, after[1][name])]
    assert changed == []
    # A norm without scale or shift has these as constants.
    constants = {p.name for p in moving if not p._differentiable and not p.name.endswith(("mean", "var"))}
    assert set(still) == constants


@pytest.mark.parametrize("optimizer", sorted(ARGS))
@pytest.mark.parametrize(
    "names", [("head",), ("block2", "head"), ("stem", "head"), ("stem", "block2", "head"), ("block1",)]
)
def test_only_trained_parts_of_a_toy_net_move(names: tuple[str, ...], optimizer: str) -> None:
    parts = toy()
    assert_only_these_move(parts, 8, of(parts, *names), optimizer)


@pytest.mark.parametrize(
    ("net", "names", "optimizer", "norm_frozen"),
    [
        ("resnet18", ("head",), "adamw", False),
        ("resnet18", ("block4", "head"), "sgd", False),
        ("resnet18", ("block1", "block4", "head"), "rmsprop", False),
        ("resnet18", ("block3", "block4", "head"), "nag", True),
        ("mobilenet", ("stem", "block3", "head"), "adam", False),
        ("mobilenet", ("block1", "block2", "head"), "sgd", True),
    ],
)
def test_only_trained_parts_of_a_zoo_net_move(
    net: str, names: tuple[str, ...], optimizer: str, norm_frozen: bool
) -> None:
    make, size = NETS[net]
    parts = make()
    assert_only_these_move(parts, size, of(parts, *names), optimizer, norm_frozen)


@pytest.mark.parametrize("net", ["toy", "mobilenet"])
def test_stages_follow_each_other_without_undoing(net: str) -> None:
    make, size = NETS[net]
    parts = make()
    last = parts[-2][0]
    for names, norm_frozen in [
        (("head",), False),
        (("stem", last, "head"), True),
        (tuple(name for name, _ in parts[1:]), False),
        (("stem", "block1"), False),
        ((last, "head"), True),
    ]:
        assert_only_these_move(parts, size, of(parts, *names), norm_frozen=norm_frozen)


def test_a_frozen_part_behind_the_cut_acts_as_in_prediction() -> None:
    """Neither dropout nor the batch has a say in it, recorded, hybridized and in training mode."""
    parts = toy()
    (x, _), *_ = batches(8, 1)
    _, suffix = train(parts, 8, of(parts, "stem", "block2", "head"))
    middle = dict(parts)["block1"]
    features = dict(parts)["stem"](x)
    expected = middle(features).asnumpy()
    with autograd.record():
        found = middle(features)
    np.testing.assert_allclose(found.asnumpy(), expected, atol=1e-6)
    with autograd.record():
        differs = suffix(x)
    assert not np.allclose(differs.asnumpy(), suffix(x).asnumpy(), atol=1e-3)


def test_dropout_comes_back_when_a_part_trains_again() -> None:
    parts = toy()
    block = dict(parts)["block1"]
    x = nd.ones((BATCH, 6, 8, 8))
    for names, dropped in [(("head",), False), (("block1",), True), (("head",), False), (("block1",), True)]:
        freezing.prepare_stage(parts, of(parts, *names))
        block.hybridize()
        with autograd.record():
            out = block(x)
        assert ((out.asnumpy() == 0).mean() > 0.2) == dropped
    # A copy taken while the part was frozen still knows the rate.
    freezing.prepare_stage(parts, of(parts, "head"))
    copied = copy.deepcopy(block)
    freezing.prepare_stage([("copy", copied)], list(copied.collect_params().values()))
    assert copied[2]._rate == 0.4


def test_norm_frozen_keeps_the_dropout_of_a_trained_part() -> None:
    parts = toy()
    freezing.prepare_stage(parts, of(parts, "block1"), norm_frozen=True)
    assert [part[2]._rate for _, part in parts[:3]] == [0.0, 0.4, 0.0]


def test_gradient_through_a_frozen_norm_is_that_of_a_fixed_scale_and_shift() -> None:
    x = nd.random.normal(shape=(BATCH, 3, 5, 5))
    weight = nd.random.normal(shape=x.shape)
    norm = ready([("norm", nn.BatchNorm())], 5)[0][1]
    freezing.prepare_stage([("norm", norm)], [])
    norm.hybridize(static_alloc=True, static_shape=True)
    x.attach_grad()
    with autograd.record():
        out = (norm(x) * weight).sum()
    out.backward()
    scale = norm.gamma.data() / (norm.running_var.data() + 1e-5).sqrt()
    expected = (weight * scale.reshape((1, -1, 1, 1))).asnumpy()
    np.testing.assert_allclose(x.grad.asnumpy(), expected, rtol=1e-4, atol=1e-6)


def test_what_the_net_was_built_with_is_kept() -> None:
    """A norm that was built to use its statistics keeps to that in a part that trains."""
    part = sequential(nn.Conv2D(4, 1), nn.BatchNorm(use_global_stats=True))
    parts = ready([("stem", part)], 8)
    weights = [p for p in of(parts, "stem") if "running" not in p.name]
    before = values([part[1].running_mean])
    x, _ = batches(8, 1)[0]
    for trained in ([], weights):
        live = freezing.prepare_stage(parts, trained)
        assert live == {"stem": tuple(trained)}
        with autograd.record():
            out = part(x).sum()
        if trained:
            out.backward()
    np.testing.assert_array_equal(values([part[1].running_mean])[part[1].running_mean.name], *before.values())


def test_a_batch_norm_goes_with_its_own_scale_and_shift() -> None:
    """Here a pattern names only weights: every norm that could be named and is not stays."""
    parts = toy()
    weights = [p for p in of(parts, "stem", "block1", "block2") if p.name.endswith("weight")]
    freezing.prepare_stage(parts, weights)
    assert [part[1]._kwargs["use_global_stats"] for _, part in parts[:3]] == [True, True, False]
    freezing.prepare_stage(parts, [parts[0][1][1].gamma])
    assert [part[1]._kwargs["use_global_stats"] for _, part in parts[:3]] == [False, True, True]


def test_norms_without_statistics_freeze_too() -> None:
    part = sequential(nn.Conv2D(4, 1), nn.GroupNorm(2), nn.InstanceNorm(), nn.LayerNorm(), nn.PReLU())
    parts = ready([("stem", part)], 8)
    live = freezing.prepare_stage(parts, of(parts, "stem"), norm_frozen=True)
    assert [p.name.rsplit("_", 1)[1] for p in live["stem"]] == ["weight", "bias", "alpha"]
    live = freezing.prepare_stage(parts, of(parts, "stem"))
    assert len(live["stem"]) == len(of(parts, "stem")) == 9


def test_returns_each_trained_parameter_once_in_the_order_of_the_net() -> None:
    parts = toy()
    shared = [*parts, ("again", sequential(parts[3][1][2]))]
    live = freezing.prepare_stage(shared, set(of(parts, "block1", "block2", "head")))
    assert [len(params) for params in live.values()] == [0, 4, 2, 2, 0]
    assert live["head"] == (parts[3][1][2].weight, parts[3][1][2].bias)
    trained = {p for params in live.values() for p in params}
    assert {p for p in of(parts, *dict(parts)) if p.grad_req == "write"} == trained


def test_a_part_without_parameters_keeps_its_dropout() -> None:
    dropout = sequential(nn.Dropout(0.4))
    live = freezing.prepare_stage([*toy(), ("between", dropout)], [])
    assert live["between"] == ()
    assert dropout[0]._rate == 0.4


def test_cut_is_the_first_part_that_trains() -> None:
    assert freezing.cut([True, False]) == 0
    assert freezing.cut([False, False, True, False]) == 2
    assert freezing.cut([False, False]) == 2
