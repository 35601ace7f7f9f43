"""`ftr data check` on boxes: each planted fault is found, shown on the page, and a clean set has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from runtime.data.boxes import Boxes
from runtime.plan.size import Size
from runtime.tasks.detection.findings import compared, of_image

Row = tuple[str, float, float, float, float]
RECIPE = """ftr 1
name = "cells"
task = detection
seed = 1
data {
  train = voc("cells", split = "train")
  valid = voc("cells", split = "val")
  size  = 64px
  batch = 2
}
stage "head" {
  train     = head
  for       = 1 epoch
  optimizer = adam(lr = 1e-3)
}
"""


class Cells:
    """A set in the layout of VOC: eight clean images, of which faults are made."""

    def __init__(self, root: Path) -> None:
        self.root, self.recipe = root / "cells", root / "cells.ftr"
        self.recipe.write_text(RECIPE)
        for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (self.root / name).mkdir(parents=True)
        for number in range(8):
            self.image(f"{number}", number)
            self.boxes(f"{number}", ("red", 11, 11, 60, 60), ("white", 81, 21, 120, 90))
        self.split("train", *range(5))
        self.split("val", *range(5, 8))

    def image(self, name: str, seed: int, exif: Image.Exif | None = None) -> None:
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
        picture.save(self.root / f"JPEGImages/{name}.jpg", exif=exif or Image.Exif())

    def boxes(self, name: str, *rows: Row, size: tuple[int, int] = (160, 120)) -> None:
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
            "</bndbox></object>"
            for label, x0, y0, x1, y1 in rows
        )
        sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        (self.root / f"Annotations/{name}.xml").write_text(f"<annotation>{sides}{objects}</annotation>")

    def split(self, name: str, *ids: object) -> None:
        (self.root / f"ImageSets/Main/{name}.txt").write_text("".join(f"{each}\n" for each in ids))


def turned(cells: Cells) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    cells.image("1", 1, exif)


GOOD: Row = ("red", 11, 11, 60, 60)
FAULTS: dict[str, tuple[Callable[[Cells], None], str]] = {
    "box_inverted": (lambda cells: cells.boxes("1", GOOD, ("white", 90, 20, 40, 50)), "white: 89, 19, 40, 50"),
    "box_outside": (lambda cells: cells.boxes("1", GOOD, ("white", 301, 20, 340, 50)), "white: 300, 19, 340, 50"),
    "box_empty": (lambda cells: cells.boxes("1", GOOD, ("white", 31, 20, 30, 50)), "white: 30, 19, 30, 50"),
    "box_classes": (lambda cells: cells.boxes("1", GOOD, ("white", *GOOD[1:])), "red and white"),
    "box_twice": (lambda cells: cells.boxes("1", GOOD, ("red", 11, 11, 60, 61)), "red 1"),
    "tiny": (lambda cells: cells.boxes("1", GOOD, ("red", 101, 20, 103, 50)), "1 object, the least 1.2 x"),
    "empty": (lambda cells: cells.boxes("1"), ""),
    "frame": (turned, "the image is turned (EXIF), and its annotation is not"),
    "scaled": (lambda cells: cells.boxes("1", GOOD, size=(320, 240)), "its annotation is of"),
    "one_set": (
        lambda cells: [cells.boxes(f"{number}", GOOD) for number in range(5, 8)] and None,
        "white: 5 objects in train, none in valid",
    ),
    "labels": (lambda cells: cells.image("5", 1), ""),
    "leaks": (lambda cells: cells.image("5", 1), "all 2 boxes agree"),
}


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cells:
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))
    return Cells(tmp_path)


def found(cells: Cells, ftr: Ftr) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ftr("data", "check", cells.recipe, "--json").out)["found"]
    return told


def test_a_clean_set_has_no_findings(cells: Cells, ftr: Ftr) -> None:
    assert found(cells, ftr) == {}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_found(kind: str, cells: Cells, ftr: Ftr) -> None:
    fault, note = FAULTS[kind]
    fault(cells)
    if kind == "labels":
        cells.boxes("5", GOOD)
        note = "1 of 2 boxes agree"
    told = found(cells, ftr)
    beside = {"frame": {"turned"}}.get(kind, set())
    assert set(told) == {kind} | beside
    assert note in told[kind]["groups"][0]["note"]


def test_the_page_shows_boxes(cells: Cells, ftr: Ftr, tmp_path: Path) -> None:
    FAULTS["box_inverted"][0](cells)
    assert ftr("data", "check", cells.recipe, "--html", tmp_path / "one.html", "--strict").code == 1
    page = (tmp_path / "one.html").read_text()
    assert "<b>1 x red</b>" in page
    assert "white: 89, 19, 40, 50" in page
    cells.boxes("1", GOOD, ("white", 90, 20, 50, 50))
    ftr("data", "check", cells.recipe, "--html", tmp_path / "two.html")
    pictures = [text.partition("base64,")[2].partition('"')[0] for text in (page, (tmp_path / "two.html").read_text())]
    assert pictures[0] != pictures[1]  # what takes no part is drawn


def test_boxes_of_a_mirror_image_agree_too() -> None:
    frame = Size(100, 200)
    one = Boxes.of([[10, 10, 50, 50], [60, 20, 90, 80]], [0, 1], frame=frame)
    mirrored = Boxes.of([[150, 10, 190, 50], [110, 20, 140, 80]], [0, 1], frame=frame)
    assert compared(one, one) == compared(one, mirrored) == "all 2 boxes agree"
    other = Boxes.of([[10, 10, 50, 50], [60, 20, 90, 80]], [0, 0], frame=frame)
    assert compared(one, other) == "1 of 2 boxes agree"
    assert compared(Boxes.of([], [], frame=frame), Boxes.of([], [], frame=frame)) == "both without objects"


def test_fractions_are_of_any_image() -> None:
    from runtime.data.boxes import FRACTIONS

    boxes = Boxes.of([[0.1, 0.1, 0.5, 0.5]], [0], frame=FRACTIONS)
    assert not list(of_image(boxes, Size(300, 200), Size(64, 64), ("a",)))
