"""Weights of images in training: gradients against formulas, scikit-learn, and what a run makes of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from recipe_lang.problem import RecipeError
from runtime.backend.mx import gluon, mx, nd, nn
from runtime.data.listing import Sample
from runtime.data.sample_weights import WeightedTargets, weight_scale, weighted
from runtime.data.transforms.mixed import MixedTargets
from runtime.plan.types import Component
from runtime.tasks.catalog import TASKS
from runtime.training.settings import RunSettings
from runtime.training.stage import training_step
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

RANDOM = np.random.default_rng(4)
ROWS = RANDOM.normal(size=(6, 5)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1, 0, 2], np.int32)
WEIGHTS = np.array([0, 0.5, 1, 2, 2.5, 0], np.float32)


def gradient(
    task: str, loss: Component, targets: Any, steps: int = 1, rate: float = 1.0, rows: Any = ROWS
) -> tuple[Any, float]:
    """Return minus the change of a layer without a bias after steps of SGD at a rate, and the last loss."""
    layer = nn.Dense(3, use_bias=False)
    layer.initialize(mx.init.Zero())
    layer(nd.array(rows))
    update = gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": rate})
    stage: Any = SimpleNamespace(
        **{"loss": loss, "position": 0, "sam": 0, "l1": 0, "l2_sp": 0, "clip": None, "recovery": None, "steps": steps},
        **{"optimizer": Component("sgd", {"lr": rate}), "schedule": Component("constant", {}), "warmup": 0},
        steps_per_epoch=steps,
    )
    session: Any = SimpleNamespace(task=TASKS[task], context=mx.cpu(), state=SimpleNamespace(rollbacks=0, plateau=None))
    net: Any = SimpleNamespace(
        suffix=layer, trained={"w": layer.weight}, began_with={}, has_dropout=False, sharded=None, update=update
    )
    step, lost = training_step(session, stage, net), None
    for number in range(steps):
        lost, _ = step([((nd.array(rows),), targets)], number)
    assert lost is not None
    return -layer.weight.data().asnumpy(), float(lost.asscalar())


def softmax_gradient(weights: np.ndarray, labels: np.ndarray = LABELS) -> np.ndarray:
    """Return the gradient of mean of w * cross entropy at zero weights: all probabilities are a third."""
    errors = 1 / 3 - np.eye(3)[labels]
    return np.asarray((weights[:, None] * errors).T @ ROWS / len(ROWS))


def test_a_loss_is_the_mean_of_the_weighted_losses() -> None:
    found, loss = gradient("classification", Component("cross_entropy", {}), WeightedTargets(LABELS, WEIGHTS))
    np.testing.assert_allclose(found, softmax_gradient(WEIGHTS), atol=1e-5)
    assert loss == pytest.approx(np.log(3) * WEIGHTS.mean(), rel=1e-5)


def test_weights_of_images_multiply_those_of_classes() -> None:
    of_classes = (3.0, 1.0, 0.5)
    loss = Component("cross_entropy", {"weights": of_classes})
    found, _ = gradient("classification", loss, WeightedTargets(LABELS, WEIGHTS))
    np.testing.assert_allclose(found, softmax_gradient(WEIGHTS * np.array(of_classes)[LABELS]), atol=1e-5)


def test_images_that_are_mixed_keep_each_its_weight() -> None:
    targets, order = WeightedTargets(LABELS, WEIGHTS), np.array([3, 2, 0, 1, 5, 4])
    found, _ = gradient("classification", Component("cross_entropy", {}), MixedTargets(targets, targets[order], 0.7))
    expected = 0.7 * softmax_gradient(WEIGHTS) + 0.3 * softmax_gradient(WEIGHTS[order], LABELS[order])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_numbers_and_labels_have_weights_too() -> None:
    numbers = RANDOM.normal(size=(6, 3)).astype(np.float32)
    found, _ = gradient("regression", Component("l2", {}), WeightedTargets(numbers, WEIGHTS))
    np.testing.assert_allclose(found, (WEIGHTS[:, None] * -numbers / 3).T @ ROWS / 6, atol=1e-5)
    labels = (numbers > 0).astype(np.float32)
    loss = Component("binary_cross_entropy", {"label_smoothing": 0.0, "positive_weight": None})
    found, _ = gradient("multi_label", loss, WeightedTargets(labels, WEIGHTS))
    np.testing.assert_allclose(found, (WEIGHTS[:, None] * (0.5 - labels) / 3).T @ ROWS / 6, atol=1e-5)


def test_what_is_reached_is_what_scikit_learn_reaches() -> None:
    rows = RANDOM.normal(size=(90, 2)).astype(np.float32)
    labels = (rows @ np.array([[1, 0, -1], [0, 1, 0]]) + RANDOM.normal(size=(90, 3)) * 2).argmax(axis=1)
    weights = RANDOM.choice([0, 0.3, 1, 4], 90).astype(np.float32)
    theirs = LogisticRegression(fit_intercept=False, C=1e7, tol=1e-8).fit(rows, labels, sample_weight=weights)
    targets = WeightedTargets(labels.astype(np.int32), weights / weights.mean())
    change, _ = gradient("classification", Component("cross_entropy", {}), targets, steps=400, rate=1.5, rows=rows)
    ours = -change
    np.testing.assert_allclose(ours - ours.mean(axis=0), theirs.coef_ - theirs.coef_.mean(axis=0), atol=2e-3)


def test_the_mean_weight_of_the_training_images_is_1() -> None:
    samples = [Sample(str(n), 0, Path(), weight) for n, weight in enumerate((0.0, 3.0, 1.0, 4.0))]
    scale = weight_scale(samples)
    found = weighted(LABELS[:4], [each.weight for each in samples], scale)
    assert isinstance(found, WeightedTargets)
    assert found.weights.tolist() == [0, 1.5, 0.5, 2]
    assert weighted(LABELS, [1.0] * 6, 1.0) is LABELS
    halves = weighted(LABELS, [1.0] * 6, 0.5)  # of a batch of equal weights, below those of others
    assert isinstance(halves, WeightedTargets)
    assert halves.weights.tolist() == [0.5] * 6


# --- runs --------------------------------------------------------------------------------------

HOLDOUT = "valid = holdout(25%)"
RECIPE = """ftr 1
data {{
  train = csv("{table}", image = "file", label = "kind"{more})
  size  = 32px
  batch = 6
  {data}
}}
base = gluoncv("cifar_resnet20_v1", weights = none)
stage "head" {{
  train = head
  for   = 2 epochs
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weighted")
    random = np.random.default_rng(1)
    rows = ["file,kind,w,two,none"]
    for number in range(24):
        Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).save(root / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},{0 if number % 3 else 1.5},2,0")
    (root / "rows.csv").write_text("\n".join(rows))
    swapped = [rows[0], *(row.translate(str.maketrans("ab", "ba")) if ",0,2," in row else row for row in rows[1:])]
    (root / "swapped.csv").write_text("\n".join(swapped))
    return root


def weights_of(
    folder: Path, name: str, more: str = "", data: str = "valid = holdout(25%)", table: str = "rows.csv"
) -> dict[str, bytes]:
    path = folder / f"{name}.ftr"
    path.write_text(RECIPE.format(more=more, data=data, table=table))
    found, _ = run(prepare(path), RunSettings(workers=0, cache="crop" not in data), folder / name)
    return {key: np.asarray(value).tobytes() for key, value in read_params(found / "model.params").items()}


def test_equal_weights_change_no_bit_and_others_do(folder: Path) -> None:
    plain = weights_of(folder, "plain")
    assert weights_of(folder, "two", ', weights = "two"') == plain
    assert weights_of(folder, "own", ', weights = "w"') != plain
    note = prepare(folder / "own.ftr").notes
    assert note == ("train: weights from 0 to 3.6 times their mean; 13 images of weight 0",)


def test_images_of_weight_0_teach_nothing(folder: Path) -> None:
    given = 'valid = csv("rows.csv", image = "file", label = "kind")\n  augment = [flip]'
    found = [weights_of(folder, name, ', weights = "w"', given, f"{name}.csv") for name in ("rows", "swapped")]
    assert found[0] == found[1]
    assert found[0] != weights_of(folder, "all", "", given)


def test_only_training_images_have_weights(folder: Path) -> None:
    (folder / "own.ftr").write_text(
        RECIPE.format(more=', weights = "w"', data="valid = holdout(25%)", table="rows.csv")
    )
    listings = prepare(folder / "own.ftr").listings
    assert all(sample.weight == 1 for sample in listings["valid"].samples)
    assert {sample.weight for sample in listings["train"].samples} == {0, 1.5}


@pytest.mark.parametrize(
    ("column", "code"), [("none", "E588"), ("kind", "E509"), ("wage", "E507")], ids=["all 0", "text", "not there"]
)
def test_columns_that_cannot_be_weights(folder: Path, column: str, code: str) -> None:
    path = folder / "wrong.ftr"
    path.write_text(RECIPE.format(more=f', weights = "{column}"', data=HOLDOUT, table="rows.csv"))
    with pytest.raises(RecipeError) as caught:
        prepare(path)
    assert [problem.code for problem in caught.value.problems][:1] == [code]
    assert caught.value.problems[0].span is not None
