"""A base of timm from its recipe to its exported files: every command that a base goes through."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import killing
import numpy as np
import pytest
from command import Ftr
from toy import CLASSES, trained, write_recipe

from runtime.backend.mx import gluon, mx, nd
from runtime.data.images import open_rgb

BASE = 'timm("mobilenetv4_conv_small.e2400_r224_in1k", weights = none)'
STAGES = """
stage "head" {
  train     = head
  for       = 2 epochs
  optimizer = adam(lr = 1e-2)
}
stage "top" {
  train     = base.block4 .. head
  for       = 4 steps
  lr_scale  = layer_decay(0.5)
  norm      = frozen
}
"""


@pytest.fixture(scope="module")
def recipe(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("timm") / "toy.ftr", photos, STAGES, base=BASE)


@pytest.fixture(scope="module")
def run(recipe: Path) -> Path:
    """The folder of a run in a process of its own."""
    killing.points(recipe, recipe.parent / "run", interval="2 steps")
    return recipe.parent / "run"


@pytest.mark.long  # `runs/test_resume.py` resumes runs of another network, layer by layer in the same way
def test_a_run_that_is_resumed_has_the_same_bits(recipe: Path, run: Path, tmp_path: Path) -> None:
    killed = [killing.start(recipe, tmp_path / "run", interval="2 steps", kill_at=at) for at in (70, 70)]
    assert killed == [-signal.SIGKILL] * 2
    assert killing.start(recipe, tmp_path / "run", interval="2 steps") == 0
    assert (tmp_path / "run/model.params").read_bytes() == (run / "model.params").read_bytes()


def test_features_are_computed_once(recipe: Path, tmp_path: Path) -> None:
    first, computed = trained(recipe, tmp_path / "1")
    # Training and validation images; what the second stage begins with is kept on the way. At the end the test images.
    assert computed == [(0, 72), (0, 24), (1, 24)]
    again, found = trained(recipe, tmp_path / "2")
    assert again == first
    assert found == []


def test_it_is_checked_planned_and_verified(ftr: Ftr, recipe: Path, run: Path) -> None:
    assert ftr("check", recipe).code == 0
    plan = json.loads(ftr("plan", recipe, "--json").out)
    # timm evaluates these weights on 0.875 of the shorter side.
    assert [(step["name"], step["args"]["size"]) for step in plan["data"]["prepare"]] == [
        ("resize", 36),
        ("center_crop", 32),
    ]
    scales = {part["name"]: part["lr_scale"] for part in plan["stages"][1]["parts"] if part["trained"]}
    assert scales == {"base.block4": 0.25, "base.block5": 0.5, "head": 1.0}
    code, out, err = ftr("verify", run)
    assert (code, "identical" in out) == (0, True), out + err


def test_it_is_packed_evaluated_and_predicts(ftr: Ftr, run: Path, photos: Path, tmp_path: Path) -> None:
    pack = tmp_path / "toy.ftrpack"
    assert ftr("pack", run, "--out", pack).code == 0
    reports = [json.loads(ftr("evaluate", each, "--json", "--data", photos / "test").out) for each in (run, pack)]
    assert reports[0]["accuracy"] == reports[1]["accuracy"]
    images = [photos / "test" / name / "0.jpg" for name in CLASSES]
    found = [json.loads(ftr("predict", each, *images, "--json").out) for each in (run, pack)]
    assert [each["classes"] for each in found[0]] == [each["classes"] for each in found[1]]


@pytest.mark.filterwarnings("ignore:Cannot decide type")  # MXNet says so of each symbol that it imports
def test_its_export_runs_without_ftr(ftr: Ftr, run: Path, photos: Path, tmp_path: Path) -> None:
    code, out, err = ftr("export", run, "--out", tmp_path / "net")
    assert (code, err) == (0, "")
    assert "resize(size = 36), center_crop(size = 32)" in out
    prefix = str(tmp_path / "net")
    net = gluon.SymbolBlock.imports(f"{prefix}-symbol.json", ["data"], f"{prefix}-0000.params", ctx=mx.cpu())
    image = photos / "test/red/0.jpg"  # 40 x 36
    pixels = np.asarray(open_rgb(image).crop((4, 2, 36, 34)), np.float32) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    found = nd.softmax(net(nd.array(((pixels - mean) / std).transpose(2, 0, 1)[None]))).asnumpy()[0]
    (predicted,) = json.loads(ftr("predict", run, image, "--json").out)
    assert {each["name"]: pytest.approx(each["probability"], abs=1e-4) for each in predicted["classes"]} == dict(
        zip(CLASSES, found.tolist(), strict=True)
    )
