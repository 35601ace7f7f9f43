"""`ftr new`: whether a table has classes or numbers, and the recipe for numbers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from new_recipes import New, augments, call, monitors, photos, table, text

from recipe_lang.check.checked import CheckedRecipe
from runtime.data.sets import list_sets
from runtime.tasks.regression.task import REGRESSION


def leaves(root: Path, columns: str, cells: Callable[[int], str], count: int = 60) -> Path:
    """Write a table beside `count` images: `file`, and what `cells` has of each number."""
    photos(root, {"": count})
    return table(root / "leaves.csv", f"file,{columns}", *(f"{n}.png,{cells(n)}" for n in range(count)))


def learned(recipe: CheckedRecipe) -> tuple[str, str]:
    """Return the task and the column of its targets."""
    args = recipe.block("data")["train"].args
    return recipe["task"], args["label"].value or args["target"].value


@pytest.mark.parametrize(
    ("columns", "cells", "asked", "target", "told"),
    [
        ("weight", lambda n: f"{n / 8}", "", ("regression", "weight"), ""),
        ("label", lambda n: f"{n / 8}", "", ("regression", "label"), ""),  # as classes, one for each image
        ("label", lambda n: f"{n % 12 / 8}", "", ("regression", "label"), "`label` can be classes"),
        ("label", lambda n: f"{n % 12 / 8}", "classification", ("classification", "label"), "`label` holds numbers"),
        ("level", lambda n: f"{n % 12 / 8}", "classification", ("classification", "level"), "`level` holds numbers"),
        ("grade", lambda n: f"{n % 2}", "", ("classification", "grade"), ""),
        ("grade", lambda n: f"{n % 5}", "", ("classification", "grade"), "5 different whole numbers, taken for clas"),
        ("grade", lambda n: f"{n % 5}", "regression", ("regression", "grade"), "5 different whole numbers: `ftr new"),
        ("age", lambda n: f"{n % 20}", "", ("classification", "age"), "`ftr new … --task regression --force` learns"),
        ("age", lambda n: f"{n % 21}", "", ("regression", "age"), "`ftr new … --task classification --force` learns"),
        ("label", lambda n: f"{n % 25}", "", ("classification", "label"), "25 different whole numbers, taken for clas"),
        ("class_id", lambda n: f"{n % 25}", "", ("classification", "class_id"), "25 different whole numbers, taken"),
        ("id,grams", lambda n: f"{n},{100 + 7 * n}", "", ("regression", "grams"), ""),
        ("length,score", lambda n: f"{n / 4},{n / 8}", "", ("regression", "score"), "could be meant: `length`"),
        ("kind,grams", lambda n: f"{'ab'[n % 2]},{n / 8}", "", ("classification", "kind"), "`grams` holds numbers"),
        ("kind,grams", lambda n: f"{'ab'[n % 2]},{n / 8}", "regression", ("regression", "grams"), "`kind` can be"),
    ],
)
def test_the_task_is_that_of_the_column(
    new: New,
    tmp_path: Path,
    columns: str,
    cells: Callable[[int], str],
    asked: str,
    target: tuple[str, str],
    told: str,
) -> None:
    recipe = new(leaves(tmp_path / "leaves", columns, cells), *(("--task", asked) if asked else ()))
    assert learned(recipe) == target
    notes = text().partition("ftr 1")[0].replace("\n#", "")
    assert told in notes if told else "could be meant" not in notes and "learns them" not in notes


def test_the_command_for_the_other_task_works_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    leaves(tmp_path / "people", "age", lambda n: f"{n % 30}")
    _, said = call("people/leaves.csv", "-o", "made.ftr")
    assert "task = regression" in text()
    (command,) = re.findall("`(ftr new .*?)`", " ".join(said.split()))
    assert command == "ftr new people/leaves.csv --out made.ftr --task classification --force"
    assert call(*shlex.split(command)[2:])[0] == 0
    assert "task =" not in text()


def test_a_recipe_for_numbers(new: New, tmp_path: Path) -> None:
    recipe = new(leaves(tmp_path / "leaves", "weight", lambda n: f"{n / 8}", 400))
    assert recipe["head"][-1].value.args["units"].value == "targets"
    assert set(map(str, monitors(recipe))) == {"valid.mae"}
    said = text().replace("\n#", "").replace("         ", "")
    assert "400 images, weight 0 to 49.88. The median as the answer for every image has an MAE of 12.5" in said
    assert "60 images, stratified by value" in said
    assert "expect { test.mae <= … }" in said
    assert augments(recipe) == ["flip"]
    assert "class" not in said


def test_class_folders_go_before_numbers_in_a_table(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    table(root / "m.csv", "path,kg", *(f"{name}/{n}.png,{n / 8}" for name in ("cat", "dog") for n in range(20)))
    assert new(root)["task"] == "classification"
    assert "column `kg` of `m.csv` holds numbers: `ftr new … --task regression --force`" in text().replace("\n#", "")
    assert learned(new(root, "--task", "regression", "--force")) == ("regression", "kg")


def test_tables_of_sets_with_numbers(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "set", {"images": 60})
    for name, first, count in (("train", 0, 40), ("val", 40, 20)):
        rows = [f"images/{number}.png,{number / 8}" for number in range(first, first + count)]
        table(tmp_path / "set" / f"{name}.csv", "path,weight", *rows)
    recipe = new(tmp_path / "set")
    assert {name: len(listing.samples) for name, listing in list_sets(recipe, REGRESSION).items()} == {
        "train": 40,
        "valid": 20,
    }


def test_packaged_numbers(new: New) -> None:
    recipe = new("solar_cells", "--task", "regression")
    assert recipe.block("data")["train"].args["labels"].value == "probability"


@pytest.mark.parametrize("place", ["digits", "pets"])
def test_classes_are_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    code, said = call(place, "--task", "regression")
    assert (code, "error[E556]" in said) == (2, True), said
