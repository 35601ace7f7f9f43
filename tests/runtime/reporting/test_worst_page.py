"""`ftr evaluate --html`: the worst images come first, with truth and prediction, for images in files and in memory."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image
from toy import make_images, train, write_recipe

from runtime.data.boxes import Boxes
from runtime.plan.size import Size
from runtime.tasks.detection.assignment import collated, points_of
from runtime.tasks.detection.metrics import BoxEvaluator


def pictures(page: str) -> list[np.ndarray[Any, Any]]:
    found = []
    for text in page.split("base64,")[1:]:
        with Image.open(io.BytesIO(base64.b64decode(text.partition('"')[0]))) as picture:
            found.append(np.asarray(picture))
    return found


def test_the_page_has_pairs(tmp_path: Path, ftr: Ftr) -> None:
    for name, count in (("train", 16), ("valid", 4)):
        make_images(tmp_path / "photos" / name, {"blue": count, "green": count})
    folder = tmp_path / "run"
    train(write_recipe(tmp_path / "toy.ftr", tmp_path / "photos", sources=("train", "valid")), folder)
    page = tmp_path / "worst.html"
    told = ftr("evaluate", folder, "--on", "valid", "--html", page, "--worst", 2)
    assert told.code == 0
    assert f"the worst images: {page}" in told.out
    text = page.read_text()
    assert text.count("<h2>") == 3  # two images, and the report
    assert "confusion matrix: rows are true" in text
    assert "true: " in text
    assert 1 <= text.count("<circle") <= 8  # no more bins than images
    assert 'd="M0 0V300H300M0 300L300 0"' in text
    assert "predicted: " in text
    shown = pictures(text)
    assert len(shown) == 4
    assert (shown[0] != shown[1]).any()  # the answer is written on the second
    assert ftr("evaluate", folder, "--html", tmp_path / "none" / "worst.html").code != 0


def test_boxes_that_are_missed_or_wrong_make_an_image_bad() -> None:
    frame = Size(32, 32)
    points = len(points_of(frame)[0])
    square = [0, 0, 10, 10]
    outputs = np.full((4, points, 5), -9, np.float32)
    outputs[0, 0] = [2, *square]  # right
    outputs[1, 0] = [2, 15, 15, 30, 30]  # elsewhere: one missed, one wrong
    outputs[2, 0] = [2, *square]  # one of two
    truth = collated(
        [Boxes.of(each, [0] * len(each), frame=frame) for each in ([square], [square], [square, [15, 15, 30, 30]], [])]
    )
    evaluator = BoxEvaluator(("a",), lambda outputs, targets: np.zeros(len(outputs)), (0.5,))
    evaluator.update(outputs, truth)
    assert evaluator.badness() == pytest.approx([0, 1, 1 / 3, 0], abs=1e-5)
