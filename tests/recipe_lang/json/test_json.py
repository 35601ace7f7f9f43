"""The JSON form of recipes: there and back, and the commands that take it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from json_forms import RECIPES, SCHEMA, json_form
from paths import ROOT
from recipes_at_random import generated
from recipes_from_grammar import FROM_GRAMMAR

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, parse
from recipe_lang.json.recipe import format_json
from recipe_lang.output.identity import recipe_hash
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.cli import app
from runtime.vocabulary import VOCABULARY


def same_again(text: str) -> Source:
    written = json_form(text)
    json.loads(written.text)  # another reader takes it as well
    back = parse(written)
    assert back.problems == (), written.text
    assert back.items == parse(Source("recipe.ftr", text)).items, written.text
    assert format_json(written) == written.text
    return written


# --- there and back ---------------------------------------------------------------------------


def test_the_form() -> None:
    text = """ftr 1
    extends "base.ftr"
    param lr = 1e-3 in log(1e-5 .. 1)
    drop stage "a b"
    about = none
    head = [dropout(0.5), dense(classes)]
    stage "top" {
      train = all except [base.stem, base.block1 .. head]
      for = 3 epochs
      optimizer = adam($lr * 2 / 3, beta1 = -(1 + 2))
      lr_scale = { head = -1 }
      schedule = a then b(true)
    }
    expect { test.accuracy >= 93%
    }
    """
    assert json.loads(same_again(text).text) == {
        "ftr": 1,
        "extends": "base.ftr",
        "param lr": {"default": 0.001, "in": {"call": "log", "args": [{"from": 1e-05, "to": 1}]}},
        "drop stage a b": True,
        "about": None,
        "head": [{"call": "dropout", "args": [0.5]}, {"call": "dense", "args": [{"name": "classes"}]}],
        "stage top": {
            "train": {
                "all": {"name": "all"},
                "except": [{"name": "base.stem"}, {"from": {"name": "base.block1"}, "to": {"name": "head"}}],
            },
            "for": {"number": 3, "unit": "epochs"},
            "optimizer": {
                "call": "adam",
                "args": [{"arithmetic": [{"param": "lr"}, "*", 2, "/", 3]}],
                "with": {"beta1": {"minus": {"arithmetic": [1, "+", 2]}}},
            },
            "lr_scale": {"map": [[{"name": "head"}, -1]]},
            "schedule": {"then": [{"name": "a"}, {"call": "b", "args": [True]}]},
        },
        "expect": {"test.accuracy >=": {"number": 93, "unit": "%"}},
    }


DEEPEST = "".join("f(a then b except c .. 1 + 2 * -(" for _ in range(15)) + "1" + "))" * 15


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\nx = 2",
        "expect { test.a >= 1 over 5 seeds\n test.b < 2 / 3 over 1 seed\n}",
        "x { a = 1\n a = 2\n}\nx {\n}",
        "expect { test.a >= 1\n test.a >= 1\n}",
        'stage "8 epochs" {\n}\nfrom 8 epochs {\n}\nfrom 8 {\n}\nfrom 8% {\n}',
        'stage "8" {\n}\nstage "" {\n}\nstage {\n}',
        'stage "{}" {\n}\nstage "\\"8" {\n}\nstage "a\\nb \\\\ é" {\n}\ndrop stage "8"\ndrop stage ""',
        'a { name = "x"\n}\na { number = 3\n}\na { b {\n}\n}\na { b { call = c\n}\n}\na { from 1 {\n}\n}',
        "x = f(a = 1, 2, b = 3, 4)",
        "x = f()",
        "x = [true, false, none, f(true)]",
        "x = -3 epochs\ny = -(3 - -3)\nz = -0",
        "x = 1e999\ny = -1e999 px\nz = 1e-300\nu = 12345678901234567890",
        "x = {}\ny = { 1 = { 2 = 3 } }\nz = []",
        "x = (1 + 2) + 3 - (4 - 5)\ny = (1 * 2) * 3 + 4 / (5 / 6)",
        "x = (a then b) then (c except d) except (e except f)\ny = (1 .. 2) .. 3",
        'x = "\\u0000 \\" \\\\ \\n \U0001f600"',
        "ftr 1.0",
        "ftr 01",
        "ftr 1e3\nftr 7",
        "param p = f(a) in [1, 2]\nx { param q = 1\n extends \"a\"\n ftr 2\n}",
        f"x = {DEEPEST}",
        "x = " + "[" * 32 + "]" * 32,
        "x = " + "(1 + " * 32 + "1" + ")" * 32,
        "x = " + "(1 + 2 * " * 32 + "1" + ")" * 32,
    ],
)  # fmt: skip
def test_nothing_is_lost(text: str) -> None:
    same_again(text)


@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(FROM_GRAMMAR)
def test_texts_from_the_grammar_itself(text: str) -> None:
    if not parse(Source("recipe.ftr", text)).problems:
        same_again(text)


def test_generated_recipes_have_json_forms_of_the_same_meaning_that_the_schema_takes() -> None:
    rng = random.Random(20240614)
    valid = 0
    for _ in range(120):
        text = generated(rng)
        written = same_again(text)
        outcome = outcome_of(written)
        assert outcome == outcome_of(Source("recipe.ftr", text)), text
        if isinstance(outcome, str):
            SCHEMA.validate(json.loads(written.text))
            valid += 1
    assert valid >= 6


def outcome_of(source: Source) -> str | list[str]:
    """Return a recipe's hash, or the codes of what is wrong with it."""
    try:
        return recipe_hash(check(parse(source), VOCABULARY), VOCABULARY)
    except RecipeError as error:
        return sorted(problem.code for problem in error.problems)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_of_ours_has_a_json_form(path: Path) -> None:
    written = same_again(path.read_text())
    SCHEMA.validate(json.loads(written.text))


