"""Distillation's loss against PyTorch's, recorded, and where its temperature and weight have no end."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from paths import TESTS

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.backend.blocks import LossBlock
from runtime.backend.mx import array, autograd
from runtime.plan.types import Component
from runtime.tasks.catalog import TASKS
from runtime.vocabulary import VOCABULARY

RECORDED = json.loads((TESTS / "fixtures" / "distillation.json").read_text())
INNER = {
    "classification": Component("cross_entropy", {"label_smoothing": 0.1}),
    "multi_label": Component("binary_cross_entropy", {"label_smoothing": 0.0, "positive_weight": None}),
}
KINDS = {"classification": "classes", "multi_label": "labels"}


def _row(task: str) -> Any:
    return next(each for each in TASKS[task].losses if each.entry.name == "distillation")


def _args(task: str, temperature: float, weight: float) -> dict[str, Any]:
    return {"loss": INNER[task], "temperature": temperature, "weight": weight}


def _loss(task: str, temperature: float, weight: float, scores: Any, said: Any) -> tuple[float, Any]:
    """Return the mean loss and its gradient, by the functions that training calls."""
    row, args = _row(task), _args(task, temperature, weight)
    blocks = LossBlock(row.build(args)), LossBlock(row.taught(args))
    for block in blocks:
        block.hybridize()
    ours = array(np.array(scores, np.float32))
    ours.attach_grad()
    with autograd.record():
        targets = blocks[0](ours, array(np.array(RECORDED[KINDS[task]], np.float32)))
        loss = (targets + blocks[1](ours, array(np.array(said, np.float32)))).mean()
    loss.backward()
    return float(loss.asscalar()), ours.grad.asnumpy()


@pytest.mark.parametrize("task", KINDS)
def test_the_loss_and_its_gradient_are_pytorchs(task: str) -> None:
    for case in RECORDED["cases"]:
        loss, gradient = _loss(task, case["temperature"], case["weight"], RECORDED["scores"], RECORDED["said"])
        expected = case[KINDS[task]]
        rounding = 1e-6 * max(1.0, case["temperature"] ** 2)  # of single precision, times the square
        assert loss == pytest.approx(expected["loss"], rel=1e-5, abs=rounding), case
        np.testing.assert_allclose(gradient, expected["gradient"], rtol=1e-4, atol=rounding)


@pytest.mark.parametrize("task", KINDS)
def test_a_network_that_says_what_its_teacher_says_learns_nothing_from_it(task: str) -> None:
    loss, gradient = _loss(task, 3.0, 1.0, RECORDED["said"], RECORDED["said"])
    assert loss == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=5e-6)


def test_at_a_high_temperature_it_is_the_distance_of_the_scores() -> None:
    """Hinton et al., section 2.1: of centred scores, the gradient is that of the squares of their differences."""
    scores, said = (np.array(RECORDED[name]) for name in ("scores", "said"))
    loss, _ = _loss("classification", 100.0, 1.0, scores, said)
    apart = (said - said.mean(1, keepdims=True)) - (scores - scores.mean(1, keepdims=True))
    assert loss == pytest.approx((apart**2).mean() / 2, rel=0.05)
    loss, _ = _loss("multi_label", 100.0, 1.0, scores, said)  # p (1 - p) is a quarter
    assert loss == pytest.approx(((said - scores) ** 2).mean() / 8, rel=0.01)


def test_at_a_low_temperature_the_teacher_says_one_class() -> None:
    """The loss is then T times how far its class lies below the best."""
    said = np.array(RECORDED["said"])
    scores, temperature = np.array(RECORDED["scores"]), 0.02
    best = np.argmax(said, axis=1)
    below = scores.max(axis=1) - scores[np.arange(len(scores)), best]
    loss, _ = _loss("classification", temperature, 1.0, scores, said)
    assert loss == pytest.approx(temperature * below.mean(), rel=0.01)


def test_scores_of_any_size_have_a_finite_loss() -> None:
    far = [[300.0, -300.0, 0.0, 0.0, 0.0]] * 6
    for task in KINDS:
        loss, gradient = _loss(task, 1.0, 0.5, far, [row[::-1] for row in far])
        assert math.isfinite(loss)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("task", KINDS)
def test_validation_measures_the_loss_of_the_targets_alone(task: str) -> None:
    scores, targets = np.array(RECORDED["scores"], np.float32), np.array(RECORDED[KINDS[task]], np.int64)
    args = _args(task, 4.0, 0.9)
    inner = next(each for each in TASKS[task].losses if each.entry.name == INNER[task].name)
    found = _row(task).measure(args, scores, targets)
    np.testing.assert_array_equal(found, inner.measure(INNER[task].args, scores, targets))


def _errors(*top: str, loss: str = "", task: str = "") -> list[str]:
    source = {"detection": 'voc("photos")', "regression": "solar_cells(probability)"}.get(task, 'folder("photos")')
    stage = f'stage "head" {{\n  train = head\n  for = 3 epochs\n{loss}\n}}\n'
    text = "\n".join(["ftr 1", *([f"task = {task}"] if task else []), *top, f"data {{\n  train = {source}\n}}", stage])
    try:
        check(parse(Source("recipe.ftr", text)), VOCABULARY)
    except RecipeError as error:
        return [f"{problem.code} {problem.help()}" for problem in error.problems]
    return []


TEACHER = 'teacher = run("runs/big-3")'


def test_a_teacher_and_a_loss_that_asks_it_belong_together() -> None:
    assert not _errors(TEACHER, "loss = distillation")
    assert not _errors(TEACHER, loss="loss = distillation(focal, temperature = 2)")
    (found,) = _errors(TEACHER)
    assert found.startswith("E460 write `loss = distillation(cross_entropy)`")
    (found,) = _errors(TEACHER, task="regression")
    assert found == "E460 leave it out; it is for `classification` or `multi_label`"
    assert [each[:4] for each in _errors(TEACHER, "loss = distillation", loss="loss = focal")] == ["E460"]
    assert [each[:4] for each in _errors(loss="loss = distillation")] == ["E461"]
    assert [each[:4] for each in _errors(TEACHER, "loss = distillation(distillation)")] == ["E462"]


def test_tasks_without_soft_targets_have_no_distillation() -> None:
    for task in ("detection", "regression"):
        (found,) = _errors("loss = distillation", task=task)
        assert found.startswith("E212"), found


def test_the_loss_inside_is_that_of_the_task() -> None:
    text = (
        f"ftr 1\ntask = multi_label\n{TEACHER}\nloss = distillation\n"
        'data {\n  train = csv("t.csv", image = "file", labels = "tags")\n}\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}\n'
    )
    recipe = check(parse(Source("recipe.ftr", text)), VOCABULARY)
    assert recipe["loss"]["loss"].name == "binary_cross_entropy"
