"""What is wrong with a recipe in JSON, each with its place."""

from __future__ import annotations

import random
import time

import pytest
from json_forms import GOOD, RECIPES, json_form
from recipes_at_random import damaged

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.json.writer import in_json
from recipe_lang.output.fix import fix
from recipe_lang.output.render import advice, as_json, render
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import decode_source
from runtime.vocabulary import VOCABULARY


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
        ('"ftr": 1,', '"ftr": 1, "expect": {"test.f1 >=": {"value": 1, "over": true}},', "E125", "true", ""),
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
