"""A recipe and its JSON form are the same recipe: nodes, hash, checks; and whatever the JSON, there is an answer."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from paths import ROOT
from recipes_at_random import damaged, generated
from recipes_from_grammar import FROM_GRAMMAR

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, parse
from recipe_lang.json.recipe import format_json, recipe_json
from recipe_lang.json.writer import VALUE_MEMBERS, in_json
from recipe_lang.output.fix import fix
from recipe_lang.output.identity import recipe_hash
from recipe_lang.output.render import advice, as_json, render
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import decode_source
from runtime.cli import app
from runtime.help.json_schema import schema, schema_text
from runtime.vocabulary import VOCABULARY

RECIPES = sorted((ROOT / "recipes").glob("*.ftr"))
SCHEMA = Draft202012Validator(schema())


def json_form(text: str) -> Source:
    """Return the JSON form of a recipe's text."""
    recipe = parse(Source("recipe.ftr", text))
    assert recipe.problems == (), text
    return Source("recipe.ftr.json", recipe_json(recipe))


def same_again(text: str) -> Source:
    written = json_form(text)
    json.loads(written.text)  # another reader takes it as well
    back = parse(written)
    assert back.problems == (), written.text
    assert back.items == parse(Source("recipe.ftr", text)).items, written.text
    assert format_json(written) == written.text
    return written


def problems_of(text: str) -> tuple[Problem, ...]:
    """Return what is wrong with a JSON text; each problem has a place in it and can be shown."""
    source = decode_source(text.encode(), "recipe.ftr.json")
    try:
        found = check(parse(source), VOCABULARY).advice
    except RecipeError as error:
        found = error.problems
        assert found
    for problem in found[:60]:
        assert problem.span is not None
        assert problem.span.source is source
        assert 0 <= problem.span.start <= problem.span.end <= len(source.text)
        assert render(problem)
        assert as_json(problem)["message"]
    return found


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


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(FROM_GRAMMAR)
def test_texts_from_the_grammar_itself(text: str) -> None:
    if not parse(Source("recipe.ftr", text)).problems:
        same_again(text)


def test_generated_recipes_have_json_forms_of_the_same_meaning_that_the_schema_takes() -> None:
    rng = random.Random(20240614)
    valid = 0
    for _ in range(160):
        text = generated(rng)
        written = same_again(text)
        outcome = outcome_of(written)
        assert outcome == outcome_of(Source("recipe.ftr", text)), text
        if isinstance(outcome, str):
            SCHEMA.validate(json.loads(written.text))
            valid += 1
    assert valid > 25


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


# --- what is wrong ----------------------------------------------------------------------------

GOOD = """{
  "ftr": 1,
  "data": {"train": {"name": "digits"}, "size": {"number": 224, "unit": "px"}},
  "stage head": {"train": {"name": "head"}, "for": {"number": 3, "unit": "epochs"}, "optimizer": {"name": "adam"}}
}"""


