"""Each example of the documentation is run: what it calls wrong is wrong in the way that it says, the rest is right.

The rendered problems of what is wrong stand in `tests/golden/explained-*.txt`, a file for each family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from golden_files import assert_golden
from hosted import hosted, where
from paths import ROOT
from scenario_images import make_parents
from scenarios import codes_in, outcome

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load_source
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.help import index as places
from runtime.help import keywords as glossary
from runtime.help.codes import FAMILIES, codes
from runtime.help.examples import examples_of
from runtime.help.explain import metric_examples
from runtime.tasks.catalog import TASKS
from runtime.vocabulary import VOCABULARY

CODES = [code for family in FAMILIES for code in examples_of(family)]
Shown = Callable[[str], str]


@pytest.fixture(scope="session")
def wrong(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Return what is said about the wrong text of a code, each used once by all workers."""

    def of(code: str) -> str:
        found = shared / f"{code}.txt"
        if not found.exists():
            folder = tmp_path_factory.mktemp(code) / "recipes"
            folder.mkdir()
            said = folder.with_name("said")
            said.write_text(outcome(code, examples_of(code[:2])[code], folder, right=False), encoding="utf-8")
            said.replace(found)
        return found.read_text(encoding="utf-8")

    return of


def test_every_code_has_an_example_and_every_example_a_code() -> None:
    assert sorted(CODES) == sorted(codes())


def test_every_kind_of_problem_is_known() -> None:
    written = {
        code
        for package in ("recipe_lang", "runtime")
        for path in (ROOT / package).rglob("*.py")
        for code in re.findall(r'^\w+ = Kind\(\s*"(\w+)"', path.read_text(), re.MULTILINE)
    }
    assert written == set(codes())


@pytest.mark.parametrize("code", CODES)
def test_what_is_called_wrong_gives_its_code(wrong: Shown, code: str) -> None:
    shown = wrong(code)
    assert code in codes_in(shown) if code.startswith("W") else codes_in(shown)[:1] == [code], shown


@pytest.mark.parametrize("code", CODES)
def test_what_is_called_right_has_no_error(code: str, tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    found = codes_in(outcome(code, examples_of(code[:2])[code], folder, right=True))
    assert code not in found
    assert not [each for each in found if each.startswith("E")], found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_text_of_each_problem(wrong: Shown, family: str) -> None:
    texts = [f"# {code}\n\n{wrong(code)}" for code in examples_of(family)]
    assert_golden(f"explained-{family}.txt", "\n\n".join([*texts, ""]))


# --- the vocabulary ---------------------------------------------------------------------------


def _vocabulary() -> Iterator[tuple[str, str, str]]:
    """Yield the examples of the tables: the name, where it stands, the text."""
    for table, fields in places.field_tables().items():
        inside = "recipe" if table == "the recipe" else table.strip("`")
        yield from ((arg.name, inside, text) for arg in fields.values() for text in arg.examples)
    for block in VOCABULARY.blocks.values():
        yield from ((block.name, "recipe", text) for text in block.examples)
        yield from ((inner.name, block.name, text) for inner in block.inside.values() for text in inner.examples)
    for family, entry in places.entries():
        yield from ((entry.name, where(family), text) for text in entry.examples)
    for name in VOCABULARY.metrics:
        yield from ((name, inside, text) for text, inside in metric_examples(name))
    for term in glossary.TERMS:
        yield from ((term.word, term.inside, text) for text in term.examples)


EXAMPLES = list(_vocabulary())


@pytest.mark.parametrize(
    ("inside", "text"), [pytest.param(*rest, id=f"{name}-{n}") for n, (name, *rest) in enumerate(EXAMPLES)]
)
def test_each_example_of_the_vocabulary_checks(
    inside: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    monkeypatch.chdir(folder)
    make_parents(right=True)
    found = []
    for task in TASKS:  # an example is right for one of them
        try:
            check(load_source(Source("example.ftr", hosted(text, inside, task))), VOCABULARY)
        except RecipeError as error:
            found.append(str(error))
    assert len(found) < len(TASKS), found


@pytest.mark.parametrize("kind", ["block", "field", "entry", "argument", "word", "metric"])
def test_every_row_is_in_an_example_or_a_recipe(kind: str) -> None:
    texts = [text for *_, text in EXAMPLES] + [path.read_text() for path in (ROOT / "recipes").glob("*.ftr")]
    rows = {
        "block": [(name, rf"^ *{name}\b") for name in VOCABULARY.every_block()],
        "field": [
            (arg.name, rf"^\s*{arg.name}\s*=") for table in places.field_tables().values() for arg in table.values()
        ],
        "entry": [(entry.name, rf"(?<![.\w\"]){re.escape(entry.name)}\b") for _, entry in places.entries()],
        "argument": [
            (f"{calls[0]}({arg.name})", rf"\b({'|'.join(calls)})\([^\n]*\b{arg.name} = ")
            for arg, calls in places.shared_arguments()
        ],
        "word": [(word, rf"\b{word}\b") for *_, word, _ in places.words()],
        "metric": [(name, rf"\b(valid|test)\.{name}\b") for name in VOCABULARY.metrics],
    }[kind]
    assert not [name for name, pattern in rows if not any(re.search(pattern, text, re.MULTILINE) for text in texts)]


def test_every_entry_and_block_and_field_has_an_example_of_its_own() -> None:
    fields = [arg for table in places.field_tables().values() for arg in table.values()]
    rows = [*fields, *VOCABULARY.every_block().values(), *(entry for _, entry in places.entries())]
    assert not [row.name for row in rows if not row.examples]
