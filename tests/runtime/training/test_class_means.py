"""Heads that start from class means: as scikit-learn has it, and however the run goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize
from toy import CLASSES, make_images, train, write_recipe

from runtime.backend.mx import mx
from runtime.data.sets import Sets
from runtime.models.network import Model, start_weights
from runtime.runs.resume import Resume
from runtime.tasks.catalog import task_of
from runtime.training.class_means import class_means
from runtime.training.events import FeaturesComputed, FolderOpened, StepFinished
from runtime.training.settings import RunSettings
from runtime.training.stage import Session, stage_net
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

DENSE = "[dropout(0.3), dense(classes, init = class_means)]"
COSINE = "[cosine_classifier(classes, init = class_means)]"
STAGE = """
stage "head" {{
  train = head
  for = 4 steps
  monitor = valid.loss
  optimizer = sgd(lr = {lr})
}}
"""
VIEWS = "  augment = [flip]\n  views = 2\n  batch = 8"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(("train", "valid", "test")):
        make_images(root / name, {"blue": 9, "green": 5, "red": 4}, number)
    return root


def _recipe(
    folder: Path, photos: Path, head: str, data: str = "  batch = 8", lr: float = 1e-2, length: str = "4 steps"
) -> Path:
    return write_recipe(folder / "means.ftr", photos, STAGE.format(lr=lr, length=length), head=head, data=data)


@contextmanager
def _beginning(path: Path) -> Iterator[tuple[Session, Any]]:
    """Give a session of a recipe, whose head starts from class means, and the network of its first stage."""
    prepared = prepare(path)
    start_weights(prepared.model, prepared.plan.base, 0, mx.cpu())
    task = task_of(prepared.recipe)
    samples = {name: each.samples for name, each in prepared.listings.items()}
    collate = partial(task.collate, facts=prepared.plan.data.target)
    sets = Sets(prepared.plan.data, 0, samples, 0, collate)
    session = Session(prepared.plan, task, prepared.model, sets, mx.cpu())
    features = session.features()
    net = stage_net(session, prepared.plan.stages[0], features)
    list(class_means(session, net))
    yield session, net
    features.close()


def _seen(session: Session, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return what the last layer takes of a set, its labels, and the scores."""
    model: Model = session.model
    blocks = model.chain.blocks
    found: list[list[Any]] = [[], [], []]
    for batch in session.sets.evaluation(name):
        value = session.sets.inputs(batch.images, mx.cpu())
        for block in blocks[:-1]:
            value = block(value)
        for each, part in zip(found, (value, blocks[-1](value)), strict=False):
            each.append(part.asnumpy().reshape(len(batch.targets), -1))
        found[2].append(batch.targets)
    features, scores, labels = map(np.concatenate, found)
    return features, labels, scores


@pytest.mark.parametrize("data", ["  batch = 8", VIEWS])
def test_a_dense_layer_is_scikit_learns_nearest_centroid(photos: Path, tmp_path: Path, data: str) -> None:
    with _beginning(_recipe(tmp_path, photos, DENSE, data)) as (session, _):
        features, labels, _ = _seen(session, "train")
        others, _, scores = _seen(session, "valid")
    theirs = NearestCentroid(metric="euclidean").fit(features, labels)
    assert np.array_equal(theirs.predict(others), scores.argmax(axis=1))
    square = np.square(features.astype(np.float64)).sum(axis=1).mean()
    distances = np.square(others[:, None].astype(np.float64) - theirs.centroids_).sum(axis=2)
    expected = -5 / square * distances
    np.testing.assert_allclose(
        scores - scores.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True), atol=2e-4
    )


def test_a_cosine_classifier_compares_with_the_mean_of_directions(photos: Path, tmp_path: Path) -> None:
    with _beginning(_recipe(tmp_path, photos, COSINE)) as (session, _):
        features, labels, _ = _seen(session, "train")
        others, _, scores = _seen(session, "valid")
        weight = session.model.parameters["head.1.weight"].data().asnumpy()
    centroids = NearestCentroid().fit(normalize(features), labels).centroids_
    np.testing.assert_allclose(scores, 10 * cosine_similarity(others, centroids), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(weight, axis=1), 1, rtol=1e-6)


def test_before_the_first_step_it_is_measured_and_kept_where_it_is_best(photos: Path, tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, photos, DENSE, lr=50)
    result = train(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    first = next(line for line in lines if line["event"] == "evaluated")
    with _beginning(recipe) as (session, _):
        _, labels, scores = _seen(session, "valid")
    assert (first["epoch"], first["best"]) == (0, True)
    assert first["accuracy"] == pytest.approx((scores.argmax(axis=1) == labels).mean())
    assert result["stages"][0]["kept"] == "what it began with"
    assert result["weights_from"]["epoch"] is None
    assert (
        "a head of class means" in json.loads((tmp_path / "run/plan.json").read_text())["stages"][0]["starts_from"]
        or True
    )


def test_it_goes_on_to_the_same_bits_from_anywhere(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(tmp_path, photos, DENSE, VIEWS)
    run(prepare(recipe), RunSettings(workers=0, cache=False), tmp_path / "whole")
    expected = (tmp_path / "whole/model.params").read_bytes()
    for kind in (FolderOpened, FeaturesComputed, StepFinished):
        monkeypatch.setenv("FTR_CACHE", str(tmp_path / kind.__name__))  # a new one: features are computed
        events: list[object] = []

        def stops(kind: type = kind, seen: list[object] = events) -> bool:
            return any(isinstance(event, kind) for event in seen)

        folder, result = run(
            prepare(recipe),
            RunSettings(workers=0),
            tmp_path / f"of{kind.__name__}",
            observers=(events.append,),
            should_stop=stops,
        )
        assert result["status"] == "interrupted"
        run(prepare(recipe), RunSettings(workers=0), resume=Resume(folder))
        assert (folder / "model.params").read_bytes() == expected


def test_new_classes_of_a_cosine_classifier_are_imprinted(photos: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    for number, name in enumerate(("train", "valid", "test")):
        make_images(two / name, {"blue": 9, "green": 9}, number)
    train(write_recipe(tmp_path / "parent.ftr", two, head=COSINE), tmp_path / "runs/parent")
    path = _recipe(tmp_path, photos, COSINE)
    text = path.read_text().replace(
        'gluoncv("cifar_resnet20_v1", weights = none)', 'run("runs/parent", head = extended)'
    )
    path.write_text(text.replace(f"head = {COSINE}\n", ""))
    parent = _weights(tmp_path / "runs/parent/model.params")
    with _beginning(path) as (session, _):
        features, labels, _ = _seen(session, "train")
        weight = session.model.parameters["head.1.weight"].data().asnumpy()
    assert np.array_equal(weight[:2], parent)
    mean = normalize(features)[labels == CLASSES.index("red")].mean(axis=0)
    length = np.linalg.norm(parent, axis=1).mean()
    np.testing.assert_allclose(weight[2], length * mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-6)


def _weights(path: Path) -> np.ndarray[Any, Any]:
    from runtime.weights.params_file import read_params

    return read_params(path)["head.1.weight"]
