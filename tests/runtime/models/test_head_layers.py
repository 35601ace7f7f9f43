"""The layers that a head may have give what their formulas say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.backend.mx import autograd, mx, nd
from runtime.models.heads import LAYERS
from runtime.models.network import _first_value

MAPS = np.random.default_rng(0).normal(0.5, 1, (3, 4, 5, 6)).astype(np.float32)
FEATURES = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)


def built(name: str, **args: Any) -> Any:
    block = mx.gluon.nn.HybridSequential()
    block.add(*LAYERS[name].build(args))
    block.initialize(mx.init.Normal(0.5))
    block.hybridize()
    return block


def values(block: Any) -> dict[str, Any]:
    return {name: each.data().asnumpy() for name, each in block._collect_params_with_prefix().items()}


def gem(x: np.ndarray[Any, Any], p: float) -> np.ndarray[Any, Any]:
    powers = np.maximum(x.astype(np.float64), 1e-6) ** p
    return np.asarray(powers.mean(axis=(2, 3)) ** (1 / p))


@pytest.mark.parametrize("p", [1.0, 3.0, 50.0])
def test_gem_is_the_generalized_mean(p: float) -> None:
    np.testing.assert_allclose(built("gem", p=p)(nd.array(MAPS)).asnumpy(), gem(MAPS, p), rtol=2e-5)


def test_gem_trains_its_exponent_and_passes_gradients() -> None:
    block, x = built("gem", p=3.0), nd.array(MAPS)
    block(x)
    x.attach_grad()
    with autograd.record():
        total = block(x).sum()
    total.backward()
    (p,) = block.collect_params().values()
    step = 1e-4
    by_p = (gem(MAPS, 3 + step).sum() - gem(MAPS, 3 - step).sum()) / (2 * step)
    np.testing.assert_allclose(p.grad().asscalar(), by_p, rtol=1e-4)
    place = (1, 2, 3, 4)
    more, less = MAPS.astype(np.float64), MAPS.astype(np.float64)
    more[place] += step
    less[place] -= step
    by_x = (gem(more, 3).sum() - gem(less, 3).sum()) / (2 * step)
    np.testing.assert_allclose(x.grad.asnumpy()[place], by_x, rtol=1e-3, atol=1e-6)


def test_gem_of_a_dead_channel_has_finite_gradients() -> None:
    block, x = built("gem", p=90.0), nd.zeros((2, 3, 4, 4))
    block(x)
    x.attach_grad()
    with autograd.record():
        total = block(x).sum()
    total.backward()
    (p,) = block.collect_params().values()
    assert np.isfinite(p.grad().asnumpy()).all()
    assert np.isfinite(x.grad.asnumpy()).all()


def test_means_stand_before_maxima() -> None:
    found = built("global_avg_max_pool")(nd.array(MAPS)).asnumpy()
    np.testing.assert_allclose(found, np.concatenate([MAPS.mean((2, 3)), MAPS.max((2, 3))], axis=1), rtol=1e-5)


def test_the_cosine_classifier_is_its_formula() -> None:
    block = built("cosine_classifier", units=5, scale=7.0)
    found, weight = block(nd.array(FEATURES)).asnumpy(), values(block)["0.weight"]
    x, w = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (FEATURES, weight))
    np.testing.assert_allclose(found, 7 * x @ w.T, rtol=1e-4, atol=1e-5)


def test_an_mlp_is_two_layers() -> None:
    block = built("mlp", units=3, hidden=6, dropout=0.5)
    found, own = block(nd.array(FEATURES)).asnumpy(), values(block)
    hidden = np.maximum(FEATURES @ own["0.weight"].T + own["0.bias"], 0)
    np.testing.assert_allclose(found, hidden @ own["3.weight"].T + own["3.bias"], rtol=1e-4, atol=1e-5)


def test_the_neck_has_no_shift_that_trains() -> None:
    block = built("bn_neck")
    block(nd.array(FEATURES))
    with autograd.record():
        found = block(nd.array(FEATURES)).asnumpy()
    expected = (FEATURES - FEATURES.mean(0)) / np.sqrt(FEATURES.var(0) + 1e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    named = block._collect_params_with_prefix()
    assert not named["0.beta"]._differentiable
    assert named["0.gamma"]._differentiable


@pytest.mark.parametrize(("init", "deviation"), [("he", (2 / 400) ** 0.5), ("normal", 0.01), ("zeros", 0.0)])
def test_a_dense_layer_begins_as_the_recipe_says(init: str, deviation: float) -> None:
    (layer,) = LAYERS["dense"].build({"units": 300, "bias": None, "init": init})
    layer.weight.shape = (300, 400)
    assert layer.bias is None
    np.testing.assert_allclose(_first_value("head.1.weight", layer.weight, 7).std(), deviation, rtol=0.02)


def test_plain_layers_are_those_of_numpy() -> None:
    x, rows = MAPS.astype(np.float64), FEATURES.astype(np.float64)
    expected = {
        "global_avg_pool": x.mean(axis=(2, 3)),
        "global_max_pool": x.max(axis=(2, 3)),
        "flatten": x.reshape(3, -1),
        "relu": np.maximum(x, 0),
        "dropout": x,  # in prediction
    }
    for name, value in expected.items():
        found = built(name, p=0.4)(nd.array(MAPS)).asnumpy()
        np.testing.assert_allclose(found.reshape(value.shape), value, rtol=1e-5, atol=1e-6)
    dense = built("dense", units=5, bias="zero", init="glorot")
    found, own = dense(nd.array(FEATURES)).asnumpy(), values(dense)
    np.testing.assert_allclose(found, rows @ own["0.weight"].T + own["0.bias"], rtol=1e-4, atol=1e-5)
    norm = built("batch_norm")
    norm(nd.array(FEATURES))
    with autograd.record():
        trained = norm(nd.array(FEATURES)).asnumpy()
    np.testing.assert_allclose(trained, (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5), rtol=1e-3, atol=1e-4)


def test_dropout_zeroes_its_share_and_keeps_the_mean() -> None:
    ones = nd.ones((100, 500))
    with autograd.record():
        found = built("dropout", p=0.4)(ones).asnumpy()
    assert set(np.unique(found.round(5))) == {0, np.float32(1 / 0.6).round(5)}
    assert abs((found == 0).mean() - 0.4) < 0.01
