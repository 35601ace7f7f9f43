"""Graphs of detectors and segmenters, and of fewer bits, against `ftr predict`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import Ftr
from PIL import Image
from toy import STAGE, train, write_recipe

from runtime.backend.mx import mx
from runtime.data.sources.scenes import scenes
from runtime.export.answers import answers
from runtime.export.graph import OnnxGraph
from runtime.export.session import session
from runtime.plan.size import Size
from runtime.runs.trained import load
from runtime.tasks.answers import Objects
from runtime.tasks.detection.network import Found, Prediction, detections, difference
from runtime.training.settings import RunSettings
from runtime.workflows.export import export
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

STAGE_OF_MAPS = """
stage "head" {
  train     = head
  for       = 1 epoch
  optimizer = adam(lr = 5e-3)
}
"""
DETECTOR = f"""ftr 1
task = detection
data {{
  train = scenes
  valid = holdout(20%)
  take  = 24
  size  = 96px
  batch = 8
}}
head = [anchor_free(channels = 16)]
{STAGE_OF_MAPS}"""
SEGMENTER = f"""ftr 1
task = segmentation
data {{
  train = masks("images", "masks", classes = ["ground", "disc"])
  test  = holdout(25%)
  size  = 64px
  batch = 4
}}
head = [fpn(channels = 16)]
{STAGE_OF_MAPS}"""


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("detector")
    (root / "scenes.ftr").write_text(DETECTOR)
    folder, result = run(prepare(root / "scenes.ftr"), RunSettings(workers=0), root / "run")
    set_thresholds(folder, 0.0)
    assert result["status"] == "finished"
    return folder


def set_thresholds(run: Path, score: float) -> None:
    """Let scores count from here on: so short a training leaves none of use."""
    result = json.loads((run / "result.json").read_text())
    for row in result["valid"]["by_class"]:
        row["threshold"] = score
    (run / "result.json").write_text(json.dumps(result))


def test_a_graph_finds_the_objects_that_predict_finds(
    detector: Path, tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.tasks.detection.network.LEAST", 0.005)
    told = ftr("export", detector, "--format", "onnx", "--out", tmp_path / "net")
    assert (told.code, told.err) == (0, "")
    assert "100% of answers the same on 5 images of valid, as there is no test set" in told.out
    beside = json.loads((tmp_path / "net.onnx.json").read_text())
    assert beside["output"]["shape"] == ["batch", 100, 6]
    assert beside["output"]["names"] == list("0123")
    files = []
    for number, size in enumerate([(192, 96), (80, 130), (96, 96), (33, 20)]):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(scenes("test").samples[number].image).resize(size).save(files[-1])
    answer = session((tmp_path / "net.onnx").read_bytes())
    for file, row in zip(files, json.loads(ftr("predict", detector, *files, "--json").out), strict=True):
        pixels = np.asarray(Image.open(file).convert("RGB"))
        (found,) = answer(pixels[None])
        found = found[found[:, 0] >= 0]
        assert len(found) == len(row["objects"]) > 0
        objects = [["0123".index(each["class"]), each["score"], *each["box"]] for each in row["objects"]]
        # Scores nearly tie: objects are told apart by their places.
        ours, theirs = (
            np.array(sorted(each, key=lambda row: (row[0], *np.round(row[2:])))) for each in (objects, found.tolist())
        )
        np.testing.assert_array_equal(theirs[:, 0], ours[:, 0])
        np.testing.assert_allclose(theirs[:, 1], ours[:, 1], atol=1e-4)
        np.testing.assert_allclose(theirs[:, 2:], ours[:, 2:], atol=1e-3 * max(row["size"]))
        twice = answer(np.stack([pixels, pixels]))
        assert np.array_equal(twice[0], twice[1])
    told = ftr("export", detector, "--format", "onnx", "--raw", "--out", tmp_path / "raw")
    assert "100% of answers the same" in told.out, told.err


def test_a_graph_finds_the_peaks_of_centres(tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.tasks.detection.network.LEAST", 0.005)
    text = DETECTOR.replace("anchor_free(channels = 16)", "centernet(channels = 16)").replace("= 24", "= 16")
    text = text.replace("head =", "loss = center_focal\nhead =").replace("  batch", "  prepare = [letterbox]\n  batch")
    (tmp_path / "scenes.ftr").write_text(text)
    folder, _ = run(prepare(tmp_path / "scenes.ftr"), RunSettings(workers=0), tmp_path / "run")
    file = tmp_path / "0.png"
    Image.fromarray(scenes("test").samples[0].image).resize((190, 96)).save(file)

    def scores() -> list[float]:
        (row,) = json.loads(ftr("predict", folder, file, "--json").out)
        return sorted(each["score"] for each in row["objects"])

    set_thresholds(folder, 0.0)
    *_, lower, higher, _, _, _, _, _ = scores()
    set_thresholds(folder, (lower + higher) / 2)  # or a hundred nearly tie, and rounding decides which are left out
    told = ftr("export", folder, "--format", "onnx", "--out", tmp_path / "net")
    assert (told.code, told.err) == (0, "")
    assert "100% of answers the same on 3 images of valid" in told.out
    (found,) = session((tmp_path / "net.onnx").read_bytes())(np.asarray(Image.open(file).convert("RGB"))[None])
    assert len(scores()) == 6
    np.testing.assert_allclose(np.sort(found[found[:, 0] >= 0][:, 1]), scores(), atol=1e-3)


def test_a_graph_gives_several_numbers(photos: Path, tmp_path: Path, ftr: Ftr) -> None:
    rows = [f"{photos}/train/{name}/{n}.jpg,{n},{n * n / 10}" for name in ("blue", "red") for n in range(12)]
    (tmp_path / "two.csv").write_text("\n".join(["file,length,width", *rows]))
    (tmp_path / "two.ftr").write_text(
        'ftr 1\ntask = regression\nbase = gluoncv("cifar_resnet20_v1", weights = none)\n'
        'data {\n  train = csv("two.csv", image = "file", target = ["length", "width"])\n'
        "  size = 32px\n  batch = 8\n}\n" + STAGE
    )
    folder, _ = run(prepare(tmp_path / "two.ftr"), RunSettings(workers=0), tmp_path / "run")
    told = ftr("export", folder, "--format", "onnx", "--out", tmp_path / "net")
    assert (told.code, told.err) == (0, "")
    output = json.loads((tmp_path / "net.onnx.json").read_text())["output"]
    assert (output["shape"], output["names"]) == (["batch", 2], ["length", "width"])
    photo = photos / "test/blue/0.jpg"
    (found,) = session((tmp_path / "net.onnx").read_bytes())(np.asarray(Image.open(photo).convert("RGB"))[None])
    (row,) = json.loads(ftr("predict", folder, photo, "--json").out)
    np.testing.assert_allclose(found, [each["value"] for each in row["values"]], rtol=1e-3)


def test_overlapping_boxes_are_left_out_as_by_predict() -> None:
    """Many boxes of few places: each class on its own, the surest first, no more than are looked at or kept."""
    rng = np.random.default_rng(0)
    form = Objects((0.3, 0.5), least=0.05, candidates=40, kept=8, overlap=0.6)
    graph = OnnxGraph()
    made = answers(graph, "points", (None, 60, 6), form, Size(64, 96), None)
    graph.add("Identity", made.name, name="objects")
    given = onnx.helper.make_tensor_value_info("points", 1, ["batch", 60, 6])
    model = graph.model([given], [onnx.helper.make_tensor_value_info("objects", 1, made.sides)], {}, "test")
    answer = session(model.SerializeToString())
    corners = np.repeat(rng.uniform(-5, 60, (2, 12, 2)), 5, axis=1) + rng.normal(0, 1.5, (2, 60, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 24, (2, 60, 2))], axis=2)
    points = np.concatenate([rng.normal(-1, 2, (2, 60, 2)), boxes], axis=2).astype(np.float32)
    for each, found in zip(points, answer(points), strict=True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("runtime.tasks.detection.network.CANDIDATES", form.candidates)
            patch.setattr("runtime.tasks.detection.network.KEPT", form.kept)
            expected = detections(each, Size(64, 96), 2)
        expected = expected.chosen(expected.scores >= np.array(form.thresholds)[expected.classes])
        rows = found[found[:, 0] >= 0]
        assert len(rows) == len(expected.scores) > 2
        assert (found[len(rows) :] == -1).all()
        np.testing.assert_array_equal(rows[:, 0], expected.classes)
        np.testing.assert_allclose(rows[:, 1], expected.scores, atol=1e-6)
        np.testing.assert_allclose(rows[:, 2:], expected.corners, atol=1e-4)


def test_objects_are_compared_one_by_one() -> None:
    ours = Prediction("", ("a", "b"), (Found("a", 0.9, (0, 0, 10, 10)), Found("b", 0.5004, (5, 5, 9, 9))), Size(20, 40))
    rows = np.array([[0, 0.9, 0, 0, 10, 10], [1, 0.5, 5, 5, 9, 9.2]], np.float32)
    limits = (0.5, 0.5)
    assert difference(ours, rows, limits, 1e-3) == pytest.approx(0.2 / 40, rel=1e-3)
    assert difference(ours, rows[::-1], limits, 1e-3) == pytest.approx(0.2 / 40, rel=1e-3)
    assert difference(ours, rows[:1], limits, 1e-3) == pytest.approx(
        4e-4
    )  # its score is the threshold, but for rounding
    assert difference(ours, rows[1:], limits, 1e-3) == 1
    assert difference(ours, rows + [[1, 0, 0, 0, 0, 0], [0] * 6], limits, 1e-3) == 1
    assert difference(ours, np.concatenate([rows, rows[:1]]), limits, 1e-3) == 1


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("segmenter")
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir()
    for number in range(12):
        x, y = rng.uniform(20, 60, 2)
        disc = np.hypot(np.arange(80) - x, np.arange(70)[:, None] - y) < 15
        Image.fromarray((rng.normal(90, 10, (70, 80)) + 110 * disc).astype(np.uint8)).save(
            root / f"images/{number}.png"
        )
        Image.fromarray(disc.astype(np.uint8)).save(root / f"masks/{number}.png")
    (root / "discs.ftr").write_text(SEGMENTER)
    return run(prepare(root / "discs.ftr"), RunSettings(workers=0), root / "run")[0]


@pytest.mark.parametrize("raw", [False, True])
def test_a_graph_gives_the_classes_of_pixels(raw: bool, segmenter: Path, tmp_path: Path, ftr: Ftr) -> None:
    told = ftr("export", segmenter, "--format", "onnx", "--out", tmp_path / "net", *["--raw"] * raw)
    assert (told.code, told.err) == (0, "")
    assert "100% of answers the same on 3 images of test" in told.out
    output = json.loads((tmp_path / "net.onnx.json").read_text())["output"]
    assert (output["name"], output["dtype"], output["shape"]) == ("classes", "uint8", ["batch", 64, 64])
    if not raw:
        (found,) = session((tmp_path / "net.onnx").read_bytes())(np.zeros((1, 33, 90, 3), np.uint8))
        assert (found.shape, found.dtype) == ((64, 64), np.uint8)


# --- fewer bits -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("classifier")
    stage = STAGE.replace("1 epoch", "4 epochs\n  optimizer = adam(lr = 1e-2)")
    base = 'packaged("efficientnet_lite0")'
    train(write_recipe(root / "colours.ftr", photos, stage, base=base, data="  size = 48px"), root / "run")
    return root / "run"


@pytest.fixture(scope="module")
def exported(classifier: Path) -> Path:
    """The graph of the classifier in full."""
    export(load(classifier), "onnx", classifier.with_name("net"), mx.cpu())
    return classifier.with_name("net.onnx")


@pytest.mark.parametrize(("precision", "share"), [("float16", 0.51), ("int8", 0.35)])
def test_fewer_bits_are_checked_on_the_validation_images(
    precision: str, share: float, classifier: Path, exported: Path, tmp_path: Path, ftr: Ftr
) -> None:
    told = ftr("export", classifier, "--format", "onnx", "--out", tmp_path / "few", "--precision", precision)
    assert (told.code, told.err) == (0, "")
    assert "% of answers the same on 24 images of valid\n" in told.out
    assert "in float32" in told.out
    assert (tmp_path / "few.onnx").stat().st_size < share * exported.stat().st_size
    beside = json.loads((tmp_path / "few.onnx.json").read_text())
    assert beside["precision"] == beside["check"]["precision"] == precision
    assert beside["check"]["same"] >= 0.98
    assert beside["output"]["shape"] == ["batch", 3]
    told = ftr("verify", tmp_path / "few.onnx", "--run", classifier)
    assert f"onnx {precision}, largest difference" in told.out


def test_a_graph_of_few_bits_that_answers_otherwise_is_not_written(
    classifier: Path, tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: Any, *_: Any) -> Any:
        for array in model.graph.initializer:
            if array.name.startswith("head."):
                array.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(array), array.name))
        return model

    monkeypatch.setattr("runtime.workflows.export.reduced", broken)
    told = ftr("export", classifier, "--format", "onnx", "--out", tmp_path / "net", "--precision", "int8")
    assert told.code == 1
    assert "error[E651]" in told.err
    assert "98% are asked for" in told.err
    assert list(tmp_path.iterdir()) == []


# --- what can go wrong ----------------------------------------------------------------------------


def test_a_full_disk_is_said(classifier: Path, tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runtime.workflows.export.write_bytes", full)
    told = ftr("export", classifier, "--format", "onnx", "--out", tmp_path / "net")
    assert told.code == 1
    assert "No space left on device" in told.err
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []
