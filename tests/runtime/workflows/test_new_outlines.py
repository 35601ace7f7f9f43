"""`ftr new` for images with outlines: COCO's polygons and LabelMe's files; what it writes trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image, ImageDraw

from runtime.workflows.new.scan import survey

SIZE = (96, 64)
KINDS = {"hexagon": 6, "triangle": 3}
SETS = {"train": range(16), "val": range(16, 20)}
Shape = tuple[str, list[list[float]]]


def pictures(folder: Path, numbers: range) -> list[tuple[str, list[Shape]]]:
    """Write pictures of one shape or two; return the name of each, and its shapes."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in numbers:
        rng = np.random.default_rng(number)
        picture = Image.fromarray(rng.normal(90, 10, (64, 96, 3)).clip(0, 255).astype(np.uint8))
        shapes: list[Shape] = []
        for name in list(KINDS)[number % 2 :]:
            radius, x, y = rng.uniform(9, 14), rng.uniform(15, 80), rng.uniform(15, 49)
            turns = [2 * pi * step / KINDS[name] for step in range(KINDS[name])]
            shapes.append((name, [[x + radius * cos(turn), y + radius * sin(turn)] for turn in turns]))
            points = [(x, y) for x, y in shapes[-1][1]]
            ImageDraw.Draw(picture).polygon(points, fill=(220, 60, 60) if name == "triangle" else (60, 90, 220))
        picture.save(folder / f"{number:02}.png")
        found.append((f"{number:02}.png", shapes))
    return found


def coco(root: Path, boxes: bool = False) -> None:
    (root / "annotations").mkdir(parents=True)
    for called, numbers in SETS.items():
        images: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for id, (name, shapes) in enumerate(pictures(root / "images" / called, numbers)):
            images.append({"id": id, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
            for kind, points in shapes:
                row = {"id": len(rows), "image_id": id, "category_id": KINDS[kind], "segmentation": [sum(points, [])]}
                rows.append(row | ({"bbox": [*points[0], 9, 9]} if boxes else {}))
        categories = [{"id": id, "name": name} for name, id in KINDS.items()]
        plain = {"images": images, "annotations": rows, "categories": categories}
        (root / "annotations" / f"instances_{called}.json").write_text(json.dumps(plain))


def labelme(root: Path, apart: str = "") -> None:
    """Write files of LabelMe beside their images, or with these in a folder next to theirs."""
    for called, numbers in SETS.items():
        place = root / called
        place.mkdir(parents=True)
        for name, shapes in pictures(place / apart, numbers):
            rows = [{"label": kind, "points": points, "shape_type": "polygon"} for kind, points in shapes]
            plain = {"version": "5.4", "shapes": rows, "imagePath": f"{apart}\\{name}" if apart else name}
            (place / name).with_suffix(".json").write_text(json.dumps(plain))


@pytest.mark.parametrize(("write", "source"), [(coco, "coco"), (labelme, "labelme")])
def test_what_is_written_trains(write: Callable[[Path], None], source: str, tmp_path: Path, ftr: Ftr) -> None:
    write(tmp_path / "shapes")
    recipe = tmp_path / "shapes.ftr"
    assert "masks of background, hexagon and triangle" in ftr("new", tmp_path / "shapes", "-o", recipe).out
    text = recipe.read_text()
    assert "task = segmentation" in text
    assert text.count(f"= {source}(") == 2
    assert "[64px, 96px]" in text
    assert ftr("check", recipe, "--deny-warnings").code == 0
    assert "train 16 (masks of 3 classes), valid 4" in ftr("plan", recipe).out
    few, epochs = text.partition(" epochs")[0], text.partition(" epochs")[2]
    recipe.write_text(f"{few.rstrip('0123456789')}2 epochs{epochs}")
    assert ftr("run", recipe, "--quiet", "--out", tmp_path / "run").code == 0
    assert [row["name"] for row in json.loads((tmp_path / "run/result.json").read_text())["valid"]["by_class"]] == [
        "background",
        *KINDS,
    ]


def test_outlines_with_boxes_are_objects_unless_asked_otherwise(tmp_path: Path) -> None:
    coco(tmp_path / "shapes", boxes=True)
    found = survey(str(tmp_path / "shapes"))
    assert found.task == "detection"
    assert any(note.startswith("24 objects have outlines as well: `ftr new") for note in found.notes)
    assert survey(str(tmp_path / "shapes"), "segmentation").train.names == ("background", *KINDS)


def test_classes_are_those_of_training_in_every_set(tmp_path: Path) -> None:
    coco(tmp_path / "shapes")
    file = tmp_path / "shapes/annotations/instances_val.json"
    plain = json.loads(file.read_text())
    plain["categories"][0]["name"] = "square"
    file.write_text(json.dumps(plain))
    found = survey(str(tmp_path / "shapes"))
    assert found.sets["valid"].listing.names == ("background", *KINDS)
    assert "Background in the valid set, since no image of train shows them: `square`." in found.notes


def test_images_may_lie_where_a_file_of_labelme_says(tmp_path: Path) -> None:
    labelme(tmp_path / "shapes", apart="photos")
    found = survey(str(tmp_path / "shapes"))
    assert found.train.samples[0].id == "photos/00.png"
    assert (found.train.samples[0].target.stored() > 0).any()
