"""Metrics against scikit-learn's own functions and against counts made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT, TESTS
from sklearn import metrics as reference

from runtime.plan.types import Component
from runtime.tasks.classification import metrics
from runtime.tasks.classification.targets import ClassFacts
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.tasks.protocol import evaluator_of

CLASSES = tuple("abcdefg")
HERE = Path(__file__).parent


def report(scores: Any, labels: Any, classes: Sequence[str]) -> metrics.Report:
    evaluator = evaluator_of(
        CLASSIFICATION, ClassFacts(tuple(classes), {}), Component("cross_entropy", {"label_smoothing": 0.1})
    )
    evaluator.update(scores, labels)
    return evaluator.report()


def draw(seed: int = 0, count: int = 300, classes: int = 7) -> tuple[Any, Any]:
    """Return scores and labels that agree now and then; the last class occurs in neither."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes - 1, count)
    scores = random.normal(size=(count, classes)).astype(np.float32)
    scores[np.arange(count), labels] += 1
    scores[:, -1] = -9
    return scores, labels


def test_agrees_with_scikit_learn() -> None:
    scores, labels = draw()
    found = report(scores, labels, CLASSES)
    answers = scores.argmax(axis=1)
    softmax = np.exp(scores.astype(np.float64))
    softmax /= softmax.sum(axis=1, keepdims=True)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "loss": reference.log_loss(labels, softmax, labels=range(7)),
        "accuracy": reference.accuracy_score(labels, answers),
        "top5": reference.top_k_accuracy_score(labels, scores, k=5, labels=range(7)),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, answers),
        "precision": reference.precision_score(labels, answers, **macro),
        "recall": reference.recall_score(labels, answers, **macro),
        "f1": reference.f1_score(labels, answers, **macro),
        "ece": found.values["ece"],  # in test_decisions.py
    }
    assert set(found.values) == set(metrics.METRICS)
    assert dict(found.values) == pytest.approx(expected, rel=1e-6)
    matrix = reference.confusion_matrix(labels, answers, labels=range(7))
    np.testing.assert_array_equal(found.confusion(), matrix)


def test_counts_by_hand() -> None:
    """Labels 0 0 0 1 1 2 and answers 0 0 1 1 0 0: class 2 is never answered, class 3 never occurs."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    scores = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 0, 0]]
    found = report(scores, labels, ("cat", "dog", "owl", "yak"))
    assert found.classes == (
        metrics.ClassRow("cat", 2 / 4, 2 / 3, 4 / 7, 3),
        metrics.ClassRow("dog", 1 / 2, 1 / 2, 1 / 2, 2),
        metrics.ClassRow("owl", 0.0, 0.0, 0.0, 1),
        metrics.ClassRow("yak", 0.0, 0.0, 0.0, 0),
    )
    assert found.confusion().tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    right, wrong = -np.log(np.e / (np.e + 3)), -np.log(1 / (np.e + 3))
    assert dict(found.values) == pytest.approx(
        {
            "loss": (3 * right + 3 * wrong) / 6,
            "accuracy": 1 / 2,
            "top5": 1.0,
            "balanced_accuracy": (2 / 3 + 1 / 2 + 0) / 3,
            "precision": (1 / 2 + 1 / 2 + 0) / 3,
            "recall": (2 / 3 + 1 / 2 + 0) / 3,
            "f1": (4 / 7 + 1 / 2 + 0) / 3,
            "ece": 1 / 2 - np.e / (np.e + 3),
        }
    )


def test_a_class_that_is_answered_but_never_right_counts_in_the_means() -> None:
    found = report(np.eye(2, dtype=np.float32)[[1, 1, 0]], np.array([0, 0, 0]), ("a", "b"))
    assert found.values["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found.values["recall"] == pytest.approx(1 / 6)
    assert found.values["precision"] == pytest.approx(1 / 2)


def test_equal_scores_are_in_the_order_of_classes() -> None:
    scores = np.zeros((7, 7), np.float32)
    found = report(scores, np.arange(7), CLASSES)
    assert found.values["top5"] == 5 / 7
    assert found.values["accuracy"] == 1 / 7
    assert found.values["loss"] == pytest.approx(np.log(7))


def test_a_diverged_net_is_not_praised() -> None:
    found = report(np.full((7, 7), np.nan, np.float32), np.arange(7), CLASSES)
    assert np.isnan(found.values["loss"])
    assert found.values["top5"] == 0
    assert found.values["ece"] == pytest.approx(6 / 7)  # the first class is an answer


def test_large_scores_do_not_overflow_and_are_left_as_they_are() -> None:
    scores = np.array([[3e4, 0.0], [0.0, -3e4]], np.float32)
    kept = scores.copy()
    found = report(scores, np.array([1, 0]), ("a", "b"))
    assert found.values["loss"] == pytest.approx(1.5e4)
    np.testing.assert_array_equal(scores, kept)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [((3, 6), [0, 1, 2]), ((3, 7), [0, 1]), ((0, 7), []), ((3, 7), [0, 1, 7]), ((3, 7), [0, -1, 2])],
)
def test_rejects_what_does_not_fit(scores: tuple[int, int], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"fit|images|labels"):
        report(np.zeros(scores, np.float32), np.array(labels, int), CLASSES)


def test_the_loss_does_not_depend_on_the_instructions_of_the_processor() -> None:
    program = (
        "import numpy as np; from test_metrics import report;"
        "random = np.random.default_rng(0);"
        "scores = random.normal(size=(400, 3)).astype(np.float32);"
        "print([report(scores[[n]], np.array([0]), 'abc').values['loss'] for n in range(400)])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**each, "PYTHONPATH": f"{ROOT}:{TESTS}:{HERE}"},
            check=True,
            capture_output=True,
        ).stdout
        for each in (os.environ, {**os.environ, "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX"})
    }
    assert len(found) == 1


def test_is_quick_on_a_large_set() -> None:
    scores, labels = draw(count=10_000, classes=1000)
    names = [str(i) for i in range(1000)]
    report(scores[:10], labels[:10], names)
    start = time.perf_counter()
    report(scores, labels, names)
    assert time.perf_counter() - start < 2


def test_the_table_is_read_without_numpy() -> None:
    code = (
        "import sys; from runtime.tasks.classification.metrics import METRICS;"
        "print(len(METRICS), {'numpy', 'sklearn'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "8 set()"
