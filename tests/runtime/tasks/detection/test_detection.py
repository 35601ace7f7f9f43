"""Detection: assignment and loss against other ways to compute them, and whole runs on scenes that are made."""

from __future__ import annotations

import csv
import io
import json
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.backend.blocks import LossBlock
from runtime.backend.mx import autograd, nd
from runtime.data.boxes import Boxes
from runtime.data.listing import Listing, Sample
from runtime.data.sources.scenes import scenes
from runtime.data.transforms.catalog import Pipeline
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.tasks.detection import targets
from runtime.tasks.detection.assignment import assign, collated, points_of, truth_of
from runtime.tasks.detection.losses import LOSSES
from runtime.tasks.detection.network import _in_image, detections
from runtime.tasks.detection.task import DETECTION
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from tests import killing

FRAME = Size(96, 64)
LOSS = Component("quality_focal", {"beta": 2.0, "boxes": 2.0})


def boxes(corners: list[list[float]], labels: list[int] | None = None, **more: Any) -> Boxes:
    return Boxes.of(corners, labels or [0] * len(corners), frame=FRAME, **more)


# --- assignment ---------------------------------------------------------------------------------


def slowly(corners: list[list[float]], frame: Size) -> dict[int, int]:
    """Return which box each point learns, by the words of ATSS."""
    points, strides = points_of(frame)
    best: dict[int, tuple[float, int]] = {}
    for number, (x0, y0, x1, y1) in enumerate(corners):
        chosen: list[int] = []
        far = np.hypot(points[:, 0] - (x0 + x1) / 2, points[:, 1] - (y0 + y1) / 2)
        for stride in (8, 16, 32):
            own = [place for place in range(len(points)) if strides[place] == stride]
            chosen += sorted(own, key=lambda place: far[place])[:9]
        shared = []
        for place in chosen:
            (x, y), half = points[place], 2.5 * strides[place]
            wide = min(x1, x + half) - max(x0, x - half)
            high = min(y1, y + half) - max(y0, y - half)
            common = max(wide, 0) * max(high, 0)
            shared.append(common / ((x1 - x0) * (y1 - y0) + 4 * half * half - common))
        limit = np.mean(shared) + np.std(shared)
        taken = [
            (place, value)
            for place, value in zip(chosen, shared, strict=True)
            if value >= limit and x0 < points[place][0] < x1 and y0 < points[place][1] < y1
        ]
        for place, value in taken or [(min(chosen, key=lambda place: far[place]), 1e-9)]:
            best[place] = max(best.get(place, (0.0, 0)), (value, number), key=lambda pair: pair[0])
    return {place: number for place, (_, number) in best.items()}


def test_points_learn_as_the_paper_says() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        low = rng.uniform(0, 40, (6, 2))
        corners = np.concatenate([low, low + rng.uniform(3, 24, (6, 2))], axis=1)
        places, objects = assign(corners, FRAME)
        assert dict(zip(places.tolist(), objects.tolist(), strict=True)) == slowly(corners.tolist(), FRAME)


def test_a_batch_holds_points_and_objects() -> None:
    one = boxes([[4, 4, 36, 36], [40, 60, 41, 90], [10, 50, 30, 70]], [1, 0, 2], crowd=[False, False, True])
    found = collated([one, boxes([])])
    points = len(points_of(FRAME)[0])
    assert found.shape == (2, points + 1 + 16, 8)
    learned = found[0, :points]
    assert set(learned[:, 0]) == {1, -1, -2}  # a side below two pixels is not learned, nor is a crowd
    assert (learned[learned[:, 0] == 1][:, 1:5] == [4, 4, 36, 36]).all()
    assert (found[1, :points, 0] == -1).all()
    again = truth_of(found[0])
    assert again == one
    assert len(truth_of(found[1])) == 0


# --- loss ---------------------------------------------------------------------------------------


