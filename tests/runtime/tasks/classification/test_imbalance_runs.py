"""Runs on a set with a rare class: the same weights by any way, and what they keep."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import killing
import numpy as np
import pytest
from command import Ftr
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.backend.mx import mx
from runtime.runs.prediction import predict
from runtime.runs.trained import load
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

RECIPE = """ftr 1
seed = 1
data {
  train = folder("marks")
  test = holdout(20%)
  size = 32px
  batch = 8
  sampling = balanced
  augment = [flip(horizontal), flip(vertical)]
}
head = [dense(classes, bias = priors)]
stage "head" {
  train = head
  for = 2 epochs
  loss = focal(gamma = 1)
}
stage "more" {
  train = head
  for = 1 epoch
  sampling = none
  loss = logit_adjusted
}
"""


def draw_marks(folder: Path, **counts: int) -> None:
    """Write noise of 32 pixels a side, brighter for the second class."""
    random = np.random.default_rng(5)
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.normal(110 + 25 * label, 40, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imbalance") / "marks.ftr"
    draw_marks(path.parent / "marks", plain=40, rare=9)
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path) -> tuple[Path, dict[str, Any]]:
    return run(prepare(recipe), RunSettings(workers=0), recipe.parent / "run")


def test_weights_are_the_same_with_kept_features_and_without(
    trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    other, _ = run(prepare(trained[0].parent / "marks.ftr"), RunSettings(workers=0, cache=False), tmp_path / "run")
    assert (other / "model.params").read_bytes() == (trained[0] / "model.params").read_bytes()


def test_a_killed_run_goes_on_to_the_same_weights(recipe: Path, tmp_path: Path) -> None:
    assert killing.start(recipe, tmp_path / "whole", interval="1 step") == 0
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", kill_at=25) == -signal.SIGKILL
    assert killing.start(recipe, tmp_path / "cut", interval="1 step") == 0
    whole, cut = ((tmp_path / name / "model.params").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_validation_decides_and_all_that_answers_goes_by_it(recipe: Path, tmp_path: Path, ftr: Ftr) -> None:
    text = RECIPE.replace("  batch = 8", "  batch = 8\n  threshold = best(valid.f1)\n  calibrate = temperature")
    other = recipe.parent / "decided.ftr"
    other.write_text(text + "expect {\n  test.ece <= 90%\n}\n")
    folder, result = run(prepare(other), RunSettings(workers=0), tmp_path / "run")
    threshold, temperature = result["valid"]["threshold"], result["valid"]["temperature"]
    assert result["test"]["threshold"] == threshold
    assert result["expect"][0]["holds"]
    pack = tmp_path / "decided.ftrpack"
    assert ftr("pack", folder, "-o", pack).code == 0
    for place, options in ((folder, ()), (pack, ("--data-root", recipe.parent))):
        found = json.loads(ftr("evaluate", place, "--on", "valid", "--json", *options).out)
        assert (found["threshold"], found["temperature"]) == (threshold, temperature)
        assert found["f1"] == pytest.approx(result["valid"]["f1"])
    images = recipe.parent / "marks"
    predicted = json.loads(ftr("predict", folder, images, "--json").out)
    for each in predicted:
        chances = {row["name"]: row["probability"] for row in each["classes"]}
        assert each["classes"][0]["name"] == ("rare" if chances["rare"] >= threshold else "plain")
    assert predicted == json.loads(ftr("predict", pack, images, "--json").out)
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
    lock = (folder / "recipe.ftr.lock").read_text()
    assert f"threshold = {threshold!r}" in lock


def test_views_of_an_image_are_averaged(recipe: Path, tmp_path: Path, ftr: Ftr) -> None:
    other = recipe.parent / "views.ftr"
    other.write_text(RECIPE.replace("  batch = 8", "  batch = 8\n  tta = [flip, flip(vertical)]"))
    folder, result = run(prepare(other), RunSettings(workers=0), tmp_path / "run")
    found = json.loads(ftr("evaluate", folder, "--json", "--no-cache").out)
    assert found["loss"] == pytest.approx(result["test"]["loss"], abs=1e-6)

    loaded = load(folder)
    plain = replace(loaded, data=replace(loaded.data, tta=None))
    image = Image.open(recipe.parent / "marks" / "rare" / "0.png")
    turns = [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180]
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file, turn in zip(files, turns, strict=True):
        (image if turn is None else image.transpose(turn)).save(file)
    each = [dict(found.classes)["rare"] for found in predict(plain, files, mx.cpu())]  # type: ignore[attr-defined]
    together = [dict(found.classes)["rare"] for found in predict(loaded, files, mx.cpu())]  # type: ignore[attr-defined]
    assert max(each) - min(each) > 1e-4
    assert together == pytest.approx([np.mean(each)] * 4, abs=1e-5)


@pytest.mark.parametrize("task", ["segmentation", "regression", "detection"])
def test_what_is_not_averaged_is_refused(task: str) -> None:
    text = (
        f'ftr 1\ntask = {task}\ndata {{\n  train = folder("p")\n  tta = [flip]\n  size = 64px\n}}\n'
        'stage "head" {\n  train = head\n  for = 1 epoch\n}\n'
    )
    with pytest.raises(RecipeError) as error:
        check(parse(Source("r.ftr", text)), VOCABULARY)
    (problem,) = (each for each in error.value.problems if each.code == "E415")
    assert problem.message() == f"`tta` is for `task = classification`, not for `task = {task}`"


def test_its_lock_verifies(trained: tuple[Path, dict[str, Any]], ftr: Ftr) -> None:
    folder, result = trained
    assert result["shares"] == pytest.approx([24 / 29, 5 / 29])
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
