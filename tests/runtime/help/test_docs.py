"""README and docs say what is true: their recipes check, their links lead somewhere, the reference is fresh."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from paths import ROOT

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.formatter import format_text
from recipe_lang.source import Source
from recipe_lang.syntax.ast_builder import built, grammar, tables
from runtime.help.reference import reference
from runtime.vocabulary import VOCABULARY

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RECIPES = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```ftr\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
]


def test_there_are_recipes_to_check() -> None:
    assert len(RECIPES) >= 2


@pytest.mark.parametrize("text", RECIPES)
def test_recipes_in_the_docs_check(text: str) -> None:
    check(parse(Source("page", text)), VOCABULARY)


@pytest.mark.parametrize("text", RECIPES)
def test_recipes_in_the_docs_have_the_one_layout(text: str) -> None:
    assert format_text(Source("page", text)) == text


def test_the_recipe_of_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"^```ftr\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert len(block[1].splitlines()) <= 14


def test_the_reference_is_fresh() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), (
        "run: python -m runtime.help.reference > docs/reference.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_readme_names_each_command_and_no_other() -> None:
    from runtime.cli import COMMANDS

    assert set(re.findall(r"`ftr ([a-z-]+)", (ROOT / "README.md").read_text())) == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    for name in re.findall(
        r"`((?:recipe_lang|runtime|recipes|tests|bench|docs|scripts|\.ci)/[\w./-]*)`", page.read_text()
    ):
        assert (ROOT / name).exists(), name


def test_code_in_backticks_of_the_contributors_page_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    source = "\n".join(path.read_text() for folder in ("runtime", "tests") for path in (ROOT / folder).rglob("*.py"))
    names = re.findall(r"`([A-Z]{5,}|_?[a-z]+_[a-z_]+)`(?! =)", text)
    assert len(names) > 5
    for name in names:
        assert re.search(rf"\b{name}\b", source), name


def test_the_tables_of_the_parser_are_those_of_the_grammar() -> None:
    stored = json.loads((ROOT / "recipe_lang" / "syntax" / "grammar.json").read_text())
    assert stored["made_from"] == json.loads(tables())["made_from"], (
        "run: python -m recipe_lang.syntax.ast_builder > recipe_lang/syntax/grammar.json"
    )
    for path in (ROOT / "recipes").glob("*.ftr"):
        assert grammar().parse(path.read_text()) == built().parse(path.read_text())
