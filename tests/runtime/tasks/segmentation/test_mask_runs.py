"""Runs of masks: killed and gone on, with kept maps and without, packed, at oblong sizes; the made scenes."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import killing
import numpy as np
import pytest
from command import Ftr
from paths import ROOT
from PIL import Image

from runtime.data.sources.scenes import scenes
from runtime.runs.prediction import predict
from runtime.runs.trained import load
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

RECIPE = """ftr 1
task = segmentation
seed = 1
data {
  train = scenes(train)
  take = 24 images
  test = holdout(20%)
  size = [96px, 64px]
  batch = 4
  augment = [flip(horizontal)]  # allow: W725
}
head = [fpn(channels = 16, finest = stride8)]
loss = pixel_cross_entropy(weights = sqrt, dice = 1)
stage "head" {
  train = head
  for = 2 epochs
  optimizer = adam(lr = 5e-3)
}
stage "top" {
  train = base.block7 .. head
  for = 1 epoch
  norm = frozen
  keep = last
  optimizer = adam(lr = 1e-3)
}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("masks") / "scenes.ftr"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path) -> tuple[Path, dict[str, Any]]:
    return run(prepare(recipe), RunSettings(workers=0), recipe.parent / "run")


def test_weights_are_the_same_with_kept_maps_and_without(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    other, _ = run(prepare(trained[0].parent / "scenes.ftr"), RunSettings(workers=0, cache=False), tmp_path / "run")
    assert (other / "model.params").read_bytes() == (trained[0] / "model.params").read_bytes()


@pytest.mark.long  # as that of `test_detection.py`
def test_a_killed_run_goes_on_to_the_same_weights(recipe: Path, tmp_path: Path) -> None:
    assert killing.start(recipe, tmp_path / "whole", interval="1 step") == 0
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", kill_at=25) == -signal.SIGKILL
    assert killing.start(recipe, tmp_path / "cut", interval="1 step") == 0
    whole, cut = ((tmp_path / name / "model.params").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_a_pack_says_the_same_elsewhere_and_a_lock_verifies(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path, ftr: Ftr
) -> None:
    folder, result = trained
    assert len(result["shares"]) == 5
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
    pack, image = tmp_path / "scenes.ftrpack", tmp_path / "0.png"
    Image.fromarray(scenes("test").samples[0].image).save(image)
    assert ftr("pack", folder, "-o", pack).code == 0
    assert ftr("predict", pack, image, "--json").out == ftr("predict", folder, image, "--json").out
    assert ftr("unpack", pack, "-o", tmp_path / "again").code == 0
    found = [json.loads(ftr("evaluate", place, "--json").out) for place in (folder, pack)]
    assert found[0]["miou"] == found[1]["miou"] == pytest.approx(result["test"]["miou"], abs=1e-6)


def test_height_comes_first_and_a_prediction_has_any_size(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from runtime.backend.mx import mx

    plan = json.loads((trained[0] / "plan.json").read_text())
    assert plan["data"]["size"] == [96, 64]
    weights = plan["stages"][0]["loss"]["args"]["weights"]
    assert len(weights) == 5
    assert weights[0] == min(weights)
    image = tmp_path / "0.png"
    Image.new("RGB", (120, 50)).save(image)
    (found,) = predict(load(trained[0]), [image], mx.cpu())
    assert found.classes.shape == (96, 64)
    assert found.at((50, 120)).shape == (50, 120)


def test_predicted_masks_are_files_at_the_size_of_the_image(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path, ftr: Ftr
) -> None:
    image = tmp_path / "0.png"
    Image.fromarray(scenes("test").samples[0].image).resize((200, 100)).save(image)
    assert ftr("predict", trained[0], image, "--masks", tmp_path / "masks").code == 0
    with Image.open(tmp_path / "masks" / "0.png") as mask:
        assert (mask.mode, mask.size) == ("P", (200, 100))
        shares = np.bincount(np.asarray(mask).ravel(), minlength=5) / 20_000
    (row,) = json.loads(ftr("predict", trained[0], image, "--json").out)
    for each in row["classes"]:
        assert shares[("background", *"0123").index(each["class"])] == pytest.approx(each["share"], abs=0.02)
    again = ftr("predict", trained[0], image, "--masks", tmp_path / "masks")
    assert "new or empty folder" in again.err


def test_the_masks_of_scenes_show_the_ink_of_their_boxes() -> None:
    boxes, masks = (scenes("test", with_masks=each) for each in (False, True))
    assert masks.names == ("background", *boxes.names)
    for one, other in zip(boxes.samples[:20], masks.samples[:20], strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        classes = other.target.stored()
        assert set(np.unique(classes)) - {0} == {label + 1 for label in one.target.classes.tolist()}
        inside = np.zeros(classes.shape, bool)
        for x0, y0, x1, y1 in one.target.corners.astype(int).tolist():
            inside[y0:y1, x0:x1] = True
        assert not classes[~inside].any()


@pytest.mark.long  # `test_segmentation.py` learns masks of its own
def test_the_recipe_of_scenes_keeps_its_promise_in_fewer_epochs(tmp_path: Path) -> None:
    shutil.copy(ROOT / "recipes" / "scenes-masks.ftr", tmp_path)
    less = 'stage "head" {\n  for = 7 epochs\n  monitor = none\n}\n'
    (tmp_path / "less.ftr").write_text(f'ftr 1\nextends "scenes-masks.ftr"\n{less}')
    _, result = run(prepare(tmp_path / "less.ftr"), RunSettings(), tmp_path / "run")
    assert [claim["holds"] for claim in result["expect"]] == [True]


def test_an_fcn_begins_without_an_opinion_and_learns(tmp_path: Path) -> None:
    path = tmp_path / "fcn.ftr"
    path.write_text(RECIPE.replace("fpn(channels = 16, finest = stride8)", "fcn").split('stage "top"')[0])
    folder, _ = run(prepare(path), RunSettings(workers=0), tmp_path / "run")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row.get("set") == "valid"]
    assert losses[-1] < losses[0]
