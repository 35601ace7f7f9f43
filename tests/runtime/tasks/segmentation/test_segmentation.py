"""Segmentation at the public edge: masks of every kind, a run, its bits, its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from runtime.data.images import ImageError
from runtime.data.masks import IGNORED, Mask
from runtime.data.transforms.changes import Crop, Mirror, Pad, Resize
from runtime.plan.size import Size
from runtime.tasks.segmentation.losses import LOSSES
from runtime.tasks.segmentation.metrics import MaskEvaluator
from runtime.tasks.segmentation.network import at_cells, best_classes
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

RECIPE = """ftr 1
task = segmentation
data {
  train = masks("images", "masks", classes = ["ground", "disc"])
  test = holdout(20%)
  size = 64px
  batch = 4
  augment = [flip(horizontal)]
}
head = [fpn(channels = 16)]
defaults {
  optimizer = adam(lr = 1e-2)
  monitor = valid.miou
}
stage "head" {
  train = head
  for = 12 epochs
}
stage "top" {
  train = base.block6 .. head
  for = 1 epoch
  norm = frozen
  optimizer = adam(lr = 1e-3)
  lr_scale = layer_decay(0.5)
}
expect {
  test.miou >= 60%
}
"""


def scene(number: int, side: int = 80) -> tuple[Image.Image, Image.Image]:
    """Return a grey picture with a bright disc, and its mask."""
    rng = np.random.default_rng(number)
    x, y = rng.uniform(20, side - 20, 2)
    radius = rng.uniform(10, 18)
    far = np.hypot(np.arange(side) - x, np.arange(side)[:, None] - y)
    disc = far < radius
    grey = rng.normal(90, 10, (side, side)) + 110 * disc
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)), Image.fromarray(disc.astype(np.uint8))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for number in range(30):
        image, mask = scene(number)
        image.save(root / "images" / f"{number:02}.png")
        mask.save(root / "masks" / f"{number:02}_mask.png")
    (root / "discs.ftr").write_text(RECIPE)
    return root


@pytest.fixture(scope="module")
def trained(scenes: Path) -> tuple[Path, dict[str, Any]]:
    return run(prepare(scenes / "discs.ftr"), RunSettings(workers=0), scenes / "run")


def test_a_run_learns_masks(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, result = trained
    assert result["test"]["miou"] > 0.6
    assert json.loads((folder / "classes.json").read_text()) == ["ground", "disc"]
    plan = json.loads((folder / "plan.json").read_text())
    assert [step["name"] for step in plan["data"]["prepare"]] == ["stretch"]


@pytest.mark.long  # `test_mask_runs.py` verifies a run of fewer steps
def test_it_comes_out_again_bit_for_bit(trained: tuple[Path, dict[str, Any]], scenes: Path, ftr: Ftr) -> None:
    found = ftr("verify", trained[0], "--quiet")
    assert found.code == 0, found.err
    assert "identical" in found.out


def test_another_mask_is_another_set(trained: tuple[Path, dict[str, Any]], scenes: Path, ftr: Ftr) -> None:
    path = scenes / "masks" / "07_mask.png"
    before = path.read_bytes()
    Image.fromarray(np.zeros((80, 80), np.uint8)).save(path)
    try:
        found = ftr("verify", trained[0], "--quiet")
    finally:
        path.write_bytes(before)
    assert found.code == 1, found.err
    assert "E561" in found.err


def test_evaluate_predict_and_draw(
    trained: tuple[Path, dict[str, Any]], scenes: Path, tmp_path: Path, ftr: Ftr
) -> None:
    folder, result = trained
    found = json.loads(ftr("evaluate", folder, "--json").out)
    assert found["miou"] == pytest.approx(result["test"]["miou"], abs=1e-6)
    assert {row["name"] for row in found["by_class"]} == {"ground", "disc"}
    told = json.loads(ftr("predict", folder, scenes / "images" / "03.png", "--json").out)
    shares = {each["class"]: each["share"] for each in told[0]["classes"]}
    truth = np.asarray(scene(3)[1]).mean()
    assert shares["disc"] == pytest.approx(truth, abs=0.06)
    drawn = ftr("predict", folder, scenes / "images" / "03.png", "--draw", tmp_path / "drawn")
    assert drawn.code == 0, drawn.err
    with Image.open(tmp_path / "drawn" / "03.jpg") as picture:
        assert picture.width == picture.height


# --- masks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB"])
def test_masks_of_every_kind_say_the_same(mode: str, tmp_path: Path) -> None:
    classes = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    values: tuple[Any, ...] = (0, 1)
    if mode == "RGB":
        colors = np.array([[200, 0, 10], [0, 128, 255]], np.uint8)
        image, values = Image.fromarray(colors[classes]), ((200, 0, 10), (0, 128, 255))
    elif mode == "P":
        image = Image.fromarray(classes).convert("P")
        image.putdata(classes.ravel().tolist())
        image.putpalette([9, 9, 9, 7, 7, 7])
    elif mode == "I;16":
        image = Image.fromarray(classes.astype(np.uint16))
    else:
        image = Image.fromarray(classes.astype(bool)) if mode == "1" else Image.fromarray(classes)
    image.save(tmp_path / "m.png")
    found = Mask(tmp_path / "m.png", values, None).moved(Size(2, 3), ())
    np.testing.assert_array_equal(found, classes)


def test_what_counts_for_nothing_is_ignored_and_a_mask_follows_its_image(tmp_path: Path) -> None:
    stored = np.array([[0, 255, 7], [7, 7, 0]], np.uint8)
    Image.fromarray(stored).save(tmp_path / "m.png")
    mask = Mask(tmp_path / "m.png", (0, 7), 255)
    labels = np.where(stored == 7, 1, np.where(stored == 255, IGNORED, 0))
    np.testing.assert_array_equal(mask.moved(Size(2, 3), ()), labels)
    np.testing.assert_array_equal(mask.moved(Size(2, 3), [Mirror("horizontal")]), labels[:, ::-1])
    np.testing.assert_array_equal(mask.moved(Size(4, 6), ()), labels.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(mask.moved(Size(2, 3), [Resize(Size(4, 6))]), labels.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(mask.moved(Size(2, 3), [Crop(1, 0, Size(2, 2))]), labels[:, 1:])
    padded = mask.moved(Size(2, 3), [Pad(1)])
    assert (padded[0] == IGNORED).all()
    np.testing.assert_array_equal(padded[1:-1, 1:-1], labels)


def _value(path: Path) -> None:
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(path)


def _shape(path: Path) -> None:
    Image.fromarray(np.zeros((4, 9), np.uint8)).save(path)


def _jpeg(path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path, "JPEG")


def _cut(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_value, "value 9"),
        (_shape, "other proportions"),
        (_jpeg, "JPEG"),
        (_cut, "truncated|damaged|decode"),
        (lambda path: None, "No such file"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(make: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    make(tmp_path / "m.png")
    with pytest.raises(ImageError, match=words):
        Mask(tmp_path / "m.png", (0, 1), None).moved(Size(4, 4), ())


def test_a_run_names_the_image_whose_mask_does_not_fit(scenes: Path, tmp_path: Path, ftr: Ftr) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        for path in (scenes / name).iterdir():
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    _value(tmp_path / "masks" / "11_mask.png")
    (tmp_path / "discs.ftr").write_text(RECIPE)
    found = ftr("run", tmp_path / "discs.ftr", "--out", tmp_path / "run", "--quiet")
    assert found.code != 0
    assert "11.png" in found.err
    assert "which is that of no class" in found.err
    assert "Traceback" not in found.err


# --- metrics and losses ----------------------------------------------------------------------


def one_hot(classes: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    return (np.arange(count)[:, None, None] == classes[:, None]).astype(np.float32) * 9


def test_metrics_are_those_of_one_matrix() -> None:
    """Worked out by hand: of class 0 two pixels of four are found, of class 1 all; class 2 is nowhere."""
    truth = np.array([[[0, 0, 0, 0], [1, 1, IGNORED, IGNORED]]], np.uint8)
    answer = np.array([[[0, 0, 1, 1], [1, 1, 0, 0]]])
    evaluator = MaskEvaluator(("a", "b", "c"), lambda outputs, labels: np.zeros(len(outputs)))
    evaluator.update(one_hot(answer, 3), truth)
    report = evaluator.report()
    assert [row.iou for row in report.classes[:2]] == [2 / 4, 2 / 4]
    assert np.isnan(report.classes[2].iou)
    assert report.values["miou"] == 0.5
    assert report.values["pixel_accuracy"] == 4 / 6
    assert report.values["mean_recall"] == 0.75
    assert (report.classes[1].precision, report.classes[0].share) == (0.5, 4 / 6)
    assert report.as_json()["confusion"] == {"names": ["a", "b", "c"], "matrix": ((2, 2, 0), (0, 2, 0), (0, 0, 0))}
    *_, shown = report.tables()
    assert [cell if isinstance(cell, str) else cell.text for cell in shown.rows[0]] == ["a", "0.500", "0.500", "."]


def test_metrics_do_not_depend_on_the_batches() -> None:
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 3, 4, 5)).astype(np.float32)
    truth = rng.integers(0, 3, (6, 32, 40)).astype(np.uint8)
    found = []
    for size in (6, 2, 1):
        evaluator = MaskEvaluator(("a", "b", "c"), lambda outputs, labels: np.zeros(len(outputs)))
        for start in range(0, 6, size):
            evaluator.update(outputs[start : start + size], truth[start : start + size])
        found.append(evaluator.report().values)
    assert found[0] == found[1] == found[2]


def test_cells_are_judged_by_the_pixel_in_their_middle_and_enlarged_between_middles() -> None:
    truth = np.arange(16 * 24).reshape(1, 16, 24)
    np.testing.assert_array_equal(at_cells(truth, (1, 2, 2, 3))[0], truth[0, 4::8, 4::8])
    step = np.zeros((2, 1, 2), np.float32)
    step[1, 0, 1] = 1
    step[0, 0, 0] = 1
    np.testing.assert_array_equal(best_classes(step, (8, 16)), np.repeat([[0] * 8 + [1] * 8], 8, axis=0))


def test_the_loss_is_measured_as_it_is_trained() -> None:
    from runtime.backend.mx import nd

    rng = np.random.default_rng(1)
    scores = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    labels = rng.integers(0, 4, (3, 5, 6)).astype(np.uint8)
    labels[0, :2] = IGNORED
    labels[2] = IGNORED
    (row,) = LOSSES
    trained = row.build({})(nd, nd.array(scores), nd.array(labels)).asnumpy()
    np.testing.assert_allclose(row.measure({}, scores, labels), trained, rtol=1e-5)
    shifted = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    by_hand = -np.mean([shifted[1, labels[1, y, x], y, x] for y in range(5) for x in range(6)])
    assert trained[1] == pytest.approx(by_hand, rel=1e-5)
    assert trained[2] == 0
