"""Classes deeper than one level, images chosen by their names, tables of JSON lines."""

from __future__ import annotations

from pathlib import Path

from listed import problem_of, touch

from runtime.data.sources.files import Layout, folder
from runtime.data.sources.skipped import passed_line
from runtime.data.sources.table_labels import csv_labels
from runtime.data.sources.tables import csv_classes


def test_classes_at_the_second_level(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "animals", "day/cat/1.jpg", "day/dog/a/2.jpg", "night/cat/3.jpg", "night/cat/1.jpg", "day/4.jpg"
    )
    found = folder(root, layout=Layout(2))
    assert found.names == ("cat", "dog")
    assert [(each.id, each.target) for each in found.samples] == [
        *(("day/cat/1.jpg", 0), ("night/cat/1.jpg", 0), ("night/cat/3.jpg", 0), ("day/dog/a/2.jpg", 1))
    ]
    assert passed_line(found.passed) == "ignored 4.jpg: beside the class folders"
    by_path = folder(root, layout=Layout(2, by_path=True))
    assert by_path.names == ("day/cat", "day/dog", "night/cat")
    assert [each.target for each in by_path.samples] == [0, 1, 2, 2]
    assert folder(root).names == ("day", "night")
    assert folder(touch(tmp_path / "sets", "train/a/1.jpg", "test/b/1.jpg"), layout=Layout(2)).names == ("a", "b")
    assert problem_of(folder, root, layout=Layout(3)).code == "E505"


def test_images_of_some_names_alone(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1_rgb.png", "a/1_depth.png", "b/2_rgb.png", "b/2_depth.png")
    found = folder(root, layout=Layout(only="*_rgb.png"))
    assert [each.id for each in found.samples] == ["a/1_rgb.png", "b/2_rgb.png"]
    assert passed_line(found.passed) == "ignored 2 files: 2 .png (not called *_rgb.png)"
    assert problem_of(folder, root, layout=Layout(only="*.jpg")).code == "E504"


def test_tables_of_json_lines(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    table = tmp_path / "metadata.jsonl"
    table.write_text('{"file_name": "1.jpg", "label": 3, "tags": ["a", "b"]}\n\n{"label": 12, "file_name": "2.jpg"}\n')
    found = csv_classes(table, "file_name", "label")
    assert (found.names, [(each.id, each.target) for each in found.samples]) == (
        ("3", "12"),
        [("1.jpg", 0), ("2.jpg", 1)],
    )
    assert [each.target for each in csv_labels(table, "file_name", "tags", ",").samples] == [(0, 1), ()]
    table.write_text('{"file_name": "1.jpg", "label": 3}\n["2.jpg"]\n')
    problem = problem_of(csv_classes, table, "file_name", "label")
    assert (problem.code, "line 2 is no JSON object" in problem.message()) == ("E506", True)
    table.write_text("\n")
    assert "it has no rows" in problem_of(csv_classes, table, "file_name", "label").message()
