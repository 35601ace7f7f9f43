"""What validation decides: against scikit-learn's metrics at each threshold, SciPy's minimum, and counts by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from planned import class_facts, plan_of
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn import metrics as reference

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.compile.facts import data_facts
from runtime.data.listing import Listing, Sample
from runtime.tasks.classification.decisions import (
    Bin,
    best_threshold,
    bins,
    calibration_error,
    fitted_temperature,
    mean_scores,
    probabilities,
)
from runtime.tasks.classification.losses import measured_cross_entropy
from runtime.tasks.classification.metrics import ClassEvaluator
from runtime.tasks.classification.network import by_answer
from runtime.tasks.classification.targets import ClassFacts
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY

SKLEARN = {
    "f1": partial(reference.f1_score, average="macro", zero_division=0),
    "balanced_accuracy": reference.balanced_accuracy_score,
    "accuracy": reference.accuracy_score,
}
FACTS = ClassFacts(("plain", "rare"), {})


def drawn(seed: int = 0, count: int = 60, classes: int = 2) -> tuple[Any, Any]:
    """Return scores that are too sure, and labels of which few are of the last class."""
    random = np.random.default_rng(seed)
    labels = (random.random(count) < 0.2).astype(np.int64) * (classes - 1)
    scores = random.normal(size=(count, classes)).astype(np.float32)
    scores[np.arange(count), labels] += 1
    scores[:, 0] += 1
    return scores * 3, labels


def measured(facts: ClassFacts, scores: Any, labels: Any, batch: int = 16) -> Any:
    evaluator = ClassEvaluator(facts, partial(measured_cross_entropy, {}))
    for first in range(0, len(labels), batch):
        evaluator.update(scores[first : first + batch], labels[first : first + batch])
    return evaluator.report()


@pytest.mark.parametrize("metric", SKLEARN)
@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_is_better_than_the_best(metric: str, seed: int) -> None:
    scores, labels = drawn(seed)
    chances = np.array(probabilities((scores[:, 1] - scores[:, 0]).tolist()))
    found = best_threshold(chances.tolist(), labels.tolist(), metric)
    tried = [SKLEARN[metric](labels, chances >= each) for each in [0.0, *chances, 1.0]]
    assert SKLEARN[metric](labels, chances >= found) == pytest.approx(max(tried))


def test_a_threshold_lies_between_what_occurs_and_near_a_half() -> None:
    assert best_threshold([0.1, 0.2, 0.4, 0.9], [0, 0, 1, 1], "f1") == pytest.approx(0.3)
    assert best_threshold([0.2, 0.8], [0, 0], "accuracy") == pytest.approx(0.9)  # above all
    assert best_threshold([0.2, 0.8], [1, 1], "accuracy") == 0.0
    assert best_threshold([0.5, 0.5, 0.5], [0, 1, 1], "accuracy") == 0.0  # equal ones stay together
    assert best_threshold([math.nan], [1], "f1") == 0.5


@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_has_the_least_cross_entropy(classes: int) -> None:
    scores, labels = drawn(3, 200, classes)

    def loss(log: float) -> float:
        rows = log_softmax(scores.astype(np.float64) / math.exp(log), axis=1)
        return float(-rows[np.arange(len(labels)), labels].mean())

    expected = math.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x)
    assert fitted_temperature(scores, labels) == pytest.approx(expected, rel=1e-4)
    assert fitted_temperature(scores * 2, labels) == pytest.approx(2 * expected, rel=1e-4)


def test_validation_without_a_mistake_says_nothing_of_the_temperature() -> None:
    assert fitted_temperature(np.array([[2.0, 0.0], [0.0, 2.0]], np.float32), np.array([0, 1])) == 1.0
    assert fitted_temperature(np.array([[2.0, 0.0], [0.0, 2.0]], np.float32), np.array([1, 0])) == 20.0


def test_the_calibration_error_by_hand() -> None:
    confidences = np.array([0.6, 0.6, 1.0, 1.0, 1 / 15])
    found = bins(confidences, np.array([True, False, True, False, False]))
    assert [each.count for each in found] == [1, 2, 2]  # a bin includes its upper end
    assert found[1:] == (Bin(0.6, 0.5, 2), Bin(1.0, 0.5, 2))
    assert calibration_error(found) == pytest.approx((1 / 15 + 2 * 0.1 + 2 * 0.5) / 5)


def test_the_report_has_the_error_of_the_most_probable_classes() -> None:
    scores, labels = drawn(1, 200, 4)
    shares = np.exp(log_softmax(scores.astype(np.float64), axis=1))
    surest, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    expected = 0.0
    for number in range(15):
        inside = (surest > number / 15) & (surest <= (number + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - surest[inside].mean())
    assert measured(ClassFacts(tuple("abcd"), {}), scores, labels).values["ece"] == pytest.approx(expected, abs=1e-6)


def test_validation_chooses_and_other_sets_go_by_it() -> None:
    scores, labels = drawn()
    facts = replace(FACTS, tuned="f1", calibrated=True)
    valid = measured(facts, scores, labels)
    plain = measured(FACTS, scores, labels)
    assert valid.values["f1"] > plain.values["f1"]
    assert valid.values["ece"] < plain.values["ece"]
    assert valid.values["loss"] < plain.values["loss"]
    assert plain.decisions == {}
    known = CLASSIFICATION.chosen(facts, valid)
    assert CLASSIFICATION.decisions(known) == valid.decisions
    others, truth = drawn(7)
    test = measured(known, others, truth)
    assert test.decisions == valid.decisions
    chances = probabilities(((others[:, 1] - others[:, 0]) / valid.decisions["temperature"]).tolist())
    answers = np.array(chances) >= valid.decisions["threshold"]
    assert test.values["f1"] == pytest.approx(SKLEARN["f1"](truth, answers))
    shown = [each for each in valid.tables() if isinstance(each, str)]
    assert any(each.startswith("rare is the answer from a probability of ") for each in shown)


def test_mean_scores_are_those_of_the_mean_probabilities() -> None:
    views = [drawn(seed, 5, 3)[0] for seed in range(3)]
    expected = np.mean([np.exp(log_softmax(each.astype(np.float64), axis=1)) for each in views], axis=0)
    found = np.exp(log_softmax(mean_scores(views).astype(np.float64), axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_run_reads_what_it_has_chosen_and_nothing_else() -> None:
    read = CLASSIFICATION.read(["a", "b"], {"valid": {"threshold": 0.2, "temperature": 1.5}})
    assert (read.threshold, read.temperature) == (0.2, 1.5)
    for wrong in ("0.2", True, 7.0, -1.0, math.inf, None, [0.2]):
        read = CLASSIFICATION.read(["a", "b"], {"valid": {"threshold": wrong, "temperature": wrong}})
        assert read.threshold is None
    assert CLASSIFICATION.read(["a", "b"], {"valid": 3}).threshold is None


def test_the_answer_comes_first() -> None:
    assert by_answer(np.array([0.7, 0.3]), 0.25) == [1, 0]
    assert by_answer(np.array([0.7, 0.3]), 0.35) == [0, 1]
    assert list(by_answer(np.array([0.2, 0.3, 0.5]), None)) == [2, 1, 0]


def test_a_threshold_is_for_two_classes() -> None:
    text = (
        'ftr 1\ndata {\n  train = folder("p")\n  threshold = best(valid.f1)\n}\n'
        'stage "head" {\n  train = head\n  for = 1 epoch\n}\n'
    )
    recipe = check(parse(Source("r.ftr", text)), VOCABULARY)
    listing = Listing(tuple(Sample(str(n), n % 3, None) for n in range(9)), ("a", "b", "c"))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="for two classes, and there are 3"):
        data_facts({"train": listing}, recipe)
    two = Listing(tuple(Sample(str(n), n % 2, None) for n in range(9)), ("a", "b"))  # type: ignore[arg-type]
    assert data_facts({"train": two}, recipe).target.tuned == "f1"  # type: ignore[attr-defined]
    assert plan_of(text, data=class_facts(("a", "b"), {"train": (50, 50)})).data.target.names == ("a", "b")
