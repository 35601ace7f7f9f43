"""`ftr new`: what it chooses for images is right for them, checks, and runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from new_recipes import New, augments, call, images, monitors, photos, table, text, unwrapped
from paths import ROOT
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load
from runtime.data.sets import list_sets
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY
from runtime.workflows.new.recipe import _size

# --- choices ---------------------------------------------------------------------------------------------------------


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
    assert "of about the same size (ab 10,000, cd 10,000)" in text()
    assert "200 images looked at" in text()
    hint = re.search(r"`(take = .*)` in the data block", text())
    assert hint is not None
    Path("made.ftr").write_text(text().replace("data {", "data {\n  " + hint[1]))
    assert images(check(load("made.ftr"), VOCABULARY)) == {"train": 1280, "valid": 160, "test": 160}


def test_broken_images_are_named_and_the_recipe_goes_on_without_them(new: New, tmp_path: Path) -> None:
    root = photos(tmp_path / "set", {"ab": 20, "cd": 20})
    (root / "ab" / "3.png").write_bytes(b"")
    (root / "ab" / "4.png").write_bytes(Path(root / "ab" / "5.png").read_bytes()[:60])
    told = " ".join(call(root, "-o", "first.ftr")[1].split())
    assert "2 of 40 images looked at cannot be read: they are skipped" in told
    assert "to list all that cannot be read: ftr data check first.ftr" in told
    assert "32 to train on; 8 for validation, held out (20%); no test set" in told
    assert new(root).block("data")["on_error"] == "skip"
    assert "2 of 40 images looked at cannot be read, such as ab/3.png (the file is empty)" in text().replace("\n#", "")


# --- the file --------------------------------------------------------------------------------------------------------


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