def test_a_loss_is_measured_as_it_is_trained() -> None:
    loss = LOSSES[0]
    rng = np.random.default_rng(0)
    truth = collated([boxes([[4, 4, 36, 36], [20, 30, 60, 90]], [1, 0]), boxes([[0, 0, 30, 30]], difficult=[True])])
    points, _ = points_of(FRAME)
    sides = rng.uniform(2, 40, (2, len(points), 4))
    reach = np.concatenate([points - sides[..., :2], points + sides[..., 2:]], axis=2)
    outputs = np.concatenate([rng.normal(-2, 2, (2, len(points), 3)), reach], axis=2).astype(np.float32)
    block = LossBlock(loss.build(LOSS.args))
    block.hybridize()
    values = nd.array(outputs)
    values.attach_grad()
    with autograd.record():
        trained = block(values, nd.array(DETECTION.as_labels(truth, outputs.shape)))
    trained.backward()
    measured = loss.measure(LOSS.args, outputs, truth)
    np.testing.assert_allclose(trained.asnumpy(), measured, rtol=1e-4)
    gradient = values.grad.asnumpy()
    learned = truth[:, : len(points), 0]
    assert not gradient[learned < 0][:, 3:].any()
    assert not gradient[learned == -2].any()
    place = tuple(np.argwhere(learned == -1)[0])
    moved = outputs.astype(np.float64)
    moved[(*place, 1)] += 1e-3
    slope = (loss.measure(LOSS.args, moved, truth).sum() - measured.sum()) / 1e-3
    assert gradient[(*place, 1)] == pytest.approx(slope, rel=1e-2)
    place = tuple(np.argwhere(learned == 1)[0])
    moved = outputs.astype(np.float64)
    moved[(*place, 4)] += 1e-2
    assert loss.measure({"beta": 0.0, "boxes": 1.0}, moved, truth)[0] != measured[0]


def test_a_loss_worked_by_hand() -> None:
    """Two classes; every point but one is right with certainty, and that one has half its object's box."""
    truth = collated([boxes([[0, 0, 32, 32]], [1])])
    points = len(points_of(FRAME)[0])
    outputs = np.zeros((1, points, 6), np.float32)
    outputs[..., :2], outputs[..., 2:] = -100, (0, 0, 32, 32)
    places = np.flatnonzero(truth[0, :points, 0] == 1)
    outputs[0, places, 1] = 100
    outputs[0, places[0]] = (-100, 0, 0, 0, 32, 16)
    # There p is 1/2 as the overlap is: nothing is left of the focal loss, and 1 - GIoU is 1/2.
    assert LOSSES[0].measure({"beta": 2.0, "boxes": 3.0}, outputs, truth) == pytest.approx([3 / 2 / len(places)])
    outputs[0, places[0], 1] = np.log(3)  # p = 3/4
    entropy = -(np.log(3 / 4) + np.log(1 / 4)) / 2
    expected = (entropy / 16 + 3 / 2) / len(places)
    assert LOSSES[0].measure({"beta": 2.0, "boxes": 3.0}, outputs, truth) == pytest.approx([expected])


def test_no_objects_give_a_loss_all_the_same() -> None:
    loss = LOSSES[0]
    truth = collated([boxes([])] * 2)
    outputs = np.zeros((2, len(points_of(FRAME)[0]), 7), np.float32)
    outputs[..., 5:] = 5
    trained = LossBlock(loss.build(LOSS.args))(nd.array(outputs), nd.array(truth)).asnumpy()
    assert np.isfinite(trained).all()
    np.testing.assert_allclose(trained, loss.measure(LOSS.args, outputs, truth), rtol=1e-5)


def test_a_box_of_no_area_where_nothing_is_learned_spoils_no_gradient() -> None:
    loss = LOSSES[0]
    truth = collated([boxes([[4, 4, 36, 36]])])
    points, _ = points_of(FRAME)
    reach = np.concatenate([points - 20, points + 20], axis=1)
    reach[truth[0, : len(points), 0] < 0] = 0
    outputs = np.concatenate([np.zeros((len(points), 3)), reach], axis=1)[None].astype(np.float32)
    values = nd.array(outputs)
    values.attach_grad()
    with autograd.record():
        trained = LossBlock(loss.build(LOSS.args))(values, nd.array(DETECTION.as_labels(truth, outputs.shape)))
    trained.backward()
    assert np.isfinite(trained.asnumpy()).all()
    assert np.isfinite(values.grad.asnumpy()).all()


