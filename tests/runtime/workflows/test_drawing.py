"""Pictures of predictions: each task writes its answers on them, and no picture can cost a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtime.system import fonts
from runtime.tasks.catalog import TASKS
from runtime.tasks.classification.network import Prediction as Classes
from runtime.tasks.regression.network import Prediction as Numbers
from runtime.workflows.drawing import Drawn, draw_predictions

ANSWERS: dict[str, Any] = {
    "classification": lambda image: Classes(image, (("r\u00f6te", 0.93), ("blau\n", 0.07))),
    "regression": lambda image: Numbers(image, tuple((f"target {n}", n / 3) for n in range(20))),
}


@pytest.mark.parametrize("task", ANSWERS)
@pytest.mark.parametrize("size", [(8, 6), (500, 400), (4000, 30)])
def test_answers_are_written_on_the_image(tmp_path: Path, task: str, size: tuple[int, int]) -> None:
    Image.new("RGB", size, (200, 30, 30)).save(tmp_path / "red.png")
    (tmp_path / "empty").mkdir()
    Image.new("RGB", size, (200, 30, 30)).save(tmp_path / "empty" / "RED.gif")
    found = [ANSWERS[task](str(tmp_path / name)) for name in ("red.png", "empty/RED.gif")]
    assert draw_predictions(TASKS[task], found, tmp_path / "new" / "drawn") == Drawn(2)
    names = sorted(path.name for path in (tmp_path / "new" / "drawn").glob("*.jpg"))
    assert names == ["RED-2.jpg", "red.jpg"]
    pixels = np.asarray(Image.open(tmp_path / "new" / "drawn" / "red.jpg").convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    assert 384 <= max(height, width) <= 1600
    is_red = np.abs(pixels - (200, 30, 30)).max(2) < 40
    assert not is_red[:8, :8].any()
    if height > 100:
        assert is_red[-height // 3 :].all()  # the picture itself stays
        assert (pixels[: height // 2].min(2) > 200).any()  # white letters


def test_what_cannot_be_drawn_is_said_and_the_others_are(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "fine.png")
    found = [
        Classes(str(tmp_path / "gone.png"), (("a", 1.0),)),
        Classes(str(tmp_path / "broken.png"), error="cannot be read"),
        Classes(str(tmp_path / "fine.png"), (("a", 1.0),)),
    ]
    (line,) = draw_predictions(TASKS["classification"], found, tmp_path / "drawn").failed
    assert "gone.jpg: " in line
    assert [path.name for path in (tmp_path / "drawn").glob("*.jpg")] == ["fine.jpg"]
    (line,) = draw_predictions(TASKS["classification"], found, tmp_path / "fine.png" / "below").failed
    assert "Not a directory" in line


def test_names_of_other_scripts_are_drawn_with_their_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (400, 300)).save(tmp_path / "x.png")
    pictures = []
    for name in ("кошка", "мошка", "σκύλος"):
        found = [Classes(str(tmp_path / "x.png"), ((name, 1.0),))]
        assert draw_predictions(TASKS["classification"], found, tmp_path / "drawn") == Drawn(1)
        pictures.append((tmp_path / "drawn" / "x.jpg").read_bytes())
    assert len(set(pictures)) == 3
    monkeypatch.setattr(fonts, "_FOLDERS", ())
    fonts.font_file.cache_clear()
    unseen = [Classes(str(tmp_path / "x.png"), (("a猫", 1.0),))]
    assert draw_predictions(TASKS["classification"], unseen, tmp_path / "drawn") == Drawn(1, letters="猫")
    fonts.font_file.cache_clear()
