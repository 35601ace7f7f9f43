"""README and docs say what is true: their recipes check, their links lead somewhere, the reference is fresh."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipe_lang.checker import check
from recipe_lang.parser import parse
from recipe_lang.source import Source
from runtime.reference import reference
from runtime.vocabulary import VOCABULARY

ROOT = Path(__file__).parent.parent
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


def test_the_recipe_of_the_readme_has_twelve_lines() -> None:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"^```ftr\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert len(block[1].splitlines()) == 12


def test_the_reference_is_fresh() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), (
        "run: python -m runtime.reference > docs/reference.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_code_blocks_name_only_commands_that_exist() -> None:
    from runtime.cli import app

    text = (ROOT / "README.md").read_text()
    for command in re.findall(r"`ftr ([a-z]+)", text):
        assert command in app.commands, command
