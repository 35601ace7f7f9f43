"""Each optimizer through `Trainer.step` against the same rule in NumPy, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.backend.mx import autograd, gluon, mx, nd
from runtime.training import gradients, optimizers

SHAPES = {"weight": (3, 4), "bias": (3,), "gamma": (3,)}
SCALES = {"weight": 1.0, "bias": 1.0, "gamma": 0.25}
BATCH = 4
RATES = (0.05, 0.1, 0.1, 0.02, 0.02, 0.01)

ARGS: dict[str, dict[str, float | bool]] = {
    "sgd": {"momentum": 0.9},
    "nag": {"momentum": 0.9},
    "adam": {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
    "adamw": {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
    "rmsprop": {"rho": 0.8, "momentum": 0.0, "epsilon": 1e-3, "centered": False},
    "lion": {"beta1": 0.8, "beta2": 0.95},
    "adabelief": {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4},
    "adamax": {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
    "adagrad": {"epsilon": 1e-3},
    "adadelta": {"rho": 0.8, "epsilon": 1e-3},
    "lamb": {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
    "lars": {"momentum": 0.9, "trust": 0.01},
}
CASES = {
    **ARGS,
    "sgd without momentum": {"momentum": 0.0},
    "nag without momentum": {"momentum": 0.0},
    "rmsprop with momentum": ARGS["rmsprop"] | {"momentum": 0.7},
    "rmsprop centered": ARGS["rmsprop"] | {"centered": True},
    "rmsprop centered with momentum": ARGS["rmsprop"] | {"momentum": 0.7, "centered": True},
}

Rule = Callable[[Any, Any, float, float, dict[str, Any], dict[str, Any]], Any]


def sgd(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    s["m"] = a["momentum"] * s.get("m", 0) - lr * (g + wd * w)
    return w + s["m"]


def nag(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    step = lr * (g + wd * w)
    s["m"] = a["momentum"] * s.get("m", 0) - step
    return w + a["momentum"] * s["m"] - step


def moments(g: Any, a: dict[str, Any], s: dict[str, Any]) -> tuple[Any, Any, int]:
    s["t"] = s.get("t", 0) + 1
    s["m"] = a["beta1"] * s.get("m", 0) + (1 - a["beta1"]) * g
    s["v"] = a["beta2"] * s.get("v", 0) + (1 - a["beta2"]) * g**2
    return s["m"], s["v"], s["t"]


def adam(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    m, v, t = moments(g + wd * w, a, s)
    rate = lr * np.sqrt(1 - a["beta2"] ** t) / (1 - a["beta1"] ** t)
    return w - rate * m / (np.sqrt(v) + a["epsilon"])


def adamw(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    m, v, t = moments(g, a, s)
    m, v = m / (1 - a["beta1"] ** t), v / (1 - a["beta2"] ** t)
    return w - lr * wd * w - lr * m / (np.sqrt(v) + a["epsilon"])


def rmsprop(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    g = g + wd * w
    s["n"] = a["rho"] * s.get("n", 0) + (1 - a["rho"]) * g**2
    s["g"] = a["rho"] * s.get("g", 0) + (1 - a["rho"]) * g
    spread = s["n"] - s["g"] ** 2 if a["centered"] else s["n"]
    s["m"] = a["momentum"] * s.get("m", 0) - lr * g / np.sqrt(spread + a["epsilon"])
    return w + s["m"]


def lion(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    step = np.sign(a["beta1"] * s.get("m", 0) + (1 - a["beta1"]) * g)
    s["m"] = a["beta2"] * s.get("m", 0) + (1 - a["beta2"]) * g
    return w - lr * (step + wd * w)


def adabelief(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    s["t"] = s.get("t", 0) + 1
    s["m"] = a["beta1"] * s.get("m", 0) + (1 - a["beta1"]) * g
    s["s"] = a["beta2"] * s.get("s", 0) + (1 - a["beta2"]) * (g - s["m"]) ** 2 + a["epsilon"]
    m, v = s["m"] / (1 - a["beta1"] ** s["t"]), s["s"] / (1 - a["beta2"] ** s["t"])
    return w - lr * wd * w - lr * m / (np.sqrt(v) + a["epsilon"])


def adamax(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    g = g + wd * w
    s["t"] = s.get("t", 0) + 1
    s["m"] = a["beta1"] * s.get("m", 0) + (1 - a["beta1"]) * g
    s["u"] = np.maximum(a["beta2"] * s.get("u", np.zeros_like(g)), np.abs(g) + a["epsilon"])
    return w - lr / (1 - a["beta1"] ** s["t"]) * s["m"] / s["u"]


def adagrad(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    g = g + wd * w
    s["sum"] = s.get("sum", 0) + g**2
    return w - lr * g / (np.sqrt(s["sum"]) + a["epsilon"])


def adadelta(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    g = g + wd * w
    s["v"] = a["rho"] * s.get("v", 0) + (1 - a["rho"]) * g**2
    step = np.sqrt(s.get("d", 0) + a["epsilon"]) / np.sqrt(s["v"] + a["epsilon"]) * g
    s["d"] = a["rho"] * s.get("d", 0) + (1 - a["rho"]) * step**2
    return w - lr * step


def lamb(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    m, v, t = moments(g, a, s)
    step = m / (1 - a["beta1"] ** t) / (np.sqrt(v / (1 - a["beta2"] ** t)) + a["epsilon"]) + wd * w
    return w - lr * np.linalg.norm(w) / np.linalg.norm(step) * step


def lars(w: Any, g: Any, lr: float, wd: float, a: dict[str, Any], s: dict[str, Any]) -> Any:
    g = g + wd * w
    own = a["trust"] * np.linalg.norm(w) / np.linalg.norm(g) if w.ndim > 1 else 1.0
    s["m"] = a["momentum"] * s.get("m", 0) - lr * own * g
    return w + s["m"]


RULES: dict[str, Rule] = {
    "sgd": sgd,
    "nag": nag,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "lion": lion,
    "adabelief": adabelief,
    "adamax": adamax,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "lamb": lamb,
    "lars": lars,
}


class Fixture:
    """Three parameters, and gradients that are what the test says."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.params = {}
        for name, shape in SHAPES.items():
            param = gluon.Parameter(name, shape=shape)
            param.initialize(ctx=mx.cpu())
            param.set_data(nd.array(self.random.normal(size=shape)))
            self.params[name] = param

    @property
    def ordered(self) -> list[Any]:
        return list(self.params.values())

    def values(self) -> dict[str, Any]:
        return {name: p.data().asnumpy().astype(np.float64) for name, p in self.params.items()}

    def backward(self) -> dict[str, Any]:
        """Put random gradients, summed over a batch, into the parameters; return the mean ones."""
        wanted = {n: self.random.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}
        with autograd.record():
            terms = [(p.data() * nd.array(wanted[n]) * BATCH).sum() for n, p in self.params.items()]
            loss = nd.add_n(*terms)
        loss.backward()
        return wanted

    def trainer(self, name: str, args: dict[str, Any] | None = None, **common: Any) -> Any:
        pairs = [(p, SCALES[n]) for n, p in self.params.items()]
        common = {"lr": 0.1, "weight_decay": 0.1, "decay_norms": False} | common
        return optimizers.trainer(pairs, name, {**(args or ARGS[name]), **common})