# --- targets ------------------------------------------------------------------------------------


def listing(*labels: list[int], names: tuple[str, ...] = ("a", "b", "c")) -> Listing:
    samples = (
        Sample(f"{number}", boxes([[1, 1, 9, 9]] * len(each), each), Path(f"{number}.png"))
        for number, each in enumerate(labels)
    )
    return Listing(tuple(samples), names)


def test_strata_are_the_classes_that_an_image_shows() -> None:
    found = targets.strata(listing([0, 0, 1], [0], [0, 2], [], [2, 1], [2]))
    assert list(found.values()) == [(0, 1), (0,), (0, 2), (), (1, 2), (2,)]


def test_classes_are_aligned_by_name() -> None:
    found = targets.align(listing([0, 1], names=("c", "a")), ("a", "b", "c"), "test")
    assert found.samples[0].target.classes.tolist() == [2, 0]
    with pytest.raises(RecipeError) as caught:
        targets.align(listing([0, 1], names=("c", "d")), ("a", "b", "c"), "test")
    assert [each.code for each in caught.value.problems] == ["E581"]
    assert [each.code for each in targets.without_objects({"train": listing([0, 1])})] == ["E587"]


def test_strange_results_have_no_thresholds() -> None:
    rows = [{"name": "a", "threshold": 0.7}, {"name": "b", "threshold": None}, 3, {"name": [], "threshold": 2}]
    assert targets.thresholds({"valid": {"by_class": rows}}, ["a", "b"]) == (0.7, 0.4)
    for strange in ({}, {"valid": 3}, {"valid": {"by_class": 7}}):
        assert targets.thresholds(strange, ["a"]) == (0.4,)


# --- whole runs ---------------------------------------------------------------------------------

RECIPE = """ftr 1
name = "scenes"
task = detection
seed = 1
data {
  train = scenes
  take  = 64 images
  valid = holdout(25%)
  test  = holdout(25%)
  size  = 96px
  augment = [zoom_out, iou_crop, color_jitter(0.2)]
  views = 2
  batch = 8
}
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = 5e-3)
  monitor   = valid.ap
}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes") / "scenes.ftr"
    path.write_text(RECIPE)
    for number, sample in enumerate(scenes("test").samples[:3]):
        Image.fromarray(sample.image).resize((192, 96)).save(path.parent / f"{number}.png")
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path) -> tuple[Path, dict[str, Any]]:
    return run(prepare(recipe), RunSettings(workers=0), recipe.parent / "runs")


def test_a_run_learns_and_says_how_well(trained: tuple[Path, dict[str, Any]], ftr: Ftr) -> None:
    folder, result = trained
    assert result["task"] == "detection"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["train_loss"] for row in rows if row["event"] == "evaluated"]
    assert losses[-1] < 0.95 * losses[0]
    assert [row["name"] for row in result["valid"]["by_class"]] == list("0123")
    plan = json.loads((folder / "plan.json").read_text())
    assert sum(plan["data"]["objects"]["train"]) > 30
    found = json.loads(ftr("evaluate", folder, "--json").out)
    names = ("ap", "ap50", "loss", "box_f1", "by_class")  # the last two: at the thresholds of validation, in both
    assert {name: found[name] for name in names} == {name: result["test"][name] for name in names}
    kept = [row["threshold"] or 0.4 for row in result["valid"]["by_class"]]
    assert [row["threshold"] for row in found["by_class"]] == kept
    assert sum(map(sum, found["confusion"]["matrix"])) >= sum(row["objects"] for row in found["by_class"])
    assert "that `predict` goes by" in ftr("evaluate", folder).out


@pytest.fixture
def low(trained: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, with thresholds so low that it finds something after so short a training."""
    monkeypatch.setattr(targets, "thresholds", lambda result, names: (0.0,) * len(names))
    monkeypatch.setattr("runtime.tasks.detection.network.LEAST", 0.01)
    return trained[0]


