"""Metrics of labels: against scikit-learn, and by hand where that has no answer."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_recall_fscore_support

from runtime.tasks.multi_label.metrics import LabelEvaluator, Report, average_precision, best_threshold

Array = Any


def report(scores: Array, true: Array, thresholds: tuple[float, ...]) -> Report:
    names = [f"label {n}" for n in range(scores.shape[1])]
    evaluator = LabelEvaluator(names, lambda outputs, targets: np.zeros(len(outputs)), thresholds)
    for start in range(0, len(scores), 16):
        evaluator.update(scores[start : start + 16].astype(np.float32), true[start : start + 16].astype(np.float32))
    return evaluator.report()


def made(seed: int = 0, images: int = 90) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    true = rng.random((images, 5)) < np.array([0.5, 0.3, 0.2, 0.1, 0.05])
    true[0] = True
    return np.round(rng.normal(1.5 * true - 0.7, 1.0), 1), true  # rounded: with equal scores


@pytest.mark.parametrize("seed", range(3))
def test_metrics_are_those_of_scikit_learn(seed: int) -> None:
    scores, true = made(seed)
    limits = (0.5, 0.31, 0.62, 0.11, 0.5)
    found = report(scores, true, limits)
    given = 1 / (1 + np.exp(-scores)) >= limits
    assert found.values["map"] == pytest.approx(average_precision_score(true, scores, average="macro"), rel=1e-12)
    assert found.values["f1_micro"] == pytest.approx(f1_score(true, given, average="micro"), rel=1e-12)
    assert found.values["f1_macro"] == pytest.approx(f1_score(true, given, average="macro"), rel=1e-12)
    assert found.values["exact_match"] == accuracy_score(true, given)
    columns = precision_recall_fscore_support(true, given, zero_division=np.nan)
    for row, *expected in zip(found.labels, *columns, strict=True):
        assert (row.precision, row.recall, row.f1, row.images) == pytest.approx(tuple(expected), nan_ok=True)
    assert found.given == given.sum() / len(given)


def test_average_precision_by_hand() -> None:
    # Ranked: right, wrong, (right and wrong of one score), right: .25 (1 + 2/4) + .5 ... of three true ones.
    scores, true = np.array([0.9, 0.8, 0.5, 0.5, 0.1]), np.array([1, 0, 1, 0, 1], bool)
    assert average_precision(scores, true) == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)
    assert isnan(average_precision(scores, np.zeros(5, bool)))


def test_a_label_that_does_not_occur_counts_for_nothing() -> None:
    scores, true = made()
    true[:, 4] = False
    scores[:, 4] = -9
    found = report(scores, true, (0.5,) * 5)
    fewer = report(scores[:, :4], true[:, :4], (0.5,) * 4)
    for name in ("map", "f1_micro", "f1_macro", "exact_match"):
        assert found.values[name] == pytest.approx(fewer.values[name])
    assert found.labels[4].images == 0
    assert found.in_result()["by_label"][4]["ap"] is None


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_has_a_better_f1(seed: int) -> None:
    scores, true = made(seed)
    shares = 1 / (1 + np.exp(-scores))
    found = report(scores, true, ())
    assert found.chosen
    for n, row in enumerate(found.labels):
        others = [f1_score(true[:, n], shares[:, n] >= limit) for limit in np.unique(shares[:, n])]
        assert row.f1 == pytest.approx(max(others))
        assert not np.isclose(shares[:, n], row.threshold, atol=1e-9).any()  # it lies between two


def test_a_threshold_by_hand() -> None:
    shares, true = np.array([0.9, 0.6, 0.4, 0.2]), np.array([1, 1, 0, 0], bool)
    assert best_threshold(shares, true) == pytest.approx(0.5)
    assert best_threshold(shares, np.zeros(4, bool)) == 0.5  # nothing says which
    assert best_threshold(shares, np.ones(4, bool)) == pytest.approx(0.1)


def test_what_does_not_fit_is_refused() -> None:
    evaluator = LabelEvaluator(["a", "b"], lambda outputs, targets: np.zeros(len(outputs)))
    with pytest.raises(ValueError, match="do not fit"):
        evaluator.update(np.zeros((3, 1), np.float32), np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="no images"):
        evaluator.report()
