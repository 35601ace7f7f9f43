"""`ftr new`: what it writes for each layout of images is right for them, checks, and runs; what it cannot use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from paths import ROOT
from PIL import Image

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import load
from recipe_lang.output.formatter import format_text
from recipe_lang.syntax.parser import read_source
from runtime.cli import app
from runtime.data.sets import list_sets
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.tasks.regression.task import REGRESSION
from runtime.vocabulary import VOCABULARY
from runtime.workflows.new.recipe import _size

New = Callable[..., CheckedRecipe]


def photos(root: Path, counts: Mapping[str, int], size: tuple[int, int] = (40, 36), mode: str = "RGB") -> Path:
    """Write `root/<class>/<number>.png` of (width, height) pixels, each class in a colour of its own."""
    for shade, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        image = Image.new("RGB", size, (40 * shade % 256, 255 - 50 * shade % 256, 90)).convert(mode)
        for number in range(count):
            image.save(root / name / f"{number}.png")
    return root


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def call(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["new", *map(str, args)])
    return result.exit_code, result.output


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> New:
    """Write a recipe for images, in a folder of its own; return it, checked, canonical and without advice."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def write(place: object, *options: str) -> CheckedRecipe:
        code, said = call(place, "--out", "made.ftr", *options)
        assert code == 0, said
        assert format_text(read_source("made.ftr")) == Path("made.ftr").read_text("utf-8")
        recipe = check(load("made.ftr"), VOCABULARY)
        assert not recipe.advice
        return recipe

    return write


def text() -> str:
    return Path("made.ftr").read_text("utf-8")


def unwrapped() -> str:
    """Return the recipe with each comment on one line."""
    return re.sub(r"\n# {5,}", " ", text())


def images(recipe: CheckedRecipe) -> dict[str, int]:
    return {name: len(listing.samples) for name, listing in list_sets(recipe, CLASSIFICATION).items()}


def augments(recipe: CheckedRecipe) -> list[str]:
    return [step.value.name for step in recipe.block("data")["augment"] or ()]


def monitors(recipe: CheckedRecipe) -> list[str]:
    return [str(stage["monitor"]) for stage in recipe.all("stage")]


# --- layouts -------------------------------------------------------------------------------------------------------


def test_class_folders(new: New, tmp_path: Path) -> None:
    recipe = new(photos(tmp_path / "beans", {"rust": 30, "healthy": 40, "spot": 30}))
    assert recipe["name"] == "beans"
    assert 'folder("../beans")' in text()  # relative to the recipe, wherever it is called from
    assert "100 images, 3 classes, the largest 1.3 times the smallest (healthy 40, rust 30, spot 30)" in text()
    assert images(recipe) == {"train": 80, "valid": 20}
    assert [stage.title for stage in recipe.all("stage")] == ["head"]


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Training", "val", "testing")])
def test_folders_of_sets(new: New, tmp_path: Path, names: tuple[str, ...]) -> None:
    for name, count in zip(names, (30, 10, 5), strict=True):
        photos(tmp_path / "pets" / name, {"cat": count, "dog": count})
    (tmp_path / "pets" / "docs").mkdir()
    recipe = new(tmp_path / "pets")
    assert images(recipe) == {"train": 60, "valid": 20, "test": 10}
    assert "Not used, since they are not sets: `docs`" in text()


def test_test_images_without_labels_are_left_out_and_said(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "pets" / "train", {"cat": 30, "dog": 30})
    photos(tmp_path / "pets", {"test": 3})
    assert images(new(tmp_path / "pets")) == {"train": 48, "valid": 12}
    assert "Folder `test` is not used" in text()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TrainImages", "TestImages"),
        ("pets/train", "pets/test"),
    ],
)
def test_sets_by_other_names(new: New, tmp_path: Path, train: str, test: str) -> None:
    for name, count in ((train, 30), (test, 6)):
        photos(tmp_path / "root" / name, {"cat": count, "dog": count})
    assert images(new(tmp_path / "root")) == {"train": 50, "valid": 10, "test": 12}
    assert f'folder("../root/{train}")' in text()
    assert f'folder("../root/{test}")' in text()


def test_a_folder_of_a_test_set_without_labels(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "root" / "train", {"cat": 30, "dog": 30})
    photos(tmp_path / "root" / "test", {"unknown": 9})
    assert images(new(tmp_path / "root")) == {"train": 48, "valid": 12}
    assert "Folder `test` is not used: it has none of the classes." in text()