def test_every_optimizer_has_a_case_here() -> None:
    assert set(ARGS) == set(RULES) == set(optimizers.OPTIMIZERS)


@pytest.mark.parametrize("decay_norms", [False, True])
@pytest.mark.parametrize("case", sorted(CASES))
def test_follows_its_rule(case: str, decay_norms: bool) -> None:
    name, args = case.split()[0], CASES[case]
    net = Fixture()
    trainer = net.trainer(name, args, decay_norms=decay_norms)
    expected, states = net.values(), {n: {} for n in SHAPES}
    for rate in RATES:
        mean = net.backward()
        trainer.set_learning_rate(rate)
        trainer.step(BATCH)
        for n in SHAPES:
            decay = 0.1 if decay_norms or n == "weight" else 0.0
            expected[n] = RULES[name](expected[n], mean[n], rate * SCALES[n], decay, args, states[n])
    for n, value in net.values().items():
        np.testing.assert_allclose(value, expected[n], rtol=2e-5, atol=2e-6, err_msg=n)


@pytest.mark.parametrize("case", sorted(CASES))
def test_keeps_as_many_arrays_as_its_row_says(case: str) -> None:
    name, args = case.split()[0], CASES[case]
    net = Fixture()
    trainer = net.trainer(name, args)
    net.backward()
    trainer.step(BATCH)
    for index, param in enumerate(net.ordered):
        state = trainer._updaters[0].states[index]
        kept = [each for each in (state if isinstance(state, list | tuple) else [state]) if each is not None]
        assert [each.shape for each in kept] == [param.shape] * optimizers.OPTIMIZERS[name].arrays(args)


def test_a_stage_inherits_no_scale_and_no_exemption() -> None:
    net = Fixture()
    net.trainer("sgd")
    assert [p.lr_mult for p in net.ordered] == [1.0, 1.0, 0.25]
    assert [p.wd_mult for p in net.ordered] == [1.0, 0.0, 0.0]
    args = {"momentum": 0.0, "lr": 0.1, "weight_decay": 0.1, "decay_norms": True}
    optimizers.trainer([(p, 1.0) for p in net.ordered], "sgd", args)
    assert [p.lr_mult for p in net.ordered] == [1.0, 1.0, 1.0]
    assert [p.wd_mult for p in net.ordered] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("case", sorted(CASES))
