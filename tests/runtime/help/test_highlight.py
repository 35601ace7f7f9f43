"""Colours: the Pygments lexer, `ftr show`, and that the grammar of the VS Code extension knows the same words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from paths import ROOT
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String, Whitespace, _TokenType

from recipe_lang.check.params import UNITS
from runtime.cli import app
from runtime.help import highlight as pygments_lexer
from runtime.help.highlight import FtrLexer
from runtime.vocabulary import VOCABULARY

RECIPES = sorted((ROOT / "recipes").glob("*.ftr"))
BROKEN = sorted((ROOT / "tests" / "broken").glob("*.ftr"))
TEXTMATE = ROOT / "editors" / "vscode" / "syntaxes" / "ftr.tmLanguage.json"


def tokens(text: str) -> list[tuple[_TokenType, str]]:
    return [(kind, value) for _, kind, value in FtrLexer().get_tokens_unprocessed(text)]


def coloured(text: str) -> list[tuple[_TokenType, str]]:
    return [(kind, value) for kind, value in tokens(text) if kind is not Whitespace]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_have_no_unknown_characters_and_come_out_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = tokens(text)
    assert "".join(value for _, value in found) == text
    assert [value for kind, value in found if kind is Error] == []


def test_damaged_recipes_come_out_whole() -> None:
    for path in BROKEN:
        text = path.read_text(encoding="utf-8")
        assert "".join(value for _, value in tokens(text)) == text, path.name


def test_pygments_finds_the_lexer_by_name_and_by_file_name() -> None:
    assert isinstance(get_lexer_by_name("ftr"), FtrLexer)
    assert isinstance(get_lexer_for_filename("recipes/digits.ftr"), FtrLexer)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ftr 1", [(Keyword.Declaration, "ftr"), (Number, "1")]),
        ('extends "a"', [(Keyword.Declaration, "extends"), *((String.Double, part) for part in '"a"')]),
        ("drop stage", [(Keyword.Declaration, "drop"), (Name.Tag, "stage")]),
        ("param n", [(Keyword.Declaration, "param"), (Name.Variable, "n")]),
        ("params = $n", [(Name.Attribute, "params"), (Operator, "="), (Name.Variable, "$n")]),
        ("from 8 epochs {", [(Name.Tag, "from"), (Number, "8"), (Keyword.Type, "epochs")]),
        ('stage "x" {', [(Name.Tag, "stage"), *((String.Double, part) for part in '"x"')]),
        ("size = 224px", [(Name.Attribute, "size"), (Operator, "="), (Number, "224"), (Keyword.Type, "px")]),
        ("x = 5 frobs", [(Name.Attribute, "x"), (Operator, "="), (Number, "5"), (Name, "frobs")]),
        ("x = 1..8", [(Name.Attribute, "x"), (Operator, "="), (Number, "1"), (Operator, ".."), (Number, "8")]),
        ("test.f1 >= 93%", [(Name.Builtin.Pseudo, "test.f1"), (Operator, ">="), (Number, "93"), (Keyword.Type, "%")]),
        ("over 5 seeds", [(Name, "over"), (Number, "5"), (Keyword.Type, "seeds")]),
        ("x = adam(lr", [(Name.Attribute, "x"), (Operator, "="), (Name.Function, "adam")]),
        ("x = base.block3 ..", [(Name.Attribute, "x"), (Operator, "="), (Name.Builtin, "base.block3")]),
        ("x = all except head", [*coloured("x = all"), (Operator.Word, "except"), (Name.Builtin, "head")]),
        ("x = { head = none }", [*coloured("x = {"), (Name.Builtin, "head")]),
        ("x = f(\n  in = 3\n)", [*coloured("x = f("), (Name.Attribute, "in"), (Operator, "="), (Number, "3")]),
        ("in = then", [(Name.Attribute, "in"), (Operator, "="), (Name, "then")]),
        ("x = headline # no", [(Name.Attribute, "x"), (Operator, "="), (Name, "headline"), (Comment.Single, "# no")]),
        (
            r'"\"#\u00e9"',
            [(String.Double, '"'), (String.Escape, r"\""), (String.Double, "#"), (String.Escape, r"\u00e9")],
        ),
    ],
)
def test_each_kind_of_word_has_its_colour(line: str, expected: list[tuple[_TokenType, str]]) -> None:
    assert coloured(line)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("name = 'digits'", ["'", "'"]),
        ("batch: 32", [":"]),
        ("size = 64px;", [";"]),
        ("rate = .5", ["."]),
        ('name = "digits', ['"digits']),
        (r'name = "a\d"', [r"\d"]),
        ("lr = $", ["$"]),
        ("train = base.block3.0", ["."]),
    ],
)
def test_what_the_language_does_not_have_is_an_error(line: str, unknown: list[str]) -> None:
    assert [value for kind, value in tokens(line) if kind is Error] == unknown


def test_a_map_ends_before_the_block_that_it_stands_in() -> None:
    text = "stage {\n  lr_scale = { base.block3 = 0.1,\n    head = 1 }\n  head = 3\n}\nhead = 4"
    heads = [kind for kind, value in tokens(text) if value == "head"]
    assert heads == [Name.Builtin, Name.Attribute, Name.Attribute]


def test_the_words_are_those_of_the_grammar_and_the_tables() -> None:
    grammar = (ROOT / "recipe_lang" / "syntax" / "grammar.lark").read_text(encoding="utf-8")
    words = pygments_lexer.DECLARATIONS + pygments_lexer.OPERATOR_WORDS
    assert sorted(words) == sorted(re.findall(r'"([a-z]+)"', grammar))
    assert sorted(pygments_lexer.UNITS) == sorted(UNITS)
    assert sorted(pygments_lexer.SETS) == sorted(VOCABULARY.sets)


def test_the_extension_knows_the_same_words() -> None:
    rules = json.loads(TEXTMATE.read_text(encoding="utf-8"))["repository"]
    alternatives = {
        name: sorted(set(re.search(r"\((?:\?:)?(\w+(?:\|\w+)+)\)", json.dumps(rules[name])).group(1).split("|")))  # type: ignore[union-attr]
        for name in ("operator-word", "number", "metric", "part", "constant")
    }
    assert alternatives == {
        "operator-word": sorted(pygments_lexer.OPERATOR_WORDS),
        "number": sorted(pygments_lexer.UNITS),
        "metric": sorted(pygments_lexer.SETS),
        "part": sorted(pygments_lexer.PARTS),
        "constant": sorted(pygments_lexer.CONSTANTS),
    }
    declared = re.findall(r"\^\\s\*\((\w+)\)", " ".join(rule["match"] for rule in rules["declaration"]["patterns"]))
    assert sorted(declared) == sorted(pygments_lexer.DECLARATIONS)


def shown(path: Path, **environment: str) -> Result:
    return CliRunner().invoke(app, ["show", str(path)], env=environment)


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_show_in_a_pipe_gives_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ftr"
    path.write_bytes(b'\xef\xbb\xbfftr 1\r\n\tname = "\xc3\xa9"')
    result = shown(path)
    assert result.exit_code == 0
    assert result.stdout_bytes == path.read_bytes()


@pytest.mark.parametrize("path", RECIPES[::4], ids=lambda path: path.stem)
def test_show_on_a_terminal_adds_colours_and_nothing_else(path: Path) -> None:
    result = shown(path, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="40")
    assert "\x1b[" in result.stdout
    assert without_colours(result.stdout) == path.read_text(encoding="utf-8")


def test_show_has_no_colours_where_none_are_wanted() -> None:
    result = shown(RECIPES[0], FORCE_COLOR="1", NO_COLOR="1", TERM="xterm-256color")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]|\x1b\[[0-9;]*9[0-9]", result.stdout)


def test_a_recipe_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.ftr"
    path.write_text('ftr 1\nname = "\x1b]0;title\x07"\n', encoding="utf-8")
    result = shown(path, FORCE_COLOR="1", TERM="xterm-256color")
    assert without_colours(result.stdout) == 'ftr 1\nname = "�]0;title�"\n'


def test_show_of_a_file_that_is_not_there_is_an_error_of_the_user(tmp_path: Path) -> None:
    result = shown(tmp_path / "none.ftr")
    assert result.exit_code == 2
    assert "E110" in result.stderr
