"""No word of the vocabulary without a test that is named, and exists."""

from __future__ import annotations

import ast
from functools import cache

import words_tested
from paths import ROOT, TESTS


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((TESTS / "runtime" / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_word_has_one_row() -> None:
    expected = {family: sorted(names) for family, names in words_tested.words().items()}
    found = {
        family: sorted(word for row in rows for word in row.words.split())
        for family, rows in words_tested.TESTED.items()
    }
    assert found == expected, "tests/words_tested.py"


def test_each_row_names_a_test() -> None:
    for rows in words_tested.TESTED.values():
        for row in rows:
            assert row.places(), row
            for file, name in row.places():
                assert name.startswith("test_")
                assert name in functions(file), row


def test_the_page_is_that_of_the_rows() -> None:
    page = (ROOT / "docs" / "words-tested.md").read_text("utf-8")
    assert page == words_tested.page(), "run: python tests/words_tested.py > docs/words-tested.md"
