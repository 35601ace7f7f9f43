"""The recipes that come with ftr: each checks, and the one that needs nothing keeps its promise."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from digits_run import DigitsRun
from paths import ROOT

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.syntax.parser import read_source
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

FOLDER = ROOT / "recipes"
RECIPES = sorted(FOLDER.glob("*.ftr"))
CONTINUED = FOLDER / "continue-run.ftr"  # it is checked where the run is that it begins from
ADDED = FOLDER / "classes-added.ftr"  # likewise
CUT = {  # the recipes that no other test runs: how many images they are cut to
    **dict.fromkeys(("linear-probe", "gradual-unfreezing", "layer-decay", "rare-class", "heavy-augmentation"), 64),
    **{"sure-answers": 64, "timm-weights": 64, "few-shots": 320},
}


def cut(name: str, images: int, place: Path) -> Path:
    """Write a recipe that takes two steps in each stage, on few and small images, with weights that need no network."""
    text = (FOLDER / f"{name}.ftr").read_text("utf-8")
    text = re.sub(r"for( +)= \d+ epochs", r"for\1= 2 steps", text.partition("\nexpect")[0])
    text = text.replace("data {", f"data {{\n  take = {images} images", 1)
    text = re.sub(r"size( +)= \d+px", r"size\1= 32px", text).replace("weights = imagenet", "weights = none")
    text = re.sub(r"\n  batch .*", "", text).replace("  size", "  batch = 8\n  size", 1)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.ftr").write_text(text, encoding="utf-8")
    return place / f"{name}.ftr"


def test_there_are_recipes() -> None:
    assert "digits" in {path.stem for path in RECIPES}
    assert {path.stem for path in RECIPES} >= CUT.keys()


@pytest.mark.parametrize(
    "path", [path for path in RECIPES if path not in (CONTINUED, ADDED)], ids=lambda path: path.stem
)
def test_each_recipe_checks_without_advice(path: Path) -> None:
    recipe = check(parse(read_source(path)), VOCABULARY)
    assert recipe["name"] == path.stem
    assert not recipe.advice


def test_the_index_says_when_to_take_each() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[`([\w-]+)`\]\(\1\.ftr\) \|", index, re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in RECIPES)


LONG = ("gradual-unfreezing",)  # the stages of `layer-decay` and the bases of `test_unfreezing.py` are shorter


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in CUT])
def test_a_recipe_runs(name: str, tmp_path: Path) -> None:
    if "solar_cells" in (FOLDER / f"{name}.ftr").read_text("utf-8"):
        pytest.importorskip("elpv_dataset")
    _, result = run(prepare(cut(name, CUT[name], tmp_path)), RunSettings(workers=0, fuse=False), tmp_path / "run")
    assert result["status"] == "finished"
    assert {stage["steps_done"] for stage in result["stages"]} == {2}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_says_what_it_needs_and_how_it_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert "# Needs:" in head
    assert re.search(rf"^# Run: +ftr run recipes/{path.stem}\.ftr", head, re.MULTILINE)


def test_the_digits_keep_their_promise_and_another_run_goes_on_from_them(digits: DigitsRun, tmp_path: Path) -> None:
    here, there = (
        check(parse(read_source(path)), VOCABULARY) for path in (FOLDER / "digits.ftr", digits.folder / "recipe.ftr")
    )
    assert {**here.fields, "about": ""} == {**there.fields, "about": ""}
    assert (here.blocks, here.claims) == (there.blocks, there.claims)
    result = digits.result
    assert [claim["holds"] for claim in result["expect"]] == [True]
    assert result["images"] == {"train": 1077, "valid": 269, "test": 451}
    assert [stage["steps_done"] for stage in result["stages"]] == [99, 66]
    assert (digits.folder / "model-0000.params").is_file()
    shutil.copytree(digits.folder, tmp_path / "runs" / "digits-1")
    path = cut(CONTINUED.stem, 64, tmp_path / "recipes")
    assert not check(parse(read_source(path)), VOCABULARY).advice
    _, result = run(prepare(path), RunSettings(workers=0, fuse=False), tmp_path / "runs" / "continued")
    assert result["status"] == "finished"


def test_classes_are_added_to_a_run_of_some(tmp_path: Path) -> None:
    settings = RunSettings(workers=0, fuse=False)
    run(prepare(cut("classes-first", 100, tmp_path / "recipes")), settings, tmp_path / "runs" / "classes-first-1")
    path = cut(ADDED.stem, 100, tmp_path / "recipes")
    assert not check(parse(read_source(path)), VOCABULARY).advice
    folder, result = run(prepare(path), settings, tmp_path / "runs" / "added")
    assert result["status"] == "finished"
    assert {"old", "new"} <= result["test"].keys()
    assert len(json.loads((folder / "classes.json").read_text())) == 10