def test_sets_in_classes_and_classes_in_sets_are_said(new: New, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        photos(tmp_path / "within" / label, {"train": 20, "test": 10})
        photos(tmp_path / "times" / {"cat": "day", "dog": "night"}[label], {"cat": 20, "dog": 10})
    new(tmp_path / "within")
    assert "The classes have folders `test`, `train`, which look like sets" in text()
    Path("made.ftr").unlink()
    new(tmp_path / "times")
    assert "All class folders have folders `cat`, `dog`: are those the classes?" in text()


def test_what_is_passed_over_is_said(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    (root / "cat" / "0.png").rename(root / "cat" / "0.png?w=640")
    (root / "cat" / "1.png").unlink()
    (root / "cat" / "1.heic").touch()
    frames = [Image.new("RGB", (40, 36), shade) for shade in (0, 9)]
    frames[0].save(root / "dog" / "1.gif", save_all=True, append_images=frames[1:])
    (root / "dog" / "self").symlink_to("self")
    assert images(new(root)) == {"train": 32, "valid": 8}
    said = text().replace("\n# ", " ")
    assert "Passed over 2 files: 1 .heic (HEIC: convert it to JPEG or PNG), 1 dangling link." in said
    assert "Of files with several images, such as animations, the first is used: 1 of 40 image files looked at." in said


def test_a_class_may_be_called_train(new: New, tmp_path: Path) -> None:
    recipe = new(photos(tmp_path / "traffic", {"car": 20, "train": 20}))
    assert list_sets(recipe, CLASSIFICATION)["train"].names == ("car", "train")


@pytest.mark.parametrize("place", ["flat", "flat/labels.csv", "beside", "rooted", "rooted/index.tsv"])
def test_tables(new: New, tmp_path: Path, place: str) -> None:
    rows = [(f"{number}.png", "crack" if number < 15 else "fine") for number in range(40)]
    for folder in ("flat", "beside", "rooted/pictures"):
        photos(tmp_path / folder, {"": 40})
    (tmp_path / "rooted" / "circle").symlink_to("circle")
    lines = [f"{number};{name};{label}" for number, (name, label) in enumerate(rows)]
    table(tmp_path / "flat" / "labels.csv", "id;image;class", *lines)
    table(tmp_path / "beside.csv", "image,verdict", *(f"beside/{name},{label}" for name, label in rows))
    table(tmp_path / "rooted" / "index.tsv", "label\tfile", *(f"{label}\t{name}" for name, label in rows))
    recipe = new(tmp_path / place)
    assert images(recipe) == {"train": 32, "valid": 8}
    assert list_sets(recipe, CLASSIFICATION)["train"].names == ("crack", "fine")


def test_tables_of_sets(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "set", {"images": 60})
    for name, first, count in (("train", 0, 40), ("val", 40, 20)):
        rows = [f"images/{number}.png,{'ab'[number % 2]}b" for number in range(first, first + count)]
        table(tmp_path / "set" / f"{name}.csv", "path,label", *rows)
    table(tmp_path / "set" / "test.csv", "path", "images/1.png")
    recipe = new(tmp_path / "set")
    assert images(recipe) == {"train": 40, "valid": 20}
    assert "`test.csv` is not used" in text()
    assert recipe["name"] == "set"


def test_a_table_goes_before_folders_that_are_no_classes(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "moles", {"part_1": 20, "part_2": 20})
    rows = [f"part_{part}/{number}.png,{'ab'[number % 2]}x,{number % 5}" for part in (1, 2) for number in range(20)]
    table(root / "meta.csv", "path,dx,age", *rows)
    assert list_sets(new(root), CLASSIFICATION)["train"].names == ("ax", "bx")
    assert "other columns could be meant: `age`" in text().replace("\n#", "")


def test_a_table_that_says_what_the_folders_say_or_nothing_is_not_needed(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    table(root / "index.csv", "path,label", *(f"{name}/{n}.png,{name}" for name in ("cat", "dog") for n in range(20)))
    table(root / "names.csv", "id,name", "0,cat", "1,dog")
    new(root)
    assert 'train = folder("../pets")' in text().replace("   ", " ").replace("  ", " ")


# --- classes or numbers ---------------------------------------------------------------------------------------------


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
        ("grade", lambda n: f"{n % 5}", "", ("classification", "grade"), ""),
        ("grade", lambda n: f"{n % 5}", "regression", ("regression", "grade"), "`grade` can be classes"),
        ("age", lambda n: f"{n % 20}", "", ("classification", "age"), "`age` holds numbers: `ftr new … --task regre"),
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
    assert "column `kg` of `m.csv` holds numbers: `ftr new … --task regression`" in text().replace("\n#", "")
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


def test_packaged_sets(new: New) -> None:
    recipe = new("digits")
    assert recipe.block("data")["train"].name == "digits"
    assert not augments(recipe)
    assert images(recipe) == {"train": 1259, "valid": 269, "test": 269}


def test_a_folder_goes_before_a_packaged_set_of_its_name(new: New, tmp_path: Path) -> None:
    photos(Path("digits"), {"cat": 20, "dog": 20})
    assert new("digits").block("data")["train"].name == "folder"


@pytest.mark.parametrize("name", ["two words", 'a "quoted" \\ one', "写真 ünd", "line\nbreak", "-- # {", "'"])
def test_names_of_all_kinds(new: New, tmp_path: Path, name: str) -> None:
    root = photos(tmp_path / name, {name: 20, "b\n}": 20})
    recipe = new(root)
    assert list_sets(recipe, CLASSIFICATION)["train"].names == tuple(sorted((name, "b\n}")))
    assert call(root)[0] == 0  # and a file of that name can be made


# --- choices -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 300), (230, 500), (150, 180), (96, 96), (70, 300), (28, 28)])
def test_small_images_are_enlarged_to_what_the_base_was_made_for(
    new: New, tmp_path: Path, size: tuple[int, int]
) -> None:
    assert new(photos(tmp_path / "set", {"ab": 8, "cd": 8}, size)).block("data")["size"] == 224
    assert ("Enlarged" in text()) == (min(size) < 224)
    assert "may reach more" not in text()
    assert ("only the square in the middle" in unwrapped()) == (max(size) >= 2 * min(size))


def test_the_size_is_not_that_of_the_smallest_image(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "cut-outs", {"ab": 12, "cd": 8}, (120, 120))
    for number in range(4):
        Image.new("RGB", (29, 40)).save(root / "ab" / f"{number}.png")
    assert new(root).block("data")["size"] == 224
    assert "Shorter sides are 29 to 120 pixels, half at least 120 (20 images looked at)" in unwrapped()


@pytest.mark.parametrize(
    ("own", "training", "side"),
    [(300, 1000, 224), (300, 2500, 160), (300, 50_000, 128), (28, 3000, 160), (28, 9000, 64), (28, 60_000, 64)],
)
def test_the_size_leaves_time_for_some_epochs(own: int, training: int, side: int) -> None:
    assert _size(own, training) == side


@pytest.mark.parametrize(
    ("size", "mode", "named"), [((64, 64), "RGB", True), ((64, 64), "L", False), ((28, 28), "RGB", False)]
)
def test_fixed_crops_are_named_and_not_written_since_they_cost_accuracy(
    new: New, tmp_path: Path, size: tuple[int, int], mode: str, named: bool
) -> None:
    recipe = new(photos(tmp_path / "set", {"ab": 10, "cd": 10}, size, mode))
    assert recipe.block("data")["views"] is None
    assert ("`views = 4` takes about half the time" in unwrapped()) == named


@pytest.mark.parametrize(("shade", "ground"), [(0, "white"), (255, "black")])
def test_transparency_is_laid_over_what_it_can_be_seen_on(new: New, tmp_path: Path, shade: int, ground: str) -> None:
    for label in ("ring", "bar"):
        (tmp_path / "logos" / label).mkdir(parents=True)
        for number in range(8):
            image = Image.new("RGBA", (64, 64), (shade, shade, shade, 0))
            image.paste((shade, shade, shade, 255), (8, 8, 40 + number, 50))
            image.save(tmp_path / "logos" / label / f"{number}.png")
    recipe = new(tmp_path / "logos")
    assert [(step.value.name, step.value["ground"]) for step in recipe.block("data")["prepare"]] == [
        ("flatten_alpha", ground)
    ]
    assert f"16 of 16 images looked at are transparent: flattened onto {ground}" in unwrapped()
    assert ("vanish on white" in unwrapped()) == (ground == "black")


def test_values_that_end_early_get_their_white(new: New, tmp_path: Path) -> None:
    for label in ("ring", "bar"):
        (tmp_path / "cells" / label).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng(number).integers(0, 3000, (64, 64)).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / "cells" / label / f"{number}.png")
    (step,) = new(tmp_path / "cells").block("data")["prepare"]
    assert (step.value.name, step.value["white"]) == ("levels", 4095)


@pytest.mark.parametrize(
    ("classes", "size", "mode", "steps"),
    [
        ("cat dog", 200, "RGB", ["random_resized_crop", "flip"]),
        ("cat dog", 200, "L", ["flip"]),
        ("cat dog", 28, "RGB", ["flip"]),
        ("left right", 200, "RGB", ["random_resized_crop"]),
        ("turn_left straight", 28, "L", []),
        ("A B", 28, "L", []),
        ("A B", 200, "L", ["flip"]),  # names of classes, as the next ones
        ("x y", 200, "RGB", ["random_resized_crop", "flip"]),
        ("a b c d e", 200, "RGB", ["random_resized_crop"]),
        ("0 1 2 3 4 5 6 7 8 9", 28, "L", []),
        ("one two", 28, "L", []),
        ("0 1", 200, "L", ["flip"]),  # codes, not pictures of digits
        ("bright lefty", 28, "L", ["flip"]),
    ],
)
def test_what_changes_the_class_is_no_augmentation(
    new: New, tmp_path: Path, classes: str, size: int, mode: str, steps: list[str]
) -> None:
    recipe = new(photos(tmp_path / "set", dict.fromkeys(classes.split(), 8), (size, size), mode))
    assert augments(recipe) == steps


def test_unequal_classes_count_alike_where_an_epoch_is_chosen(new: New, tmp_path: Path) -> None:
    assert monitors(new(photos(tmp_path / "unequal", {"ab": 100, "cd": 260}))) == ["valid.balanced_accuracy"] * 2
    assert "`" not in text().split("data {")[0]  # nothing was guessed
    Path("made.ftr").unlink()
    assert monitors(new(photos(tmp_path / "equal", {"ab": 180, "cd": 200}))) == ["valid.accuracy"] * 2


def test_very_unequal_classes_are_no_surprise_to_the_plan(new: New, tmp_path: Path) -> None:
    """Too few images choose no epoch, so nothing looks at the classes alike: the recipe says so itself."""
    from planned import net_facts

    from runtime.compile.compiler import compile_plan
    from runtime.compile.data_advice import plan_advice
    from runtime.compile.facts import data_facts

    def advised(name: str, counts: Mapping[str, int]) -> list[str]:
        Path("made.ftr").unlink(missing_ok=True)
        recipe = new(photos(tmp_path / name, counts))
        listings = list_sets(recipe, CLASSIFICATION)
        plan = compile_plan(recipe, data_facts(listings, recipe), net_facts(7))
        return [problem.code for problem in plan_advice(recipe, plan, listings)]

    assert advised("unequal", {"ab": 40, "cd": 2}) == ["W741"]
    assert "allow: W740" in text()
    assert "1 of the classes has fewer than 10 images, too few to judge it by" in text().replace("\n#         ", "")
    assert "21 images a class, 2 in the smallest, are too few" in text()
    assert advised("less", {"ab": 60, "cd": 13}) == []
    assert "allow" not in text()
    assert advised("many", {"ab": 400, "cd": 40}) == []
    assert "allow" not in text()


def test_hidden_folders_are_left_out_and_said(new: New, tmp_path: Path) -> None:
    photos(tmp_path / "pets", {"cat": 20, "dog": 20, ".old": 3, ".git": 0})
    assert images(new(tmp_path / "pets")) == {"train": 32, "valid": 8}
    assert "# Not used, since they are hidden: `.old`.\n" in text()


def test_few_images_choose_no_epoch_and_hold_no_test_set(new: New, tmp_path: Path) -> None:
    recipe = new(photos(tmp_path / "few", {"ab": 100, "cd": 100}))
    assert images(recipe) == {"train": 160, "valid": 40}
    assert monitors(recipe) == ["None", "None"]
    assert [stage["keep"] for stage in recipe.all("stage")] == [None, "last"]


def test_the_smallest_set(new: New, tmp_path: Path) -> None:
    recipe = new(photos(tmp_path / "four", {"ab": 2, "cd": 2}))
    assert images(recipe) == {"train": 2, "valid": 2}
    assert recipe.block("data")["batch"] == 1


def test_many_images(new: New, tmp_path: Path) -> None:
    """One picture under many names: 20,000 images are counted, and 200 opened, in a moment."""
    root = photos(tmp_path / "many", {"ab": 1, "cd": 1})
    for name in ("ab", "cd"):
        for number in range(1, 10_000):
            os.link(root / name / "0.png", root / name / f"{number}.png")
    recipe = new(root)
    assert images(recipe) == {"train": 16_000, "valid": 2_000, "test": 2_000}
    assert recipe.block("data")["batch"] == 64
    assert "views" not in text()  # two epochs: no crop would come twice
    assert "the largest 1.0 times the smallest (ab 10,000, cd 10,000)" in text()
    assert "200 images looked at" in text()
    hint = re.search(r"`(take = .*)` in the data block", text())
    assert hint is not None
    Path("made.ftr").write_text(text().replace("data {", "data {\n  " + hint[1]))
    assert images(check(load("made.ftr"), VOCABULARY)) == {"train": 1280, "valid": 160, "test": 160}


def test_broken_images_are_named_and_the_recipe_goes_on_without_them(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "set", {"ab": 20, "cd": 20})
    (root / "ab" / "3.png").write_bytes(b"")
    (root / "ab" / "4.png").write_bytes(Path(root / "ab" / "5.png").read_bytes()[:60])
    assert new(root).block("data")["on_error"] == "skip"
    assert "2 of 40 images looked at cannot be read, such as ab/3.png (the file is empty)" in text().replace("\n#", "")


# --- what cannot be used -------------------------------------------------------------------------------------------


def _nothing(root: Path) -> str:
    return "nowhere"


def _misspelt(root: Path) -> str:
    return "digitz"


def _empty(root: Path) -> str:
    return "."


def _loose(root: Path) -> str:
    photos(root, {"x": 2})
    return "x"


def _one_class(root: Path) -> str:
    photos(root / "x", {"cats": 2})
    return "x"


def _unreadable(root: Path) -> str:
    photos(root / "x", {"ab": 2, "cd": 2})
    for path in root.glob("x/*/*.png"):
        path.write_text("<html>")
    return "x"


def _empty_class(root: Path) -> str:
    photos(root / "x", {"ab": 2, "cd": 0})
    (root / "x" / "cd" / "1.heic").write_text("")
    return "x"


def _one_each(root: Path) -> str:
    photos(root / "x", {"ab": 1, "cd": 1})
    return "x"


def _a_picture(root: Path) -> str:
    photos(root, {"x": 1})
    return "x/0.png"


def _prose(root: Path) -> str:
    table(root / "x.md", "# A page", "", "It says, more or less, nothing.")
    return "x.md"


def _empty_file(root: Path) -> str:
    (root / "x.csv").write_text("\n\n")
    return "x.csv"


def _no_header(root: Path) -> str:
    photos(root, {"x": 2})
    table(root / "x.csv", "x/0.png,a", "x/1.png,b")
    return "x.csv"


def _no_endings(root: Path) -> str:
    photos(root, {"x": 2})
    table(root / "x" / "x.csv", "id,breed", "0,a", "1,b")
    return "x"


def _no_labels(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "file,age", *(f"{number}.png,{number}" for number in range(4)))
    return "x"


def _one_hot(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "image,cat,dog", *(f"{n}.png,{n % 2},{1 - n % 2}" for n in range(4)))
    return "x"


def _missing_images(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "file,label", *(f"photo/{number}.png,{number % 2}" for number in range(4)))
    return "x"


def _one_label(root: Path) -> str:
    photos(root, {"x": 4})
    table(root / "x" / "x.csv", "file,label", *(f"{number}.png,cat" for number in range(4)))
    return "x"


def _strange_class(root: Path) -> str:
    photos(root / "x" / "train", {"ab": 4, "cd": 4})
    photos(root / "x" / "test", {"ab": 4, "other": 4})
    return "x"


def _name_of_bytes(root: Path) -> str:
    photos(root / os.fsdecode(b"x\xff"), {"ab": 4, "cd": 4})
    return os.fsdecode(b"x\xff")


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (_nothing, "E535", "no folder and no table `nowhere`.*one of `digits`"),
        (_misspelt, "E535", "did you mean `digits`"),
        (_empty, "E502", "nothing to read"),
        (_loose, "E502", "2 images directly inside"),
        (_one_class, "E505", "only one class: `cats`"),
        (_unreadable, "E530", "none of the 4 images.*it is a web page"),
        (_empty_class, "E504", r"1 \.heic \(HEIC: convert it to JPEG or PNG\)"),
        (_one_each, "E516", "valid set has 0 images"),
        (_a_picture, "E506", "it is not text: line 3 holds a NUL byte"),
        (_prose, "E531", "its columns are"),
        (_empty_file, "E506", "it is empty"),
        (_no_header, "E531", "put a line with the columns' names above it"),
        (_no_endings, "E531", "add .png to each cell of column `id`: `0.png` is there"),
        (_one_hot, "E532", "each row has a single 1 in `cat`, `dog`: put a column `label`"),
        (_no_labels, "E532", "its columns are `file`, `age`"),
        (_missing_images, "E508", "photo/0.png"),
        (_one_label, "E505", "only one class: `cat`"),
        (_strange_class, "E514", "`other`"),
        (_name_of_bytes, "E534", "not valid UTF-8"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], str], code: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    exit_code, said = call(make(tmp_path))
    assert exit_code == 2
    assert f"error[{code}]" in said
    assert re.search(says, said, re.DOTALL), said
    assert not list(tmp_path.glob("*.ftr"))


def test_a_loop_of_folders_ends(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "x", {"ab": 20, "cd": 20})
    (root / "ab" / "up").symlink_to(root)
    assert sum(images(new(root)).values()) >= 40


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    root = photos(tmp_path / "x", {"ab": 2, "cd": 2})
    root.chmod(0)
    try:
        code, said = call(root)
    finally:
        root.chmod(0o700)
    assert (code, "error[E511]" in said) == (2, True)


# --- the file ------------------------------------------------------------------------------------------------------


def test_nothing_is_written_over_without_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "my pets", {"cat": 4, "dog": 4})
    assert call("my pets")[0] == 0
    made = Path("my-pets.ftr")
    right = made.read_text("utf-8")
    made.write_text("mine")
    code, said = call("my pets")
    assert (code, "error[E533]" in said, made.read_text()) == (2, True, "mine")
    assert call("my pets", "--force")[0] == 0
    assert made.read_text("utf-8") == right


