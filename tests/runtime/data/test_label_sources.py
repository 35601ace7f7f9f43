"""Labels of images: several in a cell of a table, a column for each, tags beside images, and those of objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from listed import problem_of, problems_of, table, touch

from recipe_lang.check.checked import Value
from runtime.data.listing import Listing
from runtime.data.sources.catalog import SOURCES
from runtime.data.sources.scenes import scenes
from runtime.data.sources.table_labels import csv_flags, csv_labels, labels_of_objects, separator_of
from runtime.data.sources.tags import tags


def labels(listing: Listing) -> dict[str, list[str]]:
    return {sample.id: [listing.names[label] for label in sample.target] for sample in listing.samples}


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ('file,tags\n1.jpg,"sea, beach"\nsub/2.jpg,\n3.jpg,beach\n', ","),
        ("file,tags\n1.jpg,beach|sea|\nsub/2.jpg,\n3.jpg, beach\n", "|"),
        ("file;tags\n1.jpg;sea,beach\nsub/2.jpg;\n3.jpg;beach\n", ","),
        ("file,tags\n1.jpg,sea  beach\nsub/2.jpg,\n3.jpg,beach\n", " "),
        ("file,tags\n1.jpg,sea\nsub/2.jpg,\n3.jpg,beach\n./1.jpg,beach\n", ","),
    ],
    ids=["commas", "bars", "semicolons", "blanks", "a row for each label"],
)
def test_labels_in_cells(tmp_path: Path, text: str, separator: str) -> None:
    found = csv_labels(table(tmp_path, text), "file", "tags", separator)
    assert found.names == ("beach", "sea")
    assert labels(found) == {"1.jpg": ["beach", "sea"], "sub/2.jpg": [], "3.jpg": ["beach"]}


def test_columns_of_flags(tmp_path: Path) -> None:
    path = table(tmp_path, "file,sea,sun set,id\n1.jpg,1,0,7\nsub/2.jpg,0,0.0,8\n3.jpg,True,yes,9\n")
    found = csv_flags(path, "file", ["sun set", "sea"])
    assert found.names == ("sun set", "sea")
    assert [sample.target for sample in found.samples] == [(1,), (), (0, 1)]
    args = {"file": path, "image": "file", "labels": (Value("sea"),), "separator": ",", "root": None, "boxes": None}
    assert [sample.target for sample in SOURCES["csv"].load(args, True).samples] == [(0,), (), (0,)]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("file,tags\n1.jpg,a|b\n3.jpg,b|a\nsub/2.jpg,a\n", "E595", "`|` seems to stand there: `a|b`"),
        ('file,tags\n1.jpg,"a,b,a"\n', "E509", "line 2 of"),
        ('file,tags\n1.jpg,"a,b"\n1.jpg,a\n', "E509", "the image has `a` twice"),
        ("file,tags\n1.jpg,\n3.jpg,\n", "E596", "no image of"),
        ("file,tags\n,a\n", "E509", "the image is empty"),
        ("file,tags\n4.jpg,a\n", "E508", "4.jpg"),
        ("file,label\n1.jpg,a\n", "E507", "no column `tags`"),
        ("file,tags\n1.jpg,caf\u00e9\n3.jpg,cafe\u0301\n", "E578", "first in line 2"),
    ],
)
def test_cells_that_cannot_be_meant(tmp_path: Path, text: str, code: str, words: str) -> None:
    problem = problem_of(csv_labels, table(tmp_path, text), "file", "tags", ",")
    assert problem.code == code
    assert words in problem.message() + problem.help()


def test_flags_that_cannot_be_meant(tmp_path: Path) -> None:
    path = table(tmp_path, "file,a,b\n1.jpg,1,2\n3.jpg,,0\n")
    empty, other = problems_of(csv_flags, path, "file", ["a", "b"])
    assert (empty.code, other.code) == ("E509", "E509")
    assert "the `a` is empty" in empty.message()
    assert "`b` is `2`, neither 0 nor 1" in other.message()
    path.write_text("file,a,b\n1.jpg,1,0\n./1.jpg,0,0\n")
    assert problem_of(csv_flags, path, "file", ["a", "b"]).code == "E577"


def test_what_separates_labels() -> None:
    assert separator_of(["a|b", "b", "a"]) == "|"
    assert separator_of(["a b", "b c", "c a", "a"]) == " "
    assert separator_of(["big cat", "small dog"]) == ""  # no fewer names than cells
    assert separator_of(["", ""]) == ""


def test_tags_beside_images(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "sub/2.jpg", "3.jpg", "4.jpg", "notes.txt")
    for name, text in {"1": "sea, beach\n", "sub/2": "", "3": "beach\nsun  set\n"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    found = tags(tmp_path)
    assert found.names == ("beach", "sea", "sun set")
    assert labels(found) == {"1.jpg": ["beach", "sea"], "3.jpg": ["beach", "sun set"], "sub/2.jpg": []}
    assert {(each.path.name, each.is_image) for each in found.passed} == {("4.jpg", True), ("notes.txt", False)}


def test_tags_in_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "sub/2.jpg", "3.jpg")
    file = tmp_path / "tags.json"
    file.write_text(json.dumps({"1.jpg": ["sea", "beach"], "sub/2.jpg": []}))
    found = tags(tmp_path, file)
    assert labels(found) == {"1.jpg": ["beach", "sea"], "sub/2.jpg": []}
    assert [each.path.name for each in found.passed if each.is_image] == ["3.jpg"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("{", "E597", "it is not JSON in line 1"),
        ("[" * 100_000, "E597", "it is not JSON"),
        ('["1.jpg"]', "E597", "it is no object of images"),
        ('{"1.jpg": "sea"}', "E597", "`1.jpg` has no list of tags"),
        ('{"7.jpg": ["sea"]}', "E597", "`7.jpg` is no image of"),
        ('{"1.jpg": ["sea", "sea"]}', "E597", "an image has `sea` twice"),
        ('{"1.jpg": []}', "E596", "has a label in `tags.json`"),
    ],
)
def test_files_of_tags_that_cannot_be_used(tmp_path: Path, text: str, code: str, words: str) -> None:
    (touch(tmp_path, "1.jpg") / "tags.json").write_text(text)
    problem = problem_of(tags, tmp_path, tmp_path / "tags.json")
    assert problem.code == code
    assert words in problem.message()


def test_a_folder_without_tags(tmp_path: Path) -> None:
    assert problem_of(tags, touch(tmp_path, "1.jpg")).code == "E596"
    assert problem_of(tags, tmp_path / "nowhere").code == "E501"
    (tmp_path / "1.txt").write_bytes(b"caf\xe9")
    assert problem_of(tags, tmp_path).code == "E597"


def test_labels_of_objects() -> None:
    boxes = scenes("test")
    found = labels_of_objects(boxes)
    assert found.names == boxes.names
    for one, other in zip(found.samples, boxes.samples, strict=True):
        assert one.target == tuple(np.unique(other.target.classes).tolist())
