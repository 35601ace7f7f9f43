"""Large images in tiles: how they are cut, what is merged, and whole runs on them."""

from __future__ import annotations

import json
import signal
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from runtime.backend.mx import mx
from runtime.data.boxes import Boxes
from runtime.data.fingerprints import origin_of
from runtime.data.images import open_rgb
from runtime.data.listing import Sample
from runtime.data.masks import Mask
from runtime.data.sets import to_input
from runtime.data.tiles import tiled, tiles_of
from runtime.data.transforms.changes import Mirror, Resize
from runtime.models.network import Model
from runtime.plan.size import Size
from runtime.plan.types import Component, DataPlan, TilePlan
from runtime.runs.evaluation import evaluate
from runtime.runs.trained import TrainedRun, load
from runtime.tasks.detection.assignment import points_of
from runtime.tasks.detection.task import DETECTION
from runtime.tasks.segmentation.network import best_classes
from runtime.tasks.segmentation.task import SEGMENTATION
from runtime.training.settings import RunSettings
from runtime.training.stage import whole_net
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from tests import killing

WHOLE = Size(100, 160)
TILES = TilePlan(64, 0.25)


def pixels(size: Size = WHOLE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(0, 255, (*size, 3), np.uint8)


def sample(target: Any = None, image: Any = None) -> Sample:
    return Sample("a", target, pixels() if image is None else image)


def plan(size: Size, *steps: str) -> DataPlan:
    prepare = tuple(Component(step, {"size": size.plain}) for step in steps)
    scale = (0.5, 0.5, 0.5)
    return DataPlan(
        {}, None, size, 4, "full", "stop", prepare, scale, scale, SimpleNamespace(names=("cell", "nucleus")), TILES
    )  # type: ignore[arg-type]


# --- cutting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [Size(64, 64), Size(100, 160), Size(65, 300), Size(20, 200), Size(30, 40)])
def test_tiles_cover_an_image_and_share_what_was_asked_for(size: Size) -> None:
    tiles = tiles_of(sample(), size, TILES)
    covered = np.zeros(size, int)
    for tile in tiles:
        assert (tile.top + tile.size.height, tile.left + tile.size.width) <= (size.height, size.width)
        assert tile.size == (min(64, size.height), min(64, size.width))
        covered[tile.top : tile.top + tile.size.height, tile.left : tile.left + tile.size.width] += 1
    assert covered.min() == 1
    for starts in (sorted({tile.left for tile in tiles}), sorted({tile.top for tile in tiles})):
        assert all(64 - (two - one) >= 15.5 for one, two in zip(starts, starts[1:], strict=False))
    if max(size) <= 64:
        assert len(tiles) == 1


def test_a_tile_has_the_pixels_the_boxes_and_the_mask_of_its_place(tmp_path: Path) -> None:
    mask = np.random.default_rng(1).integers(0, 2, WHOLE, np.uint8)
    Image.fromarray(mask).save(tmp_path / "m.png")
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    boxes = Boxes.of([[50, 40, 70, 60], [0, 0, 10, 10]], [1, 0], frame=WHOLE)
    masks = tiled([sample(Mask(tmp_path / "m.png", (0, 1), None), tmp_path / "a.png")], TILES)
    parts = tiled([sample(boxes)], TILES)
    assert [part.id for part in parts] == [part.id for part in masks]
    assert parts[-1].id == "a@96,36"
    for one, part in zip(masks, parts, strict=True):
        tile = part.image
        there = slice(tile.top, tile.top + 64), slice(tile.left, tile.left + 64)
        for image in (tile, one.image):
            np.testing.assert_array_equal(np.asarray(open_rgb(image)), pixels()[there])
        np.testing.assert_array_equal(one.target.moved(tile.size, [Mirror("horizontal")]), mask[there][:, ::-1])
        found = part.target.moved(tile.size, [Resize(Size(128, 128))])
        inside = [c for c in (boxes.corners.tolist()) if tile.left <= (c[0] + c[2]) / 2 < tile.left + 64]
        inside = [c for c in inside if tile.top <= (c[1] + c[3]) / 2 < tile.top + 64]
        by_hand = np.clip(np.array(inside).reshape(-1, 4) - [tile.left, tile.top] * 2, 0, 64) * 2
        np.testing.assert_allclose(found.corners, by_hand)
    assert len({origin_of(part.image) for part in parts}) == len(parts)


# --- merging ------------------------------------------------------------------------------------


def outputs_of(objects: list[tuple[int, float, list[float]]], size: Size) -> np.ndarray[Any, Any]:
    """Return what a head of two classes gives where it sees these objects: class, logit and box."""
    found = np.zeros((len(points_of(size)[0]), 6), np.float32)
    found[:, :2] = -9
    for place, (label, logit, box) in enumerate(objects):
        found[3 * place, label], found[3 * place, 2:] = logit, box
    return found


def test_objects_of_tiles_become_objects_of_the_image() -> None:
    """Two tiles, 64 wide at 0 and at 36, seen at twice their size."""
    tiles = tiles_of(sample(image=pixels(Size(64, 100))), Size(64, 100), TILES)
    assert [tile.left for tile in tiles] == [0, 36]
    double = Size(128, 128)
    one = [
        (0, 2.0, [10.0, 10, 30, 30]),  # in this tile alone
        (0, 3.0, [80.0, 20, 100, 40]),  # in both, here surer
        (0, 2.5, [110.0, 60, 128, 90]),  # cut by the border, whole in the other, though less sure there
        (1, 1.0, [0.0, 100, 20, 128]),  # at borders of the image, which cut nothing
        (0, 0.5, [112.0, 100, 128, 120]),  # cut, and seen here alone
    ]
    other = [
        (0, 1.5, [9.0, 20, 29, 40]),
        (0, 1.0, [38.0, 60, 78, 90]),
        (1, 2.0, [38.0, 60, 78, 90]),  # the same place in another class
    ]
    found = DETECTION.merged([outputs_of(each, double) for each in (one, other)], tiles, plan(double, "stretch"))
    by_hand = [
        (0, 3.0, [40, 10, 50, 20]),
        (0, 2.0, [5, 5, 15, 15]),
        (1, 2.0, [55, 30, 75, 45]),
        (0, 1.0, [55, 30, 75, 45]),
        (1, 1.0, [0, 50, 10, 64]),
        (0, 0.5, [56, 50, 64, 60]),
    ]
    rows = sorted(zip(found.classes, found.scores, found.corners.tolist(), strict=True), key=lambda row: row[2])
    expected = sorted(((label, 1 / (1 + np.exp(-logit)), box) for label, logit, box in by_hand), key=lambda row: row[2])
    assert sorted(row[0] for row in rows) == sorted(row[0] for row in expected)
    np.testing.assert_allclose([row[1] for row in rows], [row[1] for row in expected], rtol=1e-6)
    np.testing.assert_allclose([row[2] for row in rows], [row[2] for row in expected])
    assert (np.diff(found.scores) <= 0).all()


def test_scores_of_tiles_are_averaged() -> None:
    tiles = tiles_of(sample(), WHOLE, TILES)
    rng = np.random.default_rng(0)
    outputs = [rng.normal(size=(3, 64, 64)).astype(np.float32) for _ in tiles]
    total, count = np.zeros((3, *WHOLE)), np.zeros(WHOLE)
    for scores, tile in zip(outputs, tiles, strict=True):
        total[:, tile.top : tile.top + 64, tile.left : tile.left + 64] += scores
        count[tile.top : tile.top + 64, tile.left : tile.left + 64] += 1
    found = SEGMENTATION.merged(outputs, tiles, plan(Size(64, 64), "stretch"))
    np.testing.assert_array_equal(found, (total / count).argmax(axis=0))


def test_one_tile_is_what_an_image_is() -> None:
    tiles = tiles_of(sample(), WHOLE, TilePlan(640, 0.2))
    scores = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    found = SEGMENTATION.merged([scores], tiles, plan(Size(64, 64), "stretch"))
    np.testing.assert_array_equal(found, best_classes(scores, WHOLE))


# --- runs ---------------------------------------------------------------------------------------

HEAD = """
head = [HEAD]
stage "head" {
  train = head
  for = 2 epochs
  optimizer = adam(lr = 5e-3)
}
"""
DATA = "  valid = holdout(34%)\n  tiles = tiles(64px)\n  size = 64px\n  batch = 6\n  augment = [flip(horizontal)]\n}"
RECIPES = {
    "detection": f"""ftr 1
task = detection
data {{
  train = csv("boxes.csv", image = "file", label = "class", boxes = ["x0", "y0", "x1", "y1"])
{DATA}
{HEAD.replace("HEAD", "anchor_free").replace("2 epochs", "20 epochs").replace("5e-3", "2e-2")}""",
    "segmentation": f"""ftr 1
task = segmentation
data {{
  train = masks("photos", "masks", classes = ["ground", "disc"])
{DATA}
{HEAD.replace("HEAD", "fpn(channels = 16)")}""",
}
COUNT = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of images of small discs, larger than a tile, with boxes, masks and recipes."""
    folder = tmp_path_factory.mktemp("discs")
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    rows = ["file,class,x0,y0,x1,y1"]
    for number in range(COUNT):
        rng = np.random.default_rng(number)
        mask = np.zeros((80, 110), np.uint8)
        for _ in range(4):
            radius, (x, y) = rng.uniform(6, 10), rng.uniform(10, 70, 2) * (1.4, 1)
            mask |= (np.hypot(np.arange(110) + 0.5 - x, np.arange(80)[:, None] + 0.5 - y) < radius).astype(np.uint8)
            corners = (x - radius, y - radius, x + radius, y + radius)
            rows.append(f"photos/{number}.png,disc,{','.join(f'{each:.1f}' for each in corners)}")
        grey = (rng.normal(90, 10, mask.shape) + 110 * mask).clip(0, 255).astype(np.uint8)
        Image.fromarray(grey).save(folder / "photos" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    for task, text in RECIPES.items():
        (folder / f"{task}.ftr").write_text(text)
    return folder


def by_hand(run: TrainedRun, file: Path) -> tuple[list[np.ndarray[Any, Any]], list[Any]]:
    """Return what the network gives of each tile, cut out as a picture of its own."""
    model: Model = run.model
    net, image = whole_net(model), Image.open(file).convert("RGB")
    tiles = tiles_of(Sample("x", None, file), Size(image.height, image.width), TilePlan(64, 0.2))
    found = []
    for tile in tiles:
        part = image.crop((tile.left, tile.top, tile.left + 64, tile.top + 64))
        given = to_input(np.asarray(part)[None], run.data.mean, run.data.std, mx.cpu())
        found.append(net(given)[0].asnumpy())
    return found, tiles


@pytest.mark.parametrize("task", ["detection", pytest.param("segmentation", marks=pytest.mark.long)])
def test_a_run_sees_tiles_and_answers_of_images(task: str, root: Path, tmp_path: Path, ftr: Ftr) -> None:
    recipe = root / f"{task}.ftr"
    shown = ftr("plan", recipe)
    assert "train 4 in 16 tiles" in shown.out
    assert ftr("run", recipe, "--out", tmp_path / "run", "--quiet").code == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["images"] == {"train": 4, "valid": 2}
    of = load(tmp_path / "run")
    file = root / "photos" / "0.png"
    answer = json.loads(ftr("predict", tmp_path / "run", file, "--json").out)[0]
    outputs, tiles = by_hand(of, file)
    merged = of.task.merged(outputs, tiles, of.data)  # tested above
    expected = of.task.whole(merged, str(file), Size(80, 110), of.data.target, of.data).as_json()
    if task == "detection":
        assert answer["size"] == [110, 80]
        assert answer["objects"]
        found = [[each["score"], *each["box"]] for each in answer["objects"]]
        by_tiles = [[each["score"], *each["box"]] for each in expected["objects"]]
        np.testing.assert_allclose(found, by_tiles, rtol=1e-3, atol=1e-3)
    else:
        assert merged.shape == (80, 110)
        told = ftr("export", tmp_path / "run", "--format", "onnx", "-o", tmp_path / "x.onnx")
        assert "it takes a tile, not an image" in told.out
        assert "on 8 tiles of valid" in told.out  # what the graph takes is compared, not an image squeezed into a tile
        assert json.loads((tmp_path / "x.onnx.json").read_text())["input"]["tiles"] == {"side": 64, "overlap": 0.2}
        assert answer["classes"][0]["share"] == pytest.approx(expected["classes"][0]["share"], abs=1e-3)
    measured = evaluate(of, mx.cpu(), 0, set_name="valid", worst=2)
    told = {name: nan if result["valid"][name] is None else result["valid"][name] for name in of.task.metrics}
    assert measured.report.values == pytest.approx(told, rel=1e-4, nan_ok=True)
    assert measured.report.images == len(measured.worst) == 2
    assert all("@" not in each.id for each in measured.worst)
    drawn = ftr("predict", tmp_path / "run", file, "--draw", tmp_path / "drawn")
    assert drawn.code == 0
    assert ftr("data", "show", recipe, "-o", tmp_path / "sheet.png").code == 0


def test_a_killed_run_on_tiles_resumes_to_the_same_weights(root: Path, tmp_path: Path) -> None:
    recipe = root / "short.ftr"
    recipe.write_text(RECIPES["segmentation"].replace("2 epochs", "1 epoch"))
    assert killing.start(recipe, tmp_path / "whole", interval="1 step", quick=True) == 0
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", kill_at=14, quick=True) == -signal.SIGKILL
    assert killing.start(recipe, tmp_path / "cut", interval="1 step", quick=True) == 0
    whole, cut = ((tmp_path / name / "model.params").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_cached_versions_of_tiles_give_the_weights_of_new_ones(root: Path, tmp_path: Path) -> None:
    recipe = root / "versions.ftr"
    steps = "augment = [flip(horizontal), color_jitter(brightness = 0.3)]\n  views = 2"
    recipe.write_text(RECIPES["segmentation"].replace("augment = [flip(horizontal)]", steps))
    for name, cache in (("kept", True), ("plain", False)):
        run(prepare(recipe), RunSettings(workers=0, cache=cache), tmp_path / name)
    kept, plain = ((tmp_path / name / "model.params").read_bytes() for name in ("kept", "plain"))
    assert kept == plain


def test_what_has_no_tiles_is_refused(tmp_path: Path, ftr: Ftr) -> None:
    stage = 'stage "head" {\n  train = head\n  for = 1 epoch\n}\n'
    text = f"ftr 1\ndata {{\n  train = digits\n  tiles = tiles(64px)\n}}\n{stage}"
    (tmp_path / "digits.ftr").write_text(text)
    found = ftr("check", tmp_path / "digits.ftr")
    assert found.code == 2
    assert "tiles" in found.err
    assert "detection" in found.err
    assert "segmentation" in found.err