def test_json_extends_a_recipe_and_a_recipe_json(tmp_path: Path) -> None:
    base = (ROOT / "recipes" / "digits.ftr").read_text()
    (tmp_path / "base.ftr").write_text(base)
    (tmp_path / "base.ftr.json").write_text(json_form(base).text)
    (tmp_path / "a.ftr").write_text('ftr 1\nextends "base.ftr.json"\nseed = 7\n')
    (tmp_path / "a.ftr.json").write_text('{"ftr": 1, "extends": "base.ftr", "seed": 7}')
    hashes = {recipe_hash(check(load(tmp_path / name), VOCABULARY), VOCABULARY) for name in ("a.ftr", "a.ftr.json")}
    assert len(hashes) == 1


# --- the commands -----------------------------------------------------------------------------


def test_show_prints_the_json_form_and_the_other_commands_take_it(tmp_path: Path) -> None:
    run = CliRunner()
    shown = run.invoke(app, ["show", "--json", str(ROOT / "recipes" / "digits.ftr")])
    assert shown.exit_code == 0
    path = tmp_path / "digits.ftr.json"
    path.write_text(shown.output)
    checked = run.invoke(app, ["check", str(ROOT / "recipes" / "digits.ftr"), str(path)])
    assert len({line.split()[-1] for line in checked.output.splitlines() if "fine" in line}) == 1
    assert checked.output.count("fine") == 2
    assert run.invoke(app, ["fmt", "--check", str(path)]).exit_code == 0
    path.write_text(json.dumps(json.loads(shown.output)))
    assert run.invoke(app, ["fmt", str(path)]).exit_code == 0
    assert path.read_text() == shown.output


def test_show_refuses_what_does_not_parse(tmp_path: Path) -> None:
    (tmp_path / "a.ftr").write_text("ftr 1\nx = = 3\n")
    shown = CliRunner().invoke(app, ["show", "--json", str(tmp_path / "a.ftr")])
    assert shown.exit_code == 2
    assert "E101" in shown.output


def test_format_lays_out_long_values_over_lines() -> None:
    long = {"ftr": 1, "about": "x" * 200, "head": [{"call": "dropout", "with": {"p": 0.5}}] * 3, "data": {}}
    text = format_json(Source("a.ftr.json", json.dumps(long)))
    assert json.loads(text) == long
    assert text.splitlines()[3:6] == [
        '  "head": [',
        '    {"call": "dropout", "with": {"p": 0.5}},',
        '    {"call": "dropout", "with": {"p": 0.5}},',
    ]
    assert '  "data": {}' in text
