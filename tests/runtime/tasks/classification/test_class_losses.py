"""The losses of class scores against formulas, written here once more, and what their arguments come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planned import plan_of
from sklearn.utils.class_weight import compute_class_weight

from recipe_lang.problem import RecipeError
from runtime.backend.blocks import LossBlock
from runtime.backend.mx import array, autograd
from runtime.data.class_weights import class_weights
from runtime.tasks.classification.losses import LOSSES
from runtime.tasks.classification.targets import ClassFacts

ROWS = {row.entry.name: row for row in LOSSES}
COUNTS = (40, 9, 1)
SHARES = tuple(count / 50 for count in COUNTS)
CASES: list[tuple[str, dict[str, Any]]] = [
    ("cross_entropy", {}),
    ("cross_entropy", {"weights": (0.5, 2.0, 7.0)}),
    ("cross_entropy", {"weights": (0.5, 2.0, 7.0), "label_smoothing": 0.2}),
    ("focal", {"gamma": 2.0}),
    ("focal", {"gamma": 0.5, "weights": (1.0, 1.0, 3.0)}),
    ("logit_adjusted", {"tau": 1.5, "shares": SHARES}),
]


def drawn(classes: int = 3) -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    return random.normal(size=(16, classes)).astype(np.float32), random.integers(0, classes, 16)


def expected(name: str, args: dict[str, Any], scores: Any, labels: Any, smoothing: float = 0.0) -> list[float]:
    found = []
    for row, label in zip(scores.astype(np.float64), labels, strict=True):
        if name == "logit_adjusted":
            row = row + args["tau"] * np.log(args["shares"])
        share = np.exp(row) / np.exp(row).sum()
        weights = np.array(args.get("weights", (1.0,) * len(row)))
        if name == "focal":
            found.append(-weights[label] * (1 - share[label]) ** args["gamma"] * np.log(share[label]))
            continue
        truth = np.full(len(row), smoothing / len(row))
        truth[label] += 1 - smoothing
        found.append(-(weights * truth * np.log(share)).sum())
    return found


@pytest.mark.parametrize(("name", "args"), CASES)
def test_losses_are_those_of_their_formulas(name: str, args: dict[str, Any]) -> None:
    scores, labels = drawn()
    block = LossBlock(ROWS[name].build(args))
    block.hybridize()
    found = block(array(scores), array(labels.astype(np.int32))).asnumpy()
    smoothing = args.get("label_smoothing", 0.0)
    np.testing.assert_allclose(found, expected(name, args, scores, labels, smoothing), rtol=1e-5, atol=1e-5)
    measured = ROWS[name].measure(args, scores, labels)
    np.testing.assert_allclose(measured, expected(name, args, scores, labels), rtol=1e-5, atol=1e-5)


def test_focal_of_two_classes_is_that_of_a_sigmoid() -> None:
    scores, labels = drawn(2)
    alpha, gamma = 0.25, 2.0
    found = ROWS["focal"].measure({"gamma": gamma, "weights": (1 - alpha, alpha)}, scores, labels)
    # torchvision.ops.sigmoid_focal_loss, of one output
    p = 1 / (1 + np.exp(-(scores[:, 1] - scores[:, 0]).astype(np.float64)))
    entropy = -(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    true = p * labels + (1 - p) * (1 - labels)
    weight = alpha * labels + (1 - alpha) * (1 - labels)
    np.testing.assert_allclose(found, weight * entropy * (1 - true) ** gamma, rtol=1e-5)


def test_focal_has_a_gradient_where_an_answer_is_sure() -> None:
    scores = array(np.array([[90.0, 0.0], [0.0, 90.0]], np.float32))
    scores.attach_grad()
    block = LossBlock(ROWS["focal"].build({"gamma": 0.5}))
    with autograd.record():
        loss = block(scores, array(np.zeros(2, np.int32)))
    loss.backward()
    assert np.isfinite(scores.grad.asnumpy()).all()
    assert scores.grad.asnumpy()[1, 0] < -0.9


def test_logit_adjustment_makes_a_rare_class_win_by_more() -> None:
    scores = np.zeros((1, 3), np.float32)
    losses = [ROWS["logit_adjusted"].measure({"tau": 1.0, "shares": SHARES}, scores, np.array([n])) for n in range(3)]
    np.testing.assert_allclose(np.concatenate(losses), -np.log(SHARES), rtol=1e-6)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = np.repeat(np.arange(3), COUNTS)
    reference = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = class_weights("balanced", "abc", SHARES)
    np.testing.assert_allclose(found, reference)
    roots = class_weights("sqrt", "abc", SHARES)
    assert roots is not None
    np.testing.assert_allclose(np.square(roots) / reference, np.square(roots[0]) / reference[0])
    assert np.dot(roots, SHARES) == pytest.approx(1)


def test_weights_by_name_leave_one_to_the_others() -> None:
    assert class_weights((("b", 3.0),), "abc", ()) == (1.0, 3.0, 1.0)
    assert class_weights((1.0, 2.0, 0.0), "abc", ()) == (1.0, 2.0, 0.0)
    assert class_weights(None, "abc", ()) is None


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ((("cta", 3.0),), "there is no class `cta`: did you mean `cat`?"),
        ((("cat", 3.0), ("cat", 2.0)), "`cat` has two weights"),
        ((1.0, 2.0, 3.0), "3 weights for 2 classes"),
        ((0.0, 0.0), "all weights are 0"),
    ],
)
def test_weights_of_other_classes_are_refused(weights: Any, reason: str) -> None:
    with pytest.raises(RecipeError, match="do not fit the classes") as error:
        class_weights(weights, ("cat", "dog"), ())
    assert reason in error.value.problems[0].message()


RECIPE = (
    'ftr 1\ndata {{\n  train = folder("p")\n}}\nloss = {loss}\nstage "head" {{\n  train = head\n  for = 1 epoch\n}}\n'
)


def test_a_recipe_says_where_its_weights_are_wrong() -> None:
    with pytest.raises(RecipeError) as error:
        plan_of(RECIPE.format(loss='cross_entropy(weights = { "cow" = 2 })'))
    (problem,) = error.value.problems
    assert problem.span is not None
    assert problem.span.text.startswith("cross_entropy")
    assert "`cat`, `dog`" in problem.help()


def test_a_plan_has_the_weights_as_numbers() -> None:
    loss = plan_of(RECIPE.format(loss='cross_entropy(weights = { "dog" = 2 })')).stages[0].loss
    assert loss.args["weights"] == (1.0, 2.0)
    assert "weights" not in plan_of(RECIPE.format(loss="cross_entropy")).stages[0].loss.args


def test_facts_keep_the_shares_for_what_is_loaded() -> None:
    facts = ClassFacts(("a", "b", "c"), {"train": COUNTS})
    row = ROWS["cross_entropy"]
    known = row.known({"weights": "balanced"}, facts, None)  # type: ignore[arg-type]
    assert known.in_result() == {"classes": ["a", "b", "c"], "shares": list(SHARES)}
    assert row.settled({"weights": "balanced"}, known)["weights"] == pytest.approx((50 / 120, 50 / 27, 50 / 3))
    assert row.known({"weights": None}, facts, None) is facts  # type: ignore[arg-type]
    assert "shares" not in facts.in_result()
