"""Stochastic depth: which branches are dropped, how often, and of whom."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from runtime.backend.fast_graph import fast_graph
from runtime.backend.freezing import dropouts, drops, prepare_stage
from runtime.backend.mx import autograd, mx, nd
from runtime.models import efficientnet_lite, zoo
from runtime.models.base import Base
from runtime.models.stochastic_depth import Branches, branches_of, set_stochastic_depth
from runtime.models.timm import network as timm
from runtime.models.timm.convnext import Block
from runtime.models.timm.vit import Block as Attentive
from runtime.plan.size import Size

SIZE = Size(64, 64)
CONVNEXT = branches_of("timm", "convnext_atto.d2_in1k")
VIT = branches_of("timm", "vit_tiny_patch16_224.augreg_in21k_ft_in1k")


def rates(base: Base, branches: Any, rate: float, trained: int = 0) -> list[float]:
    """Return the rate of each branch that is dropped, in order; the first parts are frozen."""
    parts = [block for _, block in base.parts]
    wanted = [p for part in parts[trained:] for p in part.collect_params().values()]
    prepare_stage(list(base.parts), wanted)
    set_stochastic_depth(parts, branches, rate)
    return [each._rate for part in parts for each in dropouts(part)]


def toy(blocks: list[Any]) -> Any:
    net = mx.gluon.nn.HybridSequential()
    net.add(*blocks)
    net.initialize(mx.init.Normal(0.3))
    return net


def test_rates_rise_linearly_and_frozen_blocks_drop_nothing() -> None:
    """As timm's `torch.linspace(0, rate, depth)`; both branches of a transformer's block have its rate."""
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    base = timm.split(timm.build(name, SIZE), name)
    linear = np.repeat(np.linspace(0, 0.3, 12), 2)
    np.testing.assert_allclose(rates(base, VIT, 0.3), linear[2:])
    np.testing.assert_allclose(rates(base, VIT, 0.3, trained=9), linear[16:])
    assert rates(base, VIT, 0.0) == []
    lite = efficientnet_lite.build("efficientnet_lite0", SIZE)
    found = rates(lite, branches_of("packaged", "efficientnet_lite0"), 0.15)  # 16 blocks, of which 9 have a shortcut
    np.testing.assert_allclose(found, [0.01 * number for number in (2, 4, 6, 7, 9, 10, 12, 13, 14)])


@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [
        ("timm", "convnext_atto.d2_in1k", 11),
        ("timm", "regnety_004.pycls_in1k", 15),
        ("timm", "mobilenetv3_large_100.ra_in1k", 9),
        ("gluoncv", "resnet18_v1", 7),
        ("gluoncv", "resnet50_v1d", 15),
        ("gluon", "mobilenetv2_0.25", 10),
        ("gluoncv", "cifar_resnet20_v1", 8),
    ],
)
def test_branches_of_each_family(kind: str, name: str, count: int) -> None:
    """All blocks with a shortcut but the first, whose rate is 0; then the network is as it was."""
    is_timm = kind == "timm"
    base = timm.split(timm.build(name, SIZE), name) if is_timm else zoo.split(zoo.build(kind, name), kind, name)
    branches = branches_of(kind, name)
    parts = [block for _, block in base.parts]
    before = _operators(parts)
    assert len(rates(base, branches, 0.2)) == count
    assert _operators(parts).count("Dropout") == count
    set_stochastic_depth(parts, branches, 0.0)
    assert _operators(parts) == before


def _operators(parts: list[Any]) -> list[str]:
    value = mx.sym.var("data")
    for part in parts:
        value = part(value)
    return [line["op"] for line in json.loads(value.tojson())["nodes"]]


def test_networks_without_such_branches_have_none() -> None:
    for name in ("vgg16", "se_resnet18_v1", "resnet18_v2", "cifar_resnet20_v2", "densenet121"):
        assert branches_of("gluoncv", name) is None
    assert branches_of("symbol", "net-symbol.json") is None


@pytest.mark.parametrize(("branches", "shape"), [(CONVNEXT, (4000, 8, 1, 1)), (VIT, (4000, 2, 64))])
def test_an_image_loses_a_branch_whole_or_gets_more_of_it(branches: Branches, shape: tuple[int, ...]) -> None:
    """A branch is 0 or divided by 1 - p, drawn for each image by itself; in the mean it is what it was."""
    net = toy([Block(8, False, True) if branches is CONVNEXT else Attentive(64, 1, False) for _ in range(2)])
    set_stochastic_depth([net], branches, 0.25)
    assert [each._rate for each in dropouts(net)] == [0.25] * len(branches.ends["Block"])
    last = list(net)[1].mlp
    x = nd.random.normal(shape=(*shape[:1], 1, 1, 8) if branches is CONVNEXT else shape)
    predicted = last(x)
    mx.random.seed(3)
    with autograd.record():
        trained = last(x)
    factors = (trained / predicted).asnumpy().reshape(shape[0], -1)
    kept = factors.round(3).max(axis=1)
    np.testing.assert_allclose(factors, np.repeat(factors[:, :1], factors.shape[1], axis=1), rtol=1e-4)
    assert set(kept.tolist()) == {0, np.float32(1.333)}
    assert factors[:, 0].mean() == pytest.approx(1, abs=0.04)  # four standard errors


def test_the_graph_that_trains_fast_drops_the_same_and_predictions_stay() -> None:
    name, x = "cifar_resnet20_v1", nd.array(np.random.default_rng(0).normal(size=(8, 3, 32, 32)))
    base = zoo.split(zoo.build("gluoncv", name), "gluoncv", name)
    net = toy([block for _, block in base.parts])
    predicted = net(x).asnumpy()
    assert rates(base, branches_of("gluoncv", name), 0.5)
    assert drops(net)
    plain, fast = _trained(net, x), _trained(fast_graph(net, [x.shape], mx.cpu()), x)
    np.testing.assert_allclose(fast, plain, rtol=1e-3, atol=1e-3)
    assert np.abs(plain - predicted).max() > 0.01
    assert (net(x).asnumpy() == predicted).all()


def _trained(net: Any, x: Any) -> Any:
    mx.random.seed(7)
    with autograd.record():
        return net(x).asnumpy()