def test_the_good_text_is_good() -> None:
    assert problems_of(GOOD) == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "marked", "help_"),
    [
        ('{"name": "adam"}', '"adam"', "E301", '"adam"', 'a name is written `{"name": "adam"}`'),
        ('{"number": 224, "unit": "px"}', "224", "E303", "224", 'write `{"number": 224, "unit": "px"}`'),
        ('"adam"', '"adma"', "E203", "adma", "did you mean `adam`?"),
        ('"size"', '"sise"', "E201", "sise", "did you mean `size`?"),
        ('"stage head"', '"stge head"', "E202", "stge", "did you mean `stage`?"),
        ('"name": "adam"', '"nmae": "adam"', "E126", "nmae", 'did you mean `"name"`?'),
        ('"number": 3,', '"number": 3, "number": 4,', "E126", "number", ""),
        ('"unit": "epochs"', '"unit": 1', "E125", "1", ""),
        ('"unit": "epochs"', '"unit": "epochs", "x": 1', "E126", "x", 'it has `"number"` or `"unit"`'),
        ('{"name": "adam"}', "{}", "E125", "{}", ""),
        ('"name": "adam"', '"call": "adam", "with": {"lr": 1, "lr": 2}', "E401", "lr", ""),
        ('"for": {', '"train": {"name": "head"}, "for": {', "E401", "train", ""),
        ('"data": {"train"', '"data x": {"train"', "E405", "data x", 'write `"data": {…}`'),
        ('"ftr": 1', '"ftr": 2', "E112", '"ftr": 2', ""),
        ('"ftr": 1', '"ftr": "1"', "E125", '"1"', ""),
        ('{"name": "head"}', "null", "E312", "null", "such as `head`"),
        ('{"name": "adam"}', '{"type": "adam"}', "E126", "type", 'did you mean `"call"`?'),
        ('{"name": "adam"}', "True", "E120", "True", "write `true`"),
        ('"stage head": {', '"stages": {"head": {"for": {"name": "x"}}, ', "E202", "stages", '`"stage …": {…}`'),
        ('"ftr": 1,', "", "E111", '"', 'write `"ftr": 1` as the first member'),
        ('"ftr": 1,', '"ftr": 1, "param lr": 0.1,', "E125", "0.1", ""),
        ('"ftr": 1,', '"ftr": 1, "param": 0.1,', "E124", "param", 'a parameter is declared as'),
        ('"ftr": 1,', '"ftr": 1, "drop stage x": false,', "E125", "false", ""),
        ('"ftr": 1,', '"ftr": 1, "7": 8,', "E124", "7", ""),
        ('"ftr": 1,', '"ftr": 1, "expect": {"test.accuracy": 0.9},', "E124", "test.accuracy", "a claim compares"),
        ('"ftr": 1,', '"ftr": 1, "stage \\"8": {},', "E124", 'stage \\"8', "a title in quotes"),
        ('"number": 3', '"number": {"arithmetic": [1, "+", 2]}', "E125", '{"arithmetic": [1, "+", 2]}', ""),
        ('"number": 3', '"number": 1e999', "E307", '{"number": 1e999, "unit": "epochs"}', ""),
        ('"number": 3', f'"number": {"9" * 5000}', "E307", None, ""),
        ('"number": 3', '"number": -3', "E302", '{"number": -3, "unit": "epochs"}', ""),
        ('"number": 3', '"number": 03', "E123", "03", ""),
        ('"number": 3', '"number": NaN', "E123", "NaN", ""),
        ('"number": 3', '"number": -Infinity', "E123", "-Infinity", ""),
        ('"ftr": 1,', '"ftr": 1', "E120", "", "a comma goes between two members"),
        ('"ftr": 1,', '"ftr": 1,,', "E120", ",", "there is one comma"),
        ('"unit": "px"}', '"unit": "px",}', "E120", ",", "there is no comma before `}`"),
        ('"ftr": 1,', '"ftr": 1, // the version', "E120", None, "JSON has no comments"),
        ('"ftr"', "ftr", "E120", "ftr", 'write it in double quotes: `"ftr"`'),
        ('"adam"', "'adam'", "E120", "'adam'", 'write it in double quotes: `"adam"`'),
        ('"ftr": 1,', '"ftr": 1, "about": "a\tb",', "E122", "\t", "write `\\t`"),
        ('"ftr": 1,', '"ftr": 1, "about": "\\ud800",', "E122", "\\ud800", "write both halves"),
        ('"ftr": 1,', '"ftr": 1, "about": "\\q",', "E122", "\\q", "write `\\\\` for a backslash"),
        ('"ftr": 1,', '"ftr": 1, "about": "a\nb",', "E121", '"a', ""),
        ('"adam"}}\n}', '"adam"}}', "E121", "{", "add `}`"),
        ('"adam"}}\n}', '"adam"}}\n} 3', "E120", "3", ""),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_with_its_place(
    old: str, new: str, code: str, marked: str | None, help_: str
) -> None:
    assert old in GOOD
    (problem,) = problems_of(GOOD.replace(old, new, 1))
    assert problem.code == code
    assert problem.span is not None
    assert marked is None or problem.span.text == marked
    assert help_ in advice(problem)


def test_many_mistakes_are_found_at_once() -> None:
    text = GOOD.replace('"ftr"', "ftr").replace('"px"}', '"px",}').replace('{"name": "adam"}', '"adam"')
    assert [problem.code for problem in problems_of(text)] == ["E120", "E120", "E301"]


def test_fixes_of_json_leave_json() -> None:
    text = GOOD.replace('"ftr"', "ftr").replace('"px"}', '"px",}').replace('"adam"', '"adma"')
    text = text.replace('"size"', '"sizes"').replace('"number": 3, "unit"', '"number": 3 "unit"')
    fixed = fix(Source("a.ftr.json", text), lambda source: problems_of(source.text) and _found(source))
    assert fixed.source.text == GOOD
    assert fixed.left == ()


def _found(source: Source) -> tuple[Problem, ...]:
    try:
        return check(parse(source), VOCABULARY).advice
    except RecipeError as error:
        return error.problems


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("write `holdout(20%)`", 'write `{"call": "holdout", "args": [{"number": 20, "unit": "%"}]}`'),
        ("add `lr = …`: the rate", 'add `"lr": …`: the rate'),
        ("declare it above: `param n = …`", 'declare it above: `"param n": {"default": …}`'),
        ("did you mean `adam`, `none` or `$lr`?", 'did you mean `adam`, `null` or `{"param": "lr"}`?'),
        ("a share is written `20%` or `0.2`", 'a share is written `{"number": 20, "unit": "%"}` or `0.2`'),
        ("see `ftr plan`, or `}`", "see `ftr plan`, or `}`"),
    ],
)
def test_hints_speak_json(hint: str, expected: str) -> None:
    assert in_json(hint) == expected


