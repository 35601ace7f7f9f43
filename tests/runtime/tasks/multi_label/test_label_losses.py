"""Losses of labels: against their formulas, in float64, and what training computes against what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from runtime.backend.mx import autograd, mx, nd
from runtime.tasks.multi_label.losses import LOSSES
from runtime.tasks.multi_label.targets import LabelFacts

ROWS = {row.entry.name: row for row in LOSSES}
SCORES = np.array([[0.0, 1.5, -2.0], [4.0, -7.5, 0.3], [-0.25, 3.0, 12.0]], np.float32)
LABELS = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0]], np.float32)
Array = Any


def defaults(name: str, **args: Any) -> Mapping[str, Any]:
    return {**{arg.name: arg.default for arg in ROWS[name].entry.args}, **args}


def binary(p: Array, t: Array, label_smoothing: float, positive_weight: Any) -> Array:
    q = (1 - label_smoothing) * t + label_smoothing / 2
    w = 1.0 if positive_weight is None else np.array(positive_weight)
    return -w * q * np.log(p) - (1 - q) * np.log(1 - p)


def focal(p: Array, t: Array, gamma: float, alpha: float | None) -> Array:
    u = np.where(t, p, 1 - p)
    balance = 1 if alpha is None else np.where(t, alpha, 1 - alpha)
    return -balance * (1 - u) ** gamma * np.log(u)


def asymmetric(p: Array, t: Array, gamma_negative: float, gamma_positive: float, margin: float) -> Array:
    m = np.maximum(p - margin, 0)
    lacking = m**gamma_negative * np.log(np.where(m > 0, 1 - m, 1))
    return -t * (1 - p) ** gamma_positive * np.log(p) - (1 - t) * lacking


@pytest.mark.parametrize(
    ("name", "formula", "args"),
    [
        ("binary_cross_entropy", binary, {}),
        ("binary_cross_entropy", binary, {"positive_weight": 3.0}),
        ("binary_cross_entropy", binary, {"positive_weight": (0.5, 0.5, 8.0)}),
        ("binary_focal", focal, {}),
        ("binary_focal", focal, {"gamma": 0.5, "alpha": None}),
        ("asymmetric", asymmetric, {}),
        ("asymmetric", asymmetric, {"gamma_negative": 2.0, "gamma_positive": 0.0, "margin": 0.0}),
        ("asymmetric", asymmetric, {"gamma_negative": 3.0, "gamma_positive": 1.0, "margin": 0.3}),
    ],
)
def test_a_loss_is_its_formula(name: str, formula: Callable[..., Array], args: dict[str, Any]) -> None:
    given = defaults(name, **args)
    p = 1 / (1 + np.exp(-SCORES.astype(np.float64)))
    expected = formula(p, LABELS, **given).mean(axis=1)
    np.testing.assert_allclose(ROWS[name].measure(given, SCORES, LABELS), expected, rtol=1e-6, atol=1e-6)
    built = ROWS[name].build(given)(nd, mx.nd.array(SCORES), mx.nd.array(LABELS)).asnumpy()
    np.testing.assert_allclose(built, expected, rtol=2e-5, atol=1e-6)


def test_smoothing_is_of_training_alone() -> None:
    given = defaults("binary_cross_entropy", label_smoothing=0.2)
    p = 1 / (1 + np.exp(-SCORES.astype(np.float64)))
    built = ROWS["binary_cross_entropy"].build(given)(nd, mx.nd.array(SCORES), mx.nd.array(LABELS)).asnumpy()
    np.testing.assert_allclose(built, binary(p, LABELS, 0.2, None).mean(axis=1), rtol=2e-5)
    plain = ROWS["binary_cross_entropy"].measure(defaults("binary_cross_entropy"), SCORES, LABELS)
    np.testing.assert_array_equal(ROWS["binary_cross_entropy"].measure(given, SCORES, LABELS), plain)


@pytest.mark.parametrize(
    ("name", "args", "recorded"),
    [
        (
            "binary_cross_entropy",
            {"positive_weight": (0.5, 2.0, 8.0)},
            [6.354470318868835, 2.817848271713796, 4.170050185760128],
        ),
        ("binary_focal", {}, [0.43626516011824384, 0.9770929158222922, 3.021726435664044]),
        ("asymmetric", {}, [0.908826986948649, 0.7548286120096842, 0.9688353538513184]),
    ],
)
def test_a_loss_is_that_of_other_libraries(name: str, args: dict[str, Any], recorded: list[float]) -> None:
    """Recorded of torch 2.14.1's binary_cross_entropy_with_logits(pos_weight), torchvision 0.29.1's sigmoid_focal_loss
    and timm 1.0.31's AsymmetricLossMultiLabel, in float64; a mean over the labels."""
    given = defaults(name, **args)
    np.testing.assert_allclose(ROWS[name].measure(given, SCORES, LABELS), recorded, rtol=1e-5)
    built = ROWS[name].build(given)(nd, mx.nd.array(SCORES), mx.nd.array(LABELS)).asnumpy()
    np.testing.assert_allclose(built, recorded, rtol=2e-5)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("score", [-200.0, -20.0, 0.0, 20.0, 200.0])
def test_training_goes_on_from_any_score(name: str, score: float) -> None:
    """Losses and gradients are finite, and where the network is wrong the gradient leads back."""
    for has in (0.0, 1.0):
        scores = mx.nd.array([[score]])
        scores.attach_grad()
        with autograd.record():
            loss = ROWS[name].build(defaults(name))(nd, scores, mx.nd.array([[has]]))
        loss.backward()
        gradient = float(scores.grad.asnumpy()[0, 0])
        assert np.isfinite([loss.asnumpy()[0], gradient]).all()
        assert gradient * (1 if has else -1) <= 1e-12
        if score == 0:
            assert gradient != 0  # a head that starts at zero learns
        if name != "asymmetric" and (score > 0) != bool(has) and score:
            assert abs(gradient) > 0.2


def test_weights_by_how_rare_a_label_is() -> None:
    facts = LabelFacts(("a", "b"), images={"train": (20, 80)}, counts={"train": (100,)})
    for word, expected in (("balanced", (4.0, 0.25)), ("sqrt", (2.0, 0.5))):
        given = ROWS["binary_cross_entropy"].settled(defaults("binary_cross_entropy", positive_weight=word), facts)
        assert given["positive_weight"] == expected
