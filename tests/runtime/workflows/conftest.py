"""The fixture of the tests of `ftr new`."""

from __future__ import annotations

from pathlib import Path

import pytest
from new_recipes import New, call

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import load
from recipe_lang.output.formatter import format_text
from recipe_lang.syntax.parser import read_source
from runtime.vocabulary import VOCABULARY


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
