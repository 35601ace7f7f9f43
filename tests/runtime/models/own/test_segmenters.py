"""GluonCV's segmenters as bases: the zoo's own scores, its weights, and the same gradients each time."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recipe_lang.problem import RecipeError
from runtime.backend.mx import autograd, gluoncv, mx, nd
from runtime.models.catalog import OTHER_TASK, OWN
from runtime.models.heads import head_block
from runtime.models.network import Model, build_model, start_weights
from runtime.models.own import network
from runtime.models.own.resizing import resized
from runtime.plan.size import Size
from runtime.plan.types import Component

SIZE = Size(64, 96)


def model(path: Path | None, classes: int, head: str = "new") -> Model:
    weights = None if path is None else Component("gluon_params", {"file": path, "sha256": None, "head": head})
    base = Component("gluoncv", {"name": "fastscnn_citys", "weights": weights})
    layers = [Component("own", {"outputs": "classes"})]
    found = build_model(base, layers, SIZE, partial(head_block, outputs={"classes": classes}))
    start_weights(found, base, 0, mx.cpu())
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A file of the zoo's network, and the scores that it gives of one image."""
    net = gluoncv().model_zoo.get_model("fastscnn_citys", pretrained_base=False, height=64, width=96)
    net.initialize(mx.init.Xavier(), force_reinit=True)
    scores = net(image())[0].asnumpy()
    path = tmp_path_factory.mktemp("zoo") / "fastscnn.params"
    net.save_parameters(str(path))
    return path, scores


def image() -> object:
    return nd.array(np.random.default_rng(0).uniform(-1, 1, (2, 3, *SIZE)))


def test_the_scores_are_those_of_the_zoo(file: tuple[Path, np.ndarray]) -> None:
    path, scores = file
    np.testing.assert_allclose(model(path, 19, "kept").net(image()).asnumpy(), scores, atol=1e-5 * abs(scores).max())


def test_with_other_classes_only_the_last_layer_is_new(file: tuple[Path, np.ndarray]) -> None:
    ours, others = model(file[0], 3).arrays(), model(file[0], 19, "kept").arrays()
    differ = {name for name in ours if ours[name].shape != others[name].shape or (ours[name] != others[name]).any()}
    assert differ == {"head.scores.conv.weight", "head.scores.conv.bias"}
    with pytest.raises(RecipeError, match=re.escape("its `classifier.conv.weight` is of 19 outputs, not 3")):
        model(file[0], 3, "kept")


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (12, 8)])
def test_the_resize_is_that_of_mxnet(shape: tuple[int, int]) -> None:
    value, weights = nd.random.uniform(-1, 1, (2, 3, *shape)), nd.random.uniform(-1, 1, (2, 3, 24, 32))
    found = []
    for resize in (partial(resized, nd), nd.contrib.BilinearResize2D):
        value.attach_grad()
        with autograd.record():
            out = resize(value, height=24, width=32)
        out.backward(weights)
        found.append((out.asnumpy(), value.grad.asnumpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_each_name_is_one_of_the_zoo_and_has_a_family() -> None:
    assert set(OWN) <= set(gluoncv().model_zoo.get_model_list())
    assert all(re.search(OTHER_TASK, name) for name in OWN)
    assert {row.family for row in OWN.values()} == network.FAMILIES.keys()