def test_goes_on_from_saved_states_as_if_never_stopped(case: str, tmp_path: Path) -> None:
    name, args = case.split()[0], CASES[case]
    file = str(tmp_path / "states")
    whole, first, second = Fixture(), Fixture(), Fixture()
    trainer = whole.trainer(name, args)
    before = first.trainer(name, args)
    for step in range(6):
        whole.backward()
        trainer.step(BATCH)
        if step < 3:
            first.backward()
            before.step(BATCH)
    before.save_states(file)
    after = second.trainer(name, args, lr=0.7)
    after.load_states(file)
    after.set_learning_rate(0.1)
    second.random = first.random
    for n, param in second.params.items():
        param.set_data(first.params[n].data())
    for _ in range(3):
        second.backward()
        after.step(BATCH)
    for n, value in whole.values().items():
        np.testing.assert_array_equal(second.values()[n], value)


def test_the_batch_can_change_between_steps() -> None:
    """The kernel of adamw takes the batch as an array, which must not be that of the step before."""
    one, two = Fixture(), Fixture()
    for net, factor in ((one, 1), (two, 2)):
        trainer = net.trainer("adamw")
        net.backward()
        trainer.step(BATCH)
        net.backward()
        for param in net.ordered:
            param.grad()[:] *= factor
        trainer.step(BATCH * factor)
    for n, value in one.values().items():
        np.testing.assert_array_equal(two.values()[n], value)


@pytest.mark.parametrize("limit", [0.3, 100.0])
def test_clips_each_element_of_the_mean_gradient(limit: float) -> None:
    net = Fixture()
    mean = net.backward()
    gradients.clip_by_value(net.ordered, BATCH, limit=limit)
    for n, param in net.params.items():
        expected = np.clip(mean[n], -limit, limit)
        np.testing.assert_allclose(param.grad().asnumpy() / BATCH, expected, rtol=1e-6)


@pytest.mark.parametrize("limit", [0.3, 100.0])
def test_clips_the_norm_of_the_mean_gradient(limit: float) -> None:
    net = Fixture()
    mean = net.backward()
    norm = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in mean.values()))
    found = gradients.clip_by_global_norm(net.ordered, BATCH, norm=limit)
    assert found.asscalar() == pytest.approx(norm, rel=1e-5)
    for n, param in net.params.items():
        expected = mean[n] * min(1, limit / norm)
        np.testing.assert_allclose(param.grad().asnumpy() / BATCH, expected, rtol=1e-5)


def test_clipping_leaves_a_gradient_of_nothing_alone() -> None:
    net = Fixture()
    net.backward()
    for param in net.ordered:
        param.grad()[:] = 0
    assert gradients.clip_by_global_norm(net.ordered, BATCH, norm=1.0).asscalar() == 0
    assert all((p.grad().asnumpy() == 0).all() for p in net.ordered)


@pytest.mark.parametrize("decay_norms", [False, True])
def test_l1_is_the_gradient_of_the_penalty(decay_norms: bool) -> None:
    net = Fixture()
    net.params["weight"].data()[0, 0] = 0
    mean = net.backward()
    gradients.add_l1(net.ordered, 0.01, BATCH, decay_norms=decay_norms)
    for n, param in net.params.items():
        counts = decay_norms or n == "weight"
        expected = mean[n] + counts * 0.01 * np.sign(param.data().asnumpy())
        np.testing.assert_allclose(param.grad().asnumpy() / BATCH, expected, rtol=1e-6, atol=1e-7)


def test_l1_equals_the_same_term_in_the_loss() -> None:
    x = nd.array(np.random.default_rng(1).normal(size=(BATCH, 4)))
    found = []
    for in_loss in (True, False):
        weight = Fixture().params["weight"]
        with autograd.record():
            loss = nd.dot(x, weight.data().T).square().sum(axis=1)
            if in_loss:
                loss = loss + 0.01 * weight.data().abs().sum()
        loss.backward()
        if not in_loss:
            gradients.add_l1([weight], 0.01, BATCH)
        found.append(weight.grad().asnumpy())
    np.testing.assert_allclose(*found, rtol=1e-6)


@pytest.mark.parametrize("name", ["lamb", "lars"])
def test_a_layer_without_weights_or_gradients_has_the_plain_step(name: str) -> None:
    param = gluon.Parameter("weight", shape=(2, 2))
    param.initialize(mx.init.Zero())
    args = {**ARGS[name], "lr": 0.1, "weight_decay": 0.0, "decay_norms": False}
    trainer = optimizers.trainer([(param, 1.0)], name, args)
    for gradient in (0.0, 1.0):
        with autograd.record():
            loss = (param.data() * gradient).sum()
        loss.backward()
        trainer.step(1)
        assert np.isfinite(param.data().asnumpy()).all()
        assert (param.data().asnumpy() < 0).all() == bool(gradient)
