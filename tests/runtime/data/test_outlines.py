"""Masks from outlines: areas beside another way to fill them, COCO's polygons and runs, LabelMe's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.data.listing import Listing
from runtime.data.painted import Area, filled
from runtime.data.sources.outlines import coco_masks, labelme
from runtime.plan.size import Size


@pytest.mark.parametrize("seed", range(6))
def test_a_pixel_is_inside_where_its_middle_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = rng.uniform(-4, 24, (int(rng.integers(3, 9)), 2))
    ring = np.round(ring) if seed % 2 else ring
    ends = list(zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True))

    def inside(x: float, y: float) -> bool:
        """Count the edges to the left."""
        crossed = [(y0 <= y) != (y1 <= y) and x >= x0 + (y - y0) * (x1 - x0) / (y1 - y0) for (x0, y0), (x1, y1) in ends]
        return sum(crossed) % 2 == 1

    expected = [[inside(x + 0.5, y + 0.5) for x in range(20)] for y in range(15)]
    np.testing.assert_array_equal(filled(ring, Size(15, 20)), expected)


def test_runs_go_down_the_columns() -> None:
    """Worked out by hand: three pixels outside, four inside, five outside, of four rows and three columns."""
    np.testing.assert_array_equal(
        Area(1, runs=(3, 4, 5)).inside(Size(4, 3)), [[0, 1, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]]
    )


SQUARE = [2, 2, 8, 2, 8, 8, 2, 8]


def written(root: Path, *annotations: dict[str, Any]) -> Listing:
    for name in ("a", "b"):
        Image.new("RGB", (12, 10)).save(root / f"{name}.png")
    rows = [
        {"id": n, "image_id": 7, "bbox": [0, 0, 1, 1], "category_id": 3, **each} for n, each in enumerate(annotations)
    ]
    plain = {
        "images": [
            {"id": n, "file_name": f"{name}.png", "height": 10, "width": 12} for n, name in ((7, "a"), (9, "b"))
        ],
        "annotations": rows,
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
    }
    (root / "set.json").write_text(json.dumps(plain))
    return coco_masks(root, root / "set.json", None)


def test_coco_as_masks(tmp_path: Path) -> None:
    inner = {"segmentation": [[4, 4, 6, 4, 6, 6, 4, 6]], "category_id": 90}
    runs = {"segmentation": {"size": [10, 12], "counts": [110, 10]}, "category_id": 90, "iscrowd": 1}
    found = written(tmp_path, inner, {"segmentation": [SQUARE]}, runs)
    assert found.names == ("background", "cat", "dog")
    expected = np.zeros((10, 12), np.uint8)
    expected[2:8, 2:8], expected[4:6, 4:6], expected[:, 11] = 1, 2, 2  # the smaller area lies above
    np.testing.assert_array_equal(found.samples[0].target.read(Size(10, 12)), expected)
    assert not found.samples[1].target.stored().any()
    text = {
        "segmentation": {"size": [10, 12], "counts": "^3:"},
        "category_id": 90,
    }  # 110 and 10, as pycocotools packs them
    np.testing.assert_array_equal(
        written(tmp_path, {"segmentation": [SQUARE]}, text).samples[0].target.stored() == 2, expected_column()
    )


def expected_column() -> Any:
    column = np.zeros((10, 12), bool)
    column[:, 11] = True
    return column


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "has no `segmentation`"),
        ({"segmentation": [[1, 2, 3, 4]]}, "three points or more"),
        ({"segmentation": {"counts": [5, 6]}}, "runs of 11 pixels"),
        ({"segmentation": {"counts": "\x01"}}, "no runs of COCO"),
        ({"segmentation": {"counts": [-1, 121]}}, "no lengths of runs"),
    ],
)
def test_coco_that_gives_no_masks(row: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=words):
        written(tmp_path, row)


def shapes(*rows: tuple[str, str, list[list[float]]]) -> dict[str, Any]:
    return {
        "imagePath": "..\\photos\\a.png",
        "imageHeight": 10,
        "imageWidth": 12,
        "shapes": [{"label": label, "shape_type": kind, "points": points} for label, kind, points in rows],
    }


def test_labelme(tmp_path: Path) -> None:
    Image.new("RGB", (12, 10)).save(tmp_path / "a.png")
    rows = [
        ("road", "polygon", [[2, 2], [8, 2], [8, 8], [2, 8]]),
        ("sign", "rectangle", [[6, 6], [4, 4]]),
        ("lamp", "circle", [[10, 5], [10, 6.5]]),
        ("road", "point", [[0, 0]]),
    ]
    (tmp_path / "a.json").write_text(json.dumps(shapes(*rows)))
    found = labelme(tmp_path, None)
    assert found.names == ("background", "lamp", "road", "sign")
    classes = found.samples[0].target.read(Size(10, 12))
    assert [int((classes == each).sum()) for each in range(1, 4)] == [4, 32, 4]
    assert labelme(tmp_path, ["sign"]).names == ("background", "sign")
    with pytest.raises(RecipeError, match="sgin"):
        labelme(tmp_path, ["sgin"])
    (tmp_path / "a.json").write_text(json.dumps(shapes(("road", "mask", []))))
    with pytest.raises(RecipeError, match="no area that can be read"):
        labelme(tmp_path, None)