def test_predict_gives_boxes_in_pixels_of_the_image(low: Path, recipe: Path, ftr: Ftr) -> None:
    files = [recipe.parent / f"{number}.png" for number in range(2)]
    rows = json.loads(ftr("predict", low, *files, "--json").out)
    assert [row["size"] for row in rows] == [[192, 96]] * 2
    first = rows[0]["objects"][0]
    assert max(each["box"][2] for row in rows for each in row["objects"]) > 128
    assert all(each["box"][3] <= 96 for row in rows for each in row["objects"])
    header, *lines = csv.reader(io.StringIO(ftr("predict", low, *files, "--csv").out))
    assert header == ["image", "class", "score", "x0", "y0", "x1", "y1", "error"]
    assert len(lines) == sum(len(row["objects"]) for row in rows)
    assert float(lines[0][3]) == pytest.approx(first["box"][0], abs=0.01)
    told = json.loads(ftr("predict", low, *files, "--coco").out)
    assert told[0]["image_id"] == 0
    assert told[0]["category_id"] == int(first["class"]) + 1
    assert told[0]["bbox"][2] == pytest.approx(first["box"][2] - first["box"][0])
    labels = recipe.parent / "labels"
    assert ftr("predict", low, *files, "--yolo", labels).code == 0
    lines = (labels / "0.txt").read_text().splitlines()
    assert len(lines) == len(rows[0]["objects"])
    label, *shares, score = map(float, lines[0].split())
    (x0, y0, x1, y1) = first["box"]
    assert str(int(label)) == first["class"]
    assert shares == pytest.approx([(x0 + x1) / 384, (y0 + y1) / 192, (x1 - x0) / 192, (y1 - y0) / 96], abs=1e-6)
    assert score == pytest.approx(first["score"], abs=1e-6)
    assert ftr("predict", low, *files, "--yolo", labels).code == 2  # it is not empty
    (labels / "sub").mkdir()
    Image.open(files[0]).save(labels / "sub" / files[0].name)
    assert "one name" in ftr("predict", low, files[0], labels / "sub", "--yolo", recipe.parent / "more").err
    pictures = recipe.parent / "pictures"
    ftr("predict", low, *files, "--draw", pictures)
    before, after = (np.asarray(Image.open(path)) for path in (files[0], pictures / "0.jpg"))
    assert before.shape == (96, 192, 3)
    assert after.shape == (192, 384, 3)  # small pictures are enlarged


def test_a_threshold_takes_the_place_of_those_of_validation(low: Path, recipe: Path, ftr: Ftr) -> None:
    from runtime.backend.device import device_context
    from runtime.runs.prediction import predict
    from runtime.runs.trained import load, with_threshold

    image = recipe.parent / "0.png"
    (row,) = json.loads(ftr("predict", low, image, "--json").out)
    scores = [each["score"] for each in row["objects"]]
    assert max(scores) < 0.05  # after so short a training
    (none,) = json.loads(ftr("predict", low, image, "--json", "--threshold", "0.05").out)
    assert none["objects"] == []
    least = float(np.median(scores))
    chosen = with_threshold(load(low), least)
    assert chosen is not None
    (some,) = predict(chosen, [image], device_context("cpu"))
    assert [each["score"] for each in some.as_json()["objects"]] == [score for score in scores if score >= least]
    told = ftr("predict", low, image, "--threshold", "0.01")
    assert (told.code, "0.05" in told.err) == (2, True)


def test_of_epochs_that_find_nothing_the_last_is_kept(recipe: Path, tmp_path: Path) -> None:
    still = tmp_path / "still.ftr"
    still.write_text(RECIPE.replace("5e-3", "1e-9").replace("3 epochs", "2 epochs").replace("64 images", "24 images"))
    _, result = run(prepare(still), RunSettings(workers=0), tmp_path / "run")
    assert result["valid"]["ap"] == 0
    assert result["weights_from"]["epoch"] == 2