def test_out_says_where_the_paths_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos(tmp_path / "pets", {"cat": 4, "dog": 4}).parent)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert call("pets", "--out", "deep/er/r.ftr")[0] == 0
    assert images(check(load("deep/er/r.ftr"), VOCABULARY)) == {"train": 6, "valid": 2}
    code, printed = call("pets", "--out", "-")
    assert (code, printed.startswith("#"), 'folder("pets")' in printed) == (0, True, True)
    code, said = call("pets", "--out", "no/r.ftr")
    assert (code, "cannot write no/r.ftr" in said) == (2, True)


def test_mxnet_is_not_needed(tmp_path: Path) -> None:
    root = photos(tmp_path / "pets", {"cat": 4, "dog": 4})
    program = f"""
import sys
from runtime.cli import app
try:
    app(["new", {str(root)!r}, "--out", "-"])
finally:
    assert "mxnet" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=ROOT)


def test_the_recipe_runs(new: New, tmp_path: Path) -> None:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    rng = np.random.default_rng(0)
    for shade, name in enumerate(("dark", "light")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(20):
            pixels: Any = rng.integers(0, 100, (24, 24), np.uint8) + np.uint8(120 * shade)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{number}.png")
    new(tmp_path / "set")
    _, result = run(prepare(Path("made.ftr")), RunSettings(workers=0), tmp_path / "run")
    assert result["images"] == {"train": 32, "valid": 8}
    assert result["valid"]["accuracy"] >= 0.75


def test_the_recipe_for_numbers_runs(new: New, tmp_path: Path) -> None:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    (tmp_path / "set").mkdir()
    for number in range(60):
        Image.new("RGB", (24, 24), (4 * number, 4 * number, 4 * number)).save(tmp_path / "set" / f"{number}.png")
    table(tmp_path / "set" / "grey.csv", "file,grey", *(f"{n}.png,{n / 60}" for n in range(60)))
    new(tmp_path / "set")
    _, result = run(prepare(Path("made.ftr")), RunSettings(workers=0), tmp_path / "run")
    assert result["images"] == {"train": 48, "valid": 12}
    assert result["valid"]["mae"] <= 0.2  # the median has .25
