"""Stages that change inside: against the same epochs by hand, against stages that do not, and resumed in each phase."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumed import go_on, result_left, stopped

from runtime.data.sets import Sets
from runtime.tasks.catalog import TASKS
from runtime.training.settings import RunSettings
from runtime.training.stage import Session, stage_net, training_step
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import Prepared, prepare
from runtime.workflows.run import run
from tests.toy import CLASSES, make_images, metrics, write_recipe
from tests.toy import trained as run_whole

STAGE = """
stage "top" {{
  train     = base.block3 .. head
  for       = 4 epochs
  optimizer = sgd(lr = 1e-2, momentum = {momentum})
  monitor   = valid.accuracy
  {own}
}}
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, (name, counts) in enumerate({"train": (20, 10, 6), "valid": (3, 3, 3), "test": (1, 1, 1)}.items()):
        make_images(root / name, dict(zip(CLASSES, counts, strict=True)), seed)
    return root


def recipe_of(path: Path, photos: Path, own: str, data: str = "", momentum: float = 0.9) -> Path:
    return write_recipe(path, photos, STAGE.format(own=own, momentum=momentum), data=f"  batch = 8\n{data}")


def trained(folder: Path, recipe: Path) -> dict[str, Any]:
    run(prepare(recipe), RunSettings(workers=0), folder)
    return dict(read_params(folder / "model.params"))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def epochs_by_hand(prepared: Prepared, weights: Mapping[str, Any] | None, epochs: range) -> dict[str, Any]:
    """Train a stage that does not change in some epochs only, from weights or its beginning; return its weights."""
    from runtime.backend.device import device_context
    from runtime.models.network import start_weights

    plan, device = prepared.plan, device_context("cpu")
    start_weights(prepared.model, plan.base, plan.seed, device)
    if weights is not None:
        prepared.model.load(weights, "by hand")
    task = TASKS[plan.task]
    samples = {name: listing.samples for name, listing in prepared.listings.items()}
    sets = Sets(plan.data, plan.seed, samples, 0, partial(task.collate, facts=plan.data.target))
    session, (stage,) = Session(plan, task, prepared.model, sets, device), plan.stages
    features = session.features()
    net = stage_net(session, stage, features)
    step = training_step(session, stage, net)
    for epoch in epochs:
        list(net.inputs.fill_training(epoch))
        for number, parts in enumerate(net.inputs.training(epoch)):
            step(parts, epoch * stage.steps_per_epoch + number)
    features.close()
    return prepared.model.arrays()


PHASES = (
    (range(1), 32, "augment = [color_jitter(0.3), mixup]\n  loss = cross_entropy(label_smoothing = 0.1)"),
    (range(1, 3), 40, "augment = [color_jitter(0.3)]\n  views = 2\n  loss = cross_entropy(label_smoothing = 0.1)"),
    (range(3, 4), 40, "augment = [flip]\n  views = none\n  loss = focal\n  sampling = balanced"),
)


def test_phases_are_the_epochs_of_stages_that_do_not_change(photos: Path, tmp_path: Path) -> None:
    (_, _, first), (_, _, second), (_, _, third) = PHASES
    own = f"keep = last\n  size = 32px\n  {first}"
    own += f"\n  from 1 epoch {{\n  size = shared\n  {second}\n  }}\n  from 75% {{\n  {third}\n  }}"
    recipe = recipe_of(tmp_path / "r.ftr", photos, own, "  size = 40px", momentum=0)
    switched = trained(tmp_path / "run", recipe)
    weights = None
    for epochs, size, each in PHASES:
        hand = recipe_of(tmp_path / "hand.ftr", photos, each, f"  size = {size}px", momentum=0)
        weights = epochs_by_hand(prepare(hand), weights, epochs)
    assert weights is not None
    assert same(switched, weights)


def test_a_switch_that_changes_nothing_leaves_all_bits(photos: Path, tmp_path: Path) -> None:
    own = "augment = [flip, mixup]"
    nothing = "\n  from 1 epoch { }\n  from 75% {\n    augment = [flip, mixup]\n    size = 32px\n  }"
    plain = trained(tmp_path / "plain", recipe_of(tmp_path / "plain.ftr", photos, own))
    switched = trained(tmp_path / "switched", recipe_of(tmp_path / "switched.ftr", photos, own + nothing))
    assert same(plain, switched)
    assert metrics(tmp_path / "plain") == metrics(tmp_path / "switched")


SWITCHING = """keep = last
  augment   = [color_jitter(0.3), mixup]
  size      = 32px
  from 1 epoch {
    augment = [flip]
    views   = 2
    loss    = cross_entropy(label_smoothing = 0.1)
  }
  from 75% {
    size     = shared
    sampling = balanced
  }"""


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("whole")
    recipe = recipe_of(folder / "r.ftr", photos, SWITCHING, "  size = 40px")
    trained(folder / "run", recipe)
    return recipe, result_left(folder / "run")


@pytest.mark.parametrize(  # one in each phase; the checkpoint is of a step or two before
    "at", [pytest.param(3, marks=pytest.mark.long), 7, pytest.param(13, marks=pytest.mark.long)]
)
def test_a_run_that_is_dropped_resumes_in_each_phase(
    at: int, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    recipe, left = whole
    stopped(recipe, tmp_path / "run", at, stage=0)
    go_on(recipe, tmp_path / "run")
    assert result_left(tmp_path / "run") == left


def test_frozen_features_of_each_size_are_kept_apart(photos: Path, tmp_path: Path) -> None:
    own = "train = head\n  size = 32px\n  from 50% {\n    size = shared\n  }"
    recipe = recipe_of(tmp_path / "r.ftr", photos, "", "  size = 40px", momentum=0)
    recipe.write_text(recipe.read_text().replace("train     = base.block3 .. head", own))
    first, computed = run_whole(recipe, tmp_path / "first")
    again, from_disk = run_whole(recipe, tmp_path / "again")
    without, _ = run_whole(recipe, tmp_path / "none", cache=False)
    assert first == again == without
    assert [images for _, images in computed] == [36, 9, 36, 3]  # of 32px, validation, of 40px, test
    assert not from_disk
