"""Sets that recipes draw by groups, time and shots, from tables and folders, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.data.listing import Listing
from runtime.data.sets import list_sets
from runtime.tasks.catalog import task_of
from runtime.vocabulary import VOCABULARY

STAGE = 'stage "head" {\n  train = head\n  for = 2 epochs\n}\n'


def sets(tmp_path: Path, *lines: str, task: str = "", settings: Sequence[str] = ()) -> dict[str, Listing]:
    data = "".join(f"  {line}\n" for line in (*lines, "batch = 2"))
    top = f"{task}\n" if task else ""
    text = f"ftr 1\nparam fold = 1 in 1 .. 3\n{top}data {{\n{data}}}\n{STAGE}"
    recipe = check(parse(Source(str(tmp_path / "recipe.ftr"), text)), VOCABULARY, settings)
    return list_sets(recipe, task_of(recipe))


def fault(tmp_path: Path, *lines: str, task: str = "") -> Problem:
    with pytest.raises(RecipeError) as caught:
        sets(tmp_path, *lines, task=task)
    return caught.value.problems[0]


def ids(listing: Listing) -> set[str]:
    return {sample.id for sample in listing.samples}


def table(folder: Path, *columns: str, rows: int = 48, name: str = "scans.csv", **cells: object) -> str:
    """Write a table of images with two classes, and columns of a cell for each number; return the source."""
    lines = [",".join(("file", "kind", *columns))]
    for number in range(rows):
        path = folder / f"{number}.png"
        if not path.exists():
            Image.new("L", (8, 8), number).save(path)
        more = [str(cells[column](number)) for column in columns]  # type: ignore[operator]
        lines.append(",".join((f"{number}.png", "ab"[number % 3 == 0], *more)))
    (folder / name).write_text("\n".join(lines) + "\n")
    return f'csv("{name}", image = "file", label = "kind")'


def test_groups_of_a_column_are_on_one_side_of_both_cuts(tmp_path: Path) -> None:
    source = table(tmp_path, "patient", patient=lambda n: f"p{n // 4}")
    by = 'holdout(25%, by = "patient")'
    found = sets(tmp_path, f"train = {source}", f"valid = {by}", f"test = {by}")
    groups = {name: {int(id[:-4]) // 4 for id in ids(each)} for name, each in found.items()}
    assert {name: len(each) for name, each in groups.items()} == {"train": 6, "valid": 3, "test": 3}
    assert len(set().union(*groups.values())) == 12
    assert found["valid"].notes == ("valid: 12 images (25.0%), 3 of 12 groups",)


def test_a_fold_is_chosen_by_a_parameter_and_groups_stay_together(tmp_path: Path) -> None:
    source = table(tmp_path, "patient", patient=lambda n: f"p{n // 4}")
    lines = (f"train = {source}", 'valid = folds(3, use = $fold, by = "patient")')
    found = [sets(tmp_path, *lines, settings=[f"fold={use}"])["valid"] for use in (1, 2, 3)]
    assert sorted(id for each in found for id in ids(each)) == sorted(f"{n}.png" for n in range(48))
    assert found[1].notes == ("valid: fold 2 of 3, 16 images (33.3%), 4 of 12 groups",)
    assert not set.intersection(*({int(id[:-4]) // 4 for id in ids(each)} for each in found[:2]))


def test_groups_of_folders_and_names(tmp_path: Path) -> None:
    for kind in "ab":
        for number in range(12):
            place = tmp_path / f"photos/{kind}/day{number // 3}/cam{number % 4}_{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), number).save(place)
    folders = sets(tmp_path, 'train = folder("photos")', "valid = holdout(25%, by = folder)")
    assert len({id.split("/")[1] for id in ids(folders["valid"])}) == 1  # of both classes
    assert len(ids(folders["valid"])) == 6
    names = sets(tmp_path, 'train = folder("photos")', 'valid = holdout(25%, by = pattern("(cam[0-9])_"))')
    assert len({id.split("/")[2][:4] for id in ids(names["valid"])}) == 1
    paths = sets(tmp_path, 'train = folder("photos")', 'valid = holdout(25%, by = pattern("/(day[0-9])/"))')
    assert ids(paths["valid"]) == ids(folders["valid"])
    found = fault(tmp_path, 'train = folder("photos")', 'valid = holdout(25%, by = pattern("cam[01]"))')
    assert (found.code, found.count, found.example) == ("E566", 12, "a/day0/cam2_2.png")
    assert found.span is not None
    assert found.span.text.startswith("holdout(25%")


def test_the_folder_of_a_class_is_no_group(tmp_path: Path) -> None:
    for kind in "ab":
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(6):
            Image.new("L", (8, 8), number).save(tmp_path / f"photos/{kind}/{number}.png")
    found = fault(tmp_path, 'train = folder("photos")', "valid = holdout(25%, by = folder)")
    assert (found.code, found.count) == ("E566", 12)


@pytest.mark.parametrize(
    ("cells", "line", "reason"),
    [
        (lambda n: "" if n == 5 else "p1", 7, "`patient` is empty"),
        (lambda n: "p1" if n else "", 2, "`patient` is empty"),
    ],
)
def test_a_row_without_a_group_is_refused(tmp_path: Path, cells: object, line: int, reason: str) -> None:
    source = table(tmp_path, "patient", patient=cells)
    found = fault(tmp_path, f"train = {source}", 'valid = holdout(25%, by = "patient")')
    assert (found.code, found.line, found.reason) == ("E509", line, reason)


def test_a_column_that_is_not_there_is_suggested(tmp_path: Path) -> None:
    source = table(tmp_path, "patient", patient=lambda n: f"p{n // 4}")
    found = fault(tmp_path, f"train = {source}", 'valid = holdout(25%, by = "patients")')
    assert (found.code, found.nearest) == ("E507", "patient")


def test_rows_of_objects_of_an_image_must_agree(tmp_path: Path) -> None:
    rows = ["file,kind,x0,y0,x1,y1,site"]
    for number in range(8):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
        rows += [f"{number}.png,{kind},1,1,5,5,{number // 2}" for kind in "ab"]
    (tmp_path / "cells.csv").write_text("\n".join(rows))
    source = 'train = csv("cells.csv", image = "file", label = "kind", boxes = ["x0", "y0", "x1", "y1"])'
    found = sets(tmp_path, source, 'valid = holdout(25%, by = "site")', "size = 64px", task="task = detection")
    assert len({int(id[0]) // 2 for id in ids(found["valid"])}) == 1
    (tmp_path / "cells.csv").write_text("\n".join([*rows[:-1], rows[-1][:-1] + "9"]))
    wrong = fault(tmp_path, source, 'valid = holdout(25%, by = "site")', "size = 64px", task="task = detection")
    assert (wrong.code, wrong.line) == ("E509", 17)
    assert wrong.reason == "`site` is `9`, and `3` in line 16, of the same image"


def test_the_newest_are_tested_and_those_before_them_validate(tmp_path: Path) -> None:
    source = table(tmp_path, "taken", taken=lambda n: f"2024-{1 + n % 12:02}-{1 + n // 12:02}")
    cut = 'holdout(25%, latest = "taken")'
    found = sets(tmp_path, f"train = {source}", f"valid = {cut}", f"test = {cut}")
    months = {name: {int(id[:-4]) % 12 for id in ids(each)} for name, each in found.items()}
    assert (months["test"], months["valid"]) == ({9, 10, 11}, {6, 7, 8})
    assert found["test"].notes == ("test: 12 images (25.0%), from 2024-10-01 on",)


@pytest.mark.parametrize(
    ("cells", "newest"),
    [
        (lambda n: n % 8, {7}),
        (lambda n: f"{n % 8}.5e1", {7}),
        (lambda n: f"2024-01-01T0{7 - n % 8}:00:00.25Z", {0}),
        (lambda n: f"2024-01-01 00:00+0{n % 8}:30", {0}),
        (lambda n: f"2024-0{1 + n % 8}", {7}),
    ],
    ids=["numbers", "exponents", "UTC", "zones", "months"],
)
def test_what_times_may_be(tmp_path: Path, cells: object, newest: set[int]) -> None:
    source = table(tmp_path, "taken", taken=cells)
    found = sets(tmp_path, f"train = {source}", 'valid = holdout(1%, latest = "taken")')
    assert {int(id[:-4]) % 8 for id in ids(found["valid"])} == newest


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("31.12.2024", "`taken` is `31.12.2024`, no date or number"),
        ("2024-02-30", "`taken` is `2024-02-30`, no date or number"),
        ("nan", "`taken` is `nan`, no date or number"),
        ("7", "`taken` is `7`, a number, and a date in line 2"),
        ("2024-02-01T12:00Z", "`taken` is `2024-02-01T12:00Z`, a time with a zone, and a date in line 2"),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(tmp_path: Path, odd: str, reason: str) -> None:
    source = table(tmp_path, "taken", taken=lambda n: odd if n == 3 else f"2024-01-{1 + n % 20:02}")
    found = fault(tmp_path, f"train = {source}", 'valid = holdout(25%, latest = "taken")')
    assert (found.code, found.line, found.reason) == ("E509", 5, reason)


def test_shots_leave_validation_and_test_whole(tmp_path: Path) -> None:
    lines = (f"train = {table(tmp_path)}", "valid = holdout(25%)", "test = holdout(25%)")
    before, after = sets(tmp_path, *lines), sets(tmp_path, *lines, "shots = 4 images")
    assert [ids(before[name]) == ids(after[name]) for name in ("valid", "test")] == [True, True]
    assert ids(after["train"]) < ids(before["train"])
    assert len(after["train"].samples) == 8


def test_groups_of_large_images_in_tiles_are_those_of_the_images(tmp_path: Path) -> None:
    source = table(tmp_path, "patient", patient=lambda n: f"p{n // 4}")
    (tmp_path / "cells.csv").write_text(
        "file,kind,x0,y0,x1,y1,site\n" + "".join(f"{n}.png,a,1,1,5,5,{n // 4}\n" for n in range(48))
    )
    assert source
    found = sets(
        tmp_path,
        'train = csv("cells.csv", image = "file", label = "kind", boxes = ["x0", "y0", "x1", "y1"])',
        'valid = holdout(25%, by = "site")',
        "tiles = tiles(64px)",
        "size = 64px",
        task="task = detection",
    )
    assert not {int(id[:-4]) // 4 for id in ids(found["valid"])} & {int(id[:-4]) // 4 for id in ids(found["train"])}