def test_an_exported_model_finds_the_same(low: Path, recipe: Path, tmp_path: Path, ftr: Ftr) -> None:
    from runtime.backend.mx import gluon, mx
    from runtime.data.images import open_rgb
    from runtime.data.sets import to_input
    from runtime.runs.trained import load

    assert ftr("export", low, "--out", tmp_path / "m").code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MXNet's own: it infers the type of the input later
        block = gluon.SymbolBlock.imports(f"{tmp_path}/m-symbol.json", ["data"], f"{tmp_path}/m-0000.params")
    data = load(low).data
    file = recipe.parent / "0.png"
    pixels = np.asarray(open_rgb(file).resize((96, 96), Image.Resampling.BICUBIC))[None]
    (found,) = block(to_input(pixels, data.mean, data.std, mx.cpu())).asnumpy()
    found = found[found[:, 0] >= 0]
    (row,) = json.loads(ftr("predict", low, file, "--json").out)
    assert len(found) == len(row["objects"]) > 0
    scale = np.array([192 / 96, 96 / 96] * 2)
    np.testing.assert_allclose(found[:, 2:] * scale, [each["box"] for each in row["objects"]], atol=1e-2)
    np.testing.assert_allclose(found[:, 1], [each["score"] for each in row["objects"]], atol=1e-5)
    assert [data.target.names[int(label)] for label in found[:, 0]] == [each["class"] for each in row["objects"]]


def test_a_pack_predicts_elsewhere_and_a_lock_verifies(
    trained: tuple[Path, dict[str, Any]], recipe: Path, tmp_path: Path, ftr: Ftr
) -> None:
    folder, _ = trained
    pack, image = tmp_path / "scenes.ftrpack", recipe.parent / "0.png"
    assert ftr("pack", folder, "-o", pack).code == 0
    assert ftr("predict", pack, image, "--json").out == ftr("predict", folder, image, "--json").out
    assert ftr("unpack", pack, "-o", tmp_path / "again").code == 0
    assert "Finds objects of 4 classes" in (tmp_path / "again" / "README.md").read_text()
    assert ftr("verify", folder, "--quiet").out.startswith("identical")


def test_weights_are_the_same_with_cached_maps_and_without(recipe: Path, tmp_path: Path) -> None:
    """Three maps of each of two versions of an image are kept, with the targets that moved along."""
    short = tmp_path / "short.ftr"
    short.write_text(RECIPE.replace("3 epochs", "2 epochs").replace("64 images", "24 images"))
    folders = [
        run(prepare(short), RunSettings(workers=0, cache=cache), tmp_path / str(cache))[0] for cache in (True, False)
    ]
    one, other = ((folder / "model.params").read_bytes() for folder in folders)
    assert one == other


def test_a_killed_run_goes_on_to_the_same_weights(recipe: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.ftr"
    short.write_text(RECIPE.replace("3 epochs", "2 epochs").replace("64 images", "32 images"))
    assert killing.start(short, tmp_path / "whole", interval="1 step") == 0
    assert killing.start(short, tmp_path / "cut", interval="1 step", kill_at=25) == -signal.SIGKILL
    assert killing.start(short, tmp_path / "cut", interval="1 step") == 0
    whole, cut = ((tmp_path / name / "model.params").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_scenes_are_always_the_same_and_boxes_are_tight() -> None:
    one, other = scenes("test"), scenes("test")
    assert one == other
    assert [sample.image.sum() for sample in one.samples] == [sample.image.sum() for sample in other.samples]
    assert {len(sample.target) for sample in scenes("train").samples} == {1, 2, 3, 4}


def test_one_object_is_found_once() -> None:
    rows = np.array([[3, -9, 0, 0, 40, 40], [2.5, -9, 1, 1, 41, 41], [-9, 2, 0, 0, 40, 40], [-4, -9, 50, 50, 60, 60]])
    found = detections(rows.astype(np.float32), Size(30, 64), 2)
    assert found.classes.tolist() == [0, 1]  # the same place in another class is another object
    assert found.corners.tolist() == [[0, 0, 40, 30]] * 2


@pytest.mark.parametrize("steps", [("resize", "center_crop"), ("letterbox",), ("stretch",)])
def test_boxes_go_back_the_way_that_the_image_came(steps: tuple[str, ...]) -> None:
    size = Size(300, 400)
    prepare = [Component(name, {"size": 96}) for name in steps]
    corners = [[100.0, 80.0, 180.0, 200.0]]
    there = Boxes.of(corners, [0]).moved(size, Pipeline(prepare).draw(size, np.random.default_rng(0)))
    np.testing.assert_allclose(_in_image(there.corners, size, prepare), corners)
