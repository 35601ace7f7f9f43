"""The recipes that come with ftr: each checks, and the one that needs nothing keeps its promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from paths import ROOT

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.syntax.parser import read_source
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

RECIPES = sorted((ROOT / "recipes").rglob("*.ftr"))


def test_there_are_recipes() -> None:
    assert "digits" in {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_checks_without_advice(path: Path) -> None:
    recipe = check(parse(read_source(path)), VOCABULARY)
    assert recipe["name"] == path.stem
    assert not recipe.advice


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_says_what_it_needs_and_how_it_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert "# Needs:" in head
    assert re.search(rf"^# Run: +ftr run recipes/{path.stem}\.ftr", head, re.MULTILINE)


def test_the_digits_keep_their_promise(tmp_path: Path) -> None:
    path = next(path for path in RECIPES if path.stem == "digits")
    folder, result = run(prepare(path), RunSettings(), tmp_path / "run")
    assert [claim["holds"] for claim in result["expect"]] == [True]
    assert result["images"] == {"train": 1077, "valid": 269, "test": 451}
    assert [stage["steps_done"] for stage in result["stages"]] == [99, 66]
    assert (folder / "model-0000.params").is_file()
