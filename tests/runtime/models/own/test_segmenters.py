"""GluonCV's segmenters as bases: the zoo's own scores, its weights, and the same gradients each time."""

from __future__ import annotations

import json
import re
import signal
from functools import partial
from pathlib import Path

import killing
import numpy as np
import pytest
from command import Ftr

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
RECIPE = """ftr 1
task = segmentation
base = gluoncv("fastscnn_citys", weights = none)
head = [own]
data {
  train = scenes(train)
  take = 5 images
  size = [96px, 64px]
  batch = 4
}
stage "head" {
  train = head
  for = 2 steps
  keep = last
  optimizer = sgd(lr = 0.1)
}
stage "top" {
  train = base.block2 .. head
  for = 2 steps
  keep = last
  optimizer = adam(lr = 1e-3)
}
"""


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
    np.testing.assert_allclose(model(path, 19, "kept").net(image()).asnumpy(), scores, atol=1e-6 * abs(scores).max())


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


def test_a_run_is_killed_goes_on_and_verifies(tmp_path: Path, ftr: Ftr) -> None:
    recipe = tmp_path / "street.ftr"
    recipe.write_text(RECIPE)
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", kill_at=40) == -signal.SIGKILL
    assert killing.start(recipe, tmp_path / "cut", interval="1 step") == 0
    assert ftr("run", recipe, "-o", tmp_path / "whole", "--quiet").code == 0
    files = [(tmp_path / name / "model.params").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]
    assert ftr("verify", tmp_path / "whole", "--quiet").out.startswith("identical")
    assert "miou" in json.loads(ftr("evaluate", tmp_path / "whole", "--on", "valid", "--json").out)
