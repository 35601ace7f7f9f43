"""`ftr new`: tables and folders with several labels for an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from new_recipes import New, photos, table, text

from recipe_lang.check.checked import CheckedRecipe

BOTH = ["cat|dog", "dog", "", "cat"]


def pets(root: Path, columns: str, cells: Callable[[int], str], count: int = 60) -> Path:
    photos(root, {"": count})
    return table(root / "pets.csv", f"file,{columns}", *(f"{n}.png,{cells(n)}" for n in range(count)))


def learned(recipe: CheckedRecipe) -> tuple[str, Any, str]:
    """Return the task, the column or columns of its labels, and what separates them."""
    args = recipe.block("data")["train"].args
    found = args["labels"].value
    columns = [each.value for each in found] if isinstance(found, tuple) else found
    return recipe["task"], columns, args["separator"].value


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        ("labels", lambda n: BOTH[n % 4], ("labels", "|")),
        ("label", lambda n: BOTH[n % 4], ("label", "|")),
        ("tags", lambda n: f'"{BOTH[n % 4].replace("|", ", ")}"', ("tags", ",")),
        ("tags", lambda n: BOTH[n % 4].replace("|", " "), ("tags", " ")),
        ("Finding Labels,age", lambda n: f"{BOTH[n % 4]},{n}", ("Finding Labels", "|")),
        ("cat,dog", lambda n: f"{n % 2},{n // 2 % 2}", (["cat", "dog"], ",")),
    ],
)
def test_a_table_has_labels(
    new: New, tmp_path: Path, columns: str, cells: Callable[[int], str], expected: tuple[Any, str]
) -> None:
    recipe = new(pets(tmp_path / "pets", columns, cells))
    assert learned(recipe) == ("multi_label", *expected)
    assert "# The labels are " in text()
    assert "dense(labels)" in text()
    assert "24 images without any" not in text()
    assert "15 images without any" in text().replace("\n#", "").replace("         ", "")


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("label", lambda n: ["big cat", "small cat", "big dog"][n % 3]),  # blanks in names
        ("kind,male", lambda n: f"{'ab'[n % 2]},{n // 2 % 2}"),  # one flag beside classes
        ("kind,male,old", lambda n: f"{'ab'[n % 2]},{n // 2 % 2},{n // 4 % 2}"),
    ],
)
def test_a_table_has_classes(new: New, tmp_path: Path, columns: str, cells: Callable[[int], str]) -> None:
    assert new(pets(tmp_path / "pets", columns, cells))["task"] == "classification"


def test_the_task_that_is_asked_for(new: New, tmp_path: Path) -> None:
    flags = pets(tmp_path / "flags", "kind,male,old", lambda n: f"{'ab'[n % 2]},{n // 2 % 2},{n // 4 % 2}")
    assert learned(new(flags, "--task", "multi_label")) == ("multi_label", ["male", "old"], ",")
    single = pets(tmp_path / "single", "label", lambda n: "ab"[n % 2])
    assert learned(new(single, "--task", "multi_label", "--force"))[:2] == ("multi_label", "label")


def test_a_folder_with_tags(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", {"": 40})
    for number in range(40):
        (root / f"{number}.txt").write_text(BOTH[number % 4].replace("|", ", "))
    recipe = new(root, "--task", "multi_label")
    assert recipe["task"] == "multi_label"
    assert recipe.block("data")["train"].name == "tags"