def test_damaged_json() -> None:
    rng = random.Random(20240615)
    texts = [json_form(path.read_text()).text for path in RECIPES]
    names = ['"name"', '"call"', '"stage x"', "null", "{}", '"head"', '"param lr"', "-1", '"\\ud800"', "[[]]"]
    for number in range(250):
        text = damaged(rng.choice(texts), texts, rng, names)
        try:
            problems_of(text)
        except Exception as error:
            raise AssertionError(f"text {number}:\n{text}") from error


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "null",
        "[1]",
        "[" * 1000,
        '{"a":' * 1000,
        '{"a": [' * 100_000,
        '{"ftr": 1, "x": ' + '{"minus": ' * 1000 + "1" + "}" * 1001,
        '{"ftr": 1, "x": ' + "[" * 33 + "]" * 33 + "}",
        "{" * 300_000,
        '"' * 300_000,
        '{"ftr": 1' + ',"x":[1,2,3]' * 8_000 + "}",
        '{"x": "' + "\\" * 400_001,
        "/*" * 300_000,
        "'" * 300_000,
        '{"ftr": 1 ' * 50_000,
    ],
    ids=lambda text: text[:12],
)
def test_texts_made_to_hurt(text: str) -> None:
    start = time.process_time()
    found = problems_of(text)
    assert found
    assert any(problem.is_error for problem in found)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("data", [b'{"ftr": 1, "a": "\0"}', b'{"\xff": 1}', "{}".encode("utf-16"), b" " * 10_000_000])
def test_bytes_that_are_no_text(data: bytes) -> None:
    with pytest.raises(RecipeError):
        decode_source(data, "a.ftr.json")


def test_a_byte_order_mark_does_not_matter() -> None:
    assert problems_of("\ufeff" + GOOD) == ()


# --- the schema -------------------------------------------------------------------------------


def test_the_schema_is_one_and_fresh() -> None:
    Draft202012Validator.check_schema(schema())
    assert (ROOT / "docs" / "recipe.schema.json").read_text() == schema_text(), (
        "run: python -m runtime.help.json_schema > docs/recipe.schema.json"
    )


def test_no_block_has_a_field_that_would_make_a_value_of_it() -> None:
    for block in VOCABULARY.blocks.values():
        assert not VALUE_MEMBERS & set(block.fields)


def test_no_two_definitions_of_the_schema_share_a_name() -> None:
    names = [name.replace(" ", "_") for name in (*VOCABULARY.families, *VOCABULARY.blocks)]
    names += ["param", "number", "computed", "selector", "value", "declaration"]
    assert len(names) == len(set(names))


def changed(*path: str, value: Any) -> Any:
    """Return the good recipe with one member changed."""
    found = json.loads(GOOD)
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return found


@pytest.mark.parametrize(
    "recipe",
    [
        json.loads(GOOD),
        changed("seed", value={"arithmetic": [{"param": "n"}, "+", {"minus": 3}]}),
        changed("param lr", value={"default": 1e-3, "in": {"call": "log", "args": [{"from": 1e-5, "to": 1}]}}),
        changed("stage head", "optimizer", value={"param": "best"}),
        changed("stage head", "optimizer", value={"call": "adam", "args": [{"param": "lr"}], "with": {"beta1": 0.5}}),
        changed("expect", value={"test.accuracy >=": {"number": 90, "unit": "%"}, "valid.loss <": 1}),
        {"ftr": 1, "extends": "a.ftr", "drop stage x": True, "data": {"batch": 3}},
        {"ftr": 1, "data": {"train": {"name": "digits"}}, "defaults": {"train": {"name": "head"}}, "stage a": {}},
    ],
)
def test_the_schema_takes(recipe: Any) -> None:
    SCHEMA.validate(recipe)


@pytest.mark.parametrize(
    "recipe",
    [
        [],
        {},
        {"ftr": 1},
        changed("ftr", value=2),
        changed("sead", value=1),
        changed("seed", value="1"),
        changed("seed", value=-1),
        changed("base", value={"call": "gluoncv", "args": ["resnet999"]}),
        changed("base", value={"call": "gluoncv"}),
        changed("stage head", "optimizer", value="adam"),
        changed("stage head", "optimizer", value={"name": "adma"}),
        changed("stage head", "optimizer", value={"call": "adam", "with": {"learning_rate": 1}}),
        changed("stage head", "optimizer", value={"call": "adam", "with": {"lr": "1"}}),
        changed("stage head", "optimizer", value={"call": "adam", "args": [0.1, 0.9]}),
        changed("stage head", "for", value=3),
        changed("stage head", "for", value={"number": 3, "unit": "px"}),
        changed("stage head", "for", value={"number": 3, "unit": "epochs", "x": 1}),
        changed("stage head", "train", value="head"),
        changed("data", "train", value={"name": "folder"}),
        changed("data", "on_error", value={"name": "ignore"}),
        changed("data", "augment", value={"call": "flip"}),
        changed("data", value={}),
        changed("param 3", value={"default": 1}),
        changed("param lr", value={"in": [1]}),
        changed("drop stage x", value=False),
        changed("expect", value={"test.acuracy >=": 0.9}),
        changed("expect", value={"test.accuracy": 0.9}),
    ],
)
def test_the_schema_refuses(recipe: Any) -> None:
    assert not SCHEMA.is_valid(recipe)
