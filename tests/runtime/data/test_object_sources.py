"""Where objects come from: VOC, COCO, YOLO and tables, and what is said when they cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_lang.problem import Problem, RecipeError
from runtime.data.listing import Listing
from runtime.data.sources.coco import coco
from runtime.data.sources.table_boxes import csv_boxes
from runtime.data.sources.voc import voc
from runtime.data.sources.yolo import read_data_yaml, yolo
from runtime.plan.size import Size


def problem_of(work: Callable[..., object], *args: Any) -> Problem:
    with pytest.raises(RecipeError) as caught:
        work(*args)
    (problem,) = caught.value.problems
    return problem


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def said(listing: Listing) -> dict[str, list[tuple[Any, ...]]]:
    """Return the objects of each image: class, corners, and words for difficult and crowd."""
    return {
        sample.id: [
            (listing.names[label], *corners, *(["difficult"] if difficult else []), *(["crowd"] if crowd else []))
            for label, corners, difficult, crowd in zip(
                sample.target.classes,
                sample.target.corners.tolist(),
                sample.target.difficult,
                sample.target.crowd,
                strict=True,
            )
        ]
        for sample in listing.samples
    }


# --- VOC --------------------------------------------------------------------------------------


def xml(*objects: str, size: tuple[int, int] = (20, 30), top: str = "") -> str:
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation>\n{top}{sides}\n{''.join(objects)}</annotation>\n"


def thing(name: str, *sides: float, difficult: int = 0) -> str:
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True))
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox>{part}</object>\n"


@pytest.fixture
def voc_folder(tmp_path: Path) -> Path:
    write(tmp_path / "Annotations/a.xml", xml(thing("dog", 1, 1, 10, 20), thing("cat", 3, 4, 3, 4, difficult=1)))
    write(tmp_path / "Annotations/b.xml", xml())
    write(tmp_path / "Annotations/c.xml", xml(thing("dog", 2.5, 1, 10, 20)))
    for name in "abc":
        write(tmp_path / f"JPEGImages/{name}.jpg")
    write(tmp_path / "ImageSets/Main/train.txt", "b 1\na -1\n\n")
    return tmp_path


def test_voc_counts_pixels_from_one_and_includes_the_last(voc_folder: Path) -> None:
    found = voc(voc_folder, None, None)
    assert said(found) == {
        "a": [("dog", 0, 0, 10, 20), ("cat", 2, 3, 3, 4, "difficult")],
        "b": [],
        "c": [("dog", 1.5, 0, 10, 20)],
    }
    assert found.names == ("cat", "dog")
    assert found.samples[0].target.frame == Size(30, 20)
    assert found.samples[0].image == voc_folder / "JPEGImages/a.jpg"


def test_voc_has_lists_of_its_own(voc_folder: Path) -> None:
    assert [sample.id for sample in voc(voc_folder, "train", None).samples] == ["a", "b"]
    problem = problem_of(voc, voc_folder, "trian", None)
    assert (problem.code, problem.help()) == ("E582", "did you mean `train`?")
    write(voc_folder / "ImageSets/Main/val.txt", "gone\n")
    assert problem_of(voc, voc_folder, "val", None).message().endswith("a list names its image")


def test_voc_beside_the_images(tmp_path: Path) -> None:
    write(tmp_path / "one/1.png")
    write(tmp_path / "one/1.xml", xml(thing("x", 1, 1, 5, 5)))
    write(tmp_path / "2.jpeg")
    write(tmp_path / "2.xml", xml(thing("y", 1, 1, 5, 5), top="<filename>other.jpg</filename>"))
    found = voc(tmp_path, None, None)
    assert list(said(found)) == ["2", "one/1"]
    assert found.samples[0].image == tmp_path / "2.jpeg"


def test_classes_of_the_recipe_keep_their_order_and_leave_out_others(voc_folder: Path) -> None:
    found = voc(voc_folder, None, ("dog",))
    assert found.names == ("dog",)
    assert said(found)["a"] == [("dog", 0, 0, 10, 20)]
    assert found.dropped == {"of classes that `classes` does not name": 1}
    problem = problem_of(voc, voc_folder, None, ("dog", "cta"))
    assert (problem.code, problem.nearest) == ("E584", "cat")


def test_boxes_that_make_no_sense_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "1.jpg")
    rows = [
        thing("x", 9, 1, 5, 5),
        thing("x", 5, 5, 4, 9),
        thing("x", 25, 1, 40, 5),
        thing("x", 19, 1, 24, 5),
        thing("x", 15, 1, 24, 5),
    ]
    write(tmp_path / "1.xml", xml(*rows))
    found = voc(tmp_path, None, None)
    assert found.dropped == {"inverted": 1, "outside of their image": 2, "without an area": 1}
    assert said(found)["1"] == [("x", 14, 0, 24, 5)]  # clipped where the image is known


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("<annotation>\n<object></annotation>", 2, "it is not XML"),
        (xml("<object><name>x</name></object>"), 3, "an object has no `xmin`"),
        (xml("\n", thing("x", 1, 1, "one", 5)), 4, "`xmax` is `one`, no number"),  # type: ignore[arg-type]
        (xml(thing("x", 1, 1, float("nan"), 5)), 3, "no place in an image"),
        ("<html></html>", 0, "an annotation of VOC with `<annotation>`"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', 0, "it declares entities"),
        ("<annotation>" + "<a>" * 99, 1, "nested more than 64 deep"),
        ("", 1, "it is not XML"),
    ],
)
def test_a_damaged_annotation_is_named_with_its_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    write(tmp_path / "1.jpg")
    path = write(tmp_path / "1.xml", text)
    problem = problem_of(voc, tmp_path, None, None)
    assert (problem.code, problem.path, problem.line) == ("E579", str(path), line)
    assert reason in problem.message()


def test_background_is_no_class(tmp_path: Path) -> None:
    write(tmp_path / "1.jpg")
    write(tmp_path / "1.xml", xml(thing("__background__", 1, 1, 5, 5), thing("x", 1, 1, 5, 5)))
    assert problem_of(voc, tmp_path, None, None).code == "E580"
    assert voc(tmp_path, None, ("x",)).names == ("x",)


def test_nothing_there(tmp_path: Path) -> None:
    assert problem_of(voc, tmp_path, None, None).code == "E583"
    write(tmp_path / "1.jpg")
    write(tmp_path / "1.xml", xml())
    assert problem_of(voc, tmp_path, None, None).code == "E586"
    assert voc(tmp_path, None, None, False).names == ()


# --- COCO -------------------------------------------------------------------------------------


def coco_file(root: Path, **changes: Any) -> Path:
    plain: dict[str, Any] = {
        "images": [
            {"id": 70, "file_name": "b.jpg", "width": 20, "height": 30},
            {"id": 9, "file_name": "in/a.jpg", "width": 20, "height": 30},
            {"id": 1, "file_name": "c.jpg", "width": 20, "height": 30},
        ],
        "annotations": [
            {"id": 5, "image_id": 9, "category_id": 17, "bbox": [1, 2, 3, 4], "area": 7.5, "iscrowd": 0},
            {"id": 900, "image_id": 9, "category_id": 3, "bbox": [0, 0, 9.5, 4], "iscrowd": 1},
            {"id": 2, "image_id": 70, "category_id": 17, "bbox": [5, 5, 0, 4]},
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 3, "name": "bear"}, {"id": 0, "name": "background"}],
    }
    for each in plain["images"]:
        write(root / each["file_name"])
    return write(root / "instances.json", json.dumps(plain | changes, indent=1))


def test_coco_goes_by_ids(tmp_path: Path) -> None:
    found = coco(tmp_path, coco_file(tmp_path), None)
    assert said(found) == {
        "b.jpg": [],
        "c.jpg": [],
        "in/a.jpg": [("cat", 1, 2, 4, 6), ("bear", 0, 0, 9.5, 4, "crowd")],
    }
    assert found.names == ("bear", "cat")  # a category without objects is no class
    assert found.samples[2].target.areas.tolist() == [7.5, 38]
    assert found.dropped == {"without an area": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": None}, "it has no lists `images`, `annotations`, `categories`"),
        ({"categories": [{"id": 1}]}, "category 1 has no `name`"),
        ({"categories": [{"id": True, "name": "x"}]}, "category 1 has no `id`"),
        ({"categories": [{"id": 1, "name": "x"}] * 2}, "two of its rows of category have the id 1"),
        ({"annotations": [{"image_id": 8, "category_id": 17}]}, "the image 8, which is not in the file"),
        ({"annotations": [{"image_id": 9, "category_id": 4}]}, "the category 4, which is not in the file"),
        ({"annotations": [{"image_id": 9, "category_id": 17, "bbox": [1, 2, 3]}]}, "not four numbers"),
        ({"annotations": [7]}, "annotation 1 is no object of JSON"),
        ({"images": [{"id": 1, "file_name": "../x.jpg"}], "annotations": []}, "outside of the folder"),
        (
            {"images": [{"id": 1, "file_name": "x.jpg"}, {"id": 2, "file_name": "./x.jpg"}], "annotations": []},
            "one `file",
        ),
    ],
)
def test_coco_files_that_make_no_sense(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    problem = problem_of(coco, tmp_path, coco_file(tmp_path, **changes), None)
    assert problem.code == "E579"
    assert reason in problem.message()


def test_coco_that_is_no_json(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", '{"images": [\n  oops]}')
    assert problem_of(coco, tmp_path, path, None).line == 2
    assert problem_of(coco, tmp_path, write(path, "[" * 100_000), None).code == "E579"


def test_coco_without_its_images(tmp_path: Path) -> None:
    path = coco_file(tmp_path)
    (tmp_path / "b.jpg").unlink()
    assert problem_of(coco, tmp_path, path, None).code == "E585"


# --- YOLO -------------------------------------------------------------------------------------


@pytest.fixture
def yolo_folder(tmp_path: Path) -> Path:
    write(
        tmp_path / "data.yaml",
        "path: /gone  # of another machine\ntrain: ../images/train\nval: images/val\nnc: 2\nnames: ['dog', cat]\n",
    )
    write(tmp_path / "images/train/1.jpg")
    write(tmp_path / "images/train/2.jpg")
    write(tmp_path / "images/val/3.jpg")
    write(tmp_path / "labels/train/1.txt", "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.3 0.1 0.3 0.5\n")
    write(tmp_path / "labels/val/3.txt", "0 .5 .5 1 1\n")
    return tmp_path


def test_yolo_has_fractions_and_outlines(yolo_folder: Path) -> None:
    found = yolo(yolo_folder, "train", None)
    rows = said(found)
    assert list(rows) == ["images/train/1.jpg", "images/train/2.jpg"]
    assert rows["images/train/2.jpg"] == []
    boxes = found.samples[0].target.at(Size(100, 200))
    np.testing.assert_allclose(boxes.corners, [[80, 30, 120, 70], [20, 10, 60, 50]])
    np.testing.assert_allclose(boxes.areas, [1600, 1600])
    assert [found.names[label] for label in boxes.classes] == ["cat", "dog"]
    assert yolo(yolo_folder / "data.yaml", "valid", None).names == ("dog",)
    assert problem_of(yolo, yolo_folder, "test", None).there == ("train", "val")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("1 0.5 0.5 0.2", 1, "this has 4 cells"),
        ("0 .5 .5 .1 .1\ncat .5 .5 .1 .1", 2, "the class is `cat`"),
        ("2 .5 .5 .1 .1", 1, "the class is 2, and there are 2, from 0 on"),
        ("0 320 200 10 10", 1, "are these pixels?"),
        ("0 .5 .5 .1 inf", 1, "no place in an image"),
    ],
)
def test_yolo_lines_that_make_no_sense(yolo_folder: Path, text: str, line: int, reason: str) -> None:
    path = write(yolo_folder / "labels/train/1.txt", text)
    problem = problem_of(yolo, yolo_folder, "train", None)
    assert (problem.code, problem.path, problem.line) == ("E579", str(path), line)
    assert reason in problem.message()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names:\n  0: a b\n  1: 'c'\n", ("a b", "c")),
        ('names:\n- a\n- "c: d"\n', ("a", "c: d")),
        ("names: [a,\n  'b, c'] # two\nnc: 2", ("a", "b, c")),
        ("names: {0: a, 1: b}", ("a", "b")),
    ],
)
def test_forms_of_data_yaml(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    assert read_data_yaml(write(tmp_path / "data.yaml", text))["names"] == names


def test_data_yaml_with_a_gap_or_without_names(yolo_folder: Path) -> None:
    write(yolo_folder / "data.yaml", "train: images/train\nnames:\n  0: a\n  2: b\n")
    assert "are not 0, 1, 2" in problem_of(yolo, yolo_folder, "train", None).message()
    write(yolo_folder / "data.yaml", "train: images/train\n")
    assert "no list `names`" in problem_of(yolo, yolo_folder, "train", None).message()
    (yolo_folder / "data.yaml").unlink()
    assert problem_of(yolo, yolo_folder, "train", None).code == "E583"


# --- tables -----------------------------------------------------------------------------------

SIDES = ("x0", "y0", "x1", "y1")


def test_a_table_has_a_row_for_each_object(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.jpg")
    text = "file,kind,x0,y0,x1,y1\n./a.jpg,cat,1,2,3.5,4\na.jpg,dog,0,0,9,9\nb.jpg,,,,,\n"
    found = csv_boxes(write(tmp_path / "t.csv", text), "file", "kind", SIDES, None, None)
    assert said(found) == {"a.jpg": [("cat", 1, 2, 3.5, 4), ("dog", 0, 0, 9, 9)], "b.jpg": []}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg,cat,1,2,,4", "`x1` is ``, no number"),
        ("a.jpg,,1,2,3,4", "`kind` is empty"),
        (",cat,1,2,3,4", "image is empty"),
    ],
)
def test_rows_that_make_no_sense(tmp_path: Path, row: str, reason: str) -> None:
    write(tmp_path / "a.jpg")
    path = write(tmp_path / "t.csv", f"file,kind,x0,y0,x1,y1\na.jpg,cat,1,2,3,4\n{row}\n")
    problem = problem_of(csv_boxes, path, "file", "kind", SIDES, None, None)
    assert (problem.code, problem.line) == ("E579", 3)
    assert reason in problem.message()
