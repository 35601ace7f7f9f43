"""Each way to go wrong gives its own diagnostic, at its own place, and no other.

`tests/broken/*.ftr` say in comments what is wrong with them: `# error: CODE` behind a line, or in the first line
`# error at LINE: CODE`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from golden_files import assert_golden
from kinds import modules_of_kinds
from paths import ROOT, TESTS

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.render import render
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import MAX_BYTES, Source
from recipe_lang.syntax.parser import decode_source, read_source
from runtime.cli import app
from runtime.help.codes import codes
from runtime.vocabulary import VOCABULARY

BROKEN = sorted((TESTS / "broken").glob("*.ftr"))
VALID = 'ftr 1\ndata {\n  train = digits\n}\nstage "head" {\n  train = head\n  for = 2 epochs\n}\n'
OTHER_FILES = ("compose.problems", "json.problems", "recipe_files")  # tested where they are read
SET_ONLY, BYTES_ONLY = {"E210"}, {"E107", "E108", "E109", "E110"}


def expected(text: str) -> list[tuple[int, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"# error(?: at (\d+))?: (E\d+(?: E\d+)*)$", line)
        if match:
            found += [(int(match[1] or number), code) for code in match[2].split()]
    return sorted(found)


def problems(source: Source, settings: Sequence[str] = ()) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        check(parse(source), VOCABULARY, settings)
    return tuple(problem for problem in caught.value.problems if problem.is_error)


def problems_of(path: Path) -> tuple[Problem, ...]:
    return problems(read_source(path, path.name))


def only(text: str, settings: Sequence[str] = ()) -> Problem:
    found = problems(Source("recipe.ftr", text), settings)
    assert len(found) == 1, "\n".join(map(render, found))
    return found[0]


def of_bytes(data: bytes) -> Problem:
    with pytest.raises(RecipeError) as caught:
        check(parse(decode_source(data, "recipe.ftr")), VOCABULARY)
    (problem,) = caught.value.problems
    return problem


def line_of(problem: Problem) -> int:
    assert problem.span is not None, problem
    return problem.span.line


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_exactly_what_is_wrong_is_reported(path: Path) -> None:
    found = problems_of(path)
    wanted = expected(path.read_text(encoding="utf-8"))
    assert wanted, "the file does not say what is wrong with it"
    shown = "\n".join(map(render, found))
    assert sorted((line_of(problem), problem.code) for problem in found) == wanted, shown


def test_every_code_of_the_text_of_a_recipe_is_covered() -> None:
    shown = {code for path in BROKEN for _, code in expected(path.read_text(encoding="utf-8"))}
    modules = modules_of_kinds()
    alone = [code for code in codes() if not modules[code].endswith(OTHER_FILES)]
    of_text = {code for code in alone if code[:2] in ("E1", "E2", "E3", "E4")}
    assert of_text - shown == SET_ONLY | BYTES_ONLY


# --- what no file of the folder can show ------------------------------------------------------


@pytest.mark.parametrize("opener", ["(", "[", "b {\n"])
def test_a_thousand_levels_of_nesting(opener: str) -> None:
    problem = only("ftr 1\nx = " + opener * 1000)
    assert problem.code == "E107"


def test_parameters_in_parameters_nest_to_32_levels_too() -> None:
    def chain(length: int) -> str:
        links = "".join(f"param p{n + 1} = [$p{n}, $p{n}]\n" for n in range(length))
        return VALID.replace("train = head", f"train = $p{length}").replace("data", f"param p0 = head\n{links}data", 1)

    check(parse(Source("recipe.ftr", chain(31))), VOCABULARY)  # not 2**31 steps
    assert only(chain(32)).code == "E107"


def test_thirty_two_levels_are_no_problem() -> None:
    assert only(VALID + "seed = " + "(" * 33 + "1" + ")" * 33).code == "E107"
    check(parse(Source("recipe.ftr", VALID + "seed = " + "(" * 32 + "1" + ")" * 32)), VOCABULARY)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(VALID.encode("utf-16"), "E108", id="UTF-16"),
        pytest.param(VALID.encode("utf-16-le"), "E108", id="UTF-16 without a mark"),
        pytest.param(VALID.encode() + b"# \xff", "E108", id="Latin-1"),
        pytest.param(VALID.encode() + b"\0", "E108", id="NUL"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "E108", id="picture"),
        pytest.param(b"#" * (MAX_BYTES + 1), "E109", id="too long"),
        pytest.param(b"", "E111", id="empty"),
        pytest.param(b"\xef\xbb\xbf", "E111", id="byte order mark alone"),
        pytest.param(b" \n\t\n# nothing\n", "E111", id="blank"),
    ],
)
def test_bytes(data: bytes, code: str) -> None:
    assert of_bytes(data).code == code


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_recognized(encoding: str) -> None:
    problem = of_bytes(VALID.encode(encoding))
    assert problem.message() == "recipe.ftr is UTF-16, a recipe is UTF-8 text"
    assert "as UTF-8" in problem.help()


@pytest.mark.parametrize("path", ["none.ftr", "", ".", "a\0b", "x" * 5000])
def test_unreadable(path: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_source(TESTS / "broken" / path if path else path)
    assert [problem.code for problem in caught.value.problems] == ["E110"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + VALID, id="byte order mark"),
        pytest.param(VALID.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(VALID.replace("  ", "\t"), id="tabs"),
        pytest.param(VALID.replace("\n", "\r"), id="CR"),
        pytest.param(VALID.replace("  ", "\u00a0 ").replace("\n", "\u00a0\n\u00a0\n"), id="no-break spaces"),
        pytest.param(VALID.rstrip("\n"), id="no newline at the end"),
        pytest.param("# a comment\n\n" + VALID, id="comment first"),
        pytest.param(VALID.replace("\n", "   # a comment\n"), id="comments"),
        pytest.param(VALID.replace("\n", "  \n\n \t\n"), id="blank lines"),
    ],
)
def test_what_is_tolerated(text: str) -> None:
    check(parse(decode_source(text.encode(), "recipe.ftr")), VOCABULARY)


def test_places_in_a_file_with_crlf_tabs_and_wide_letters() -> None:
    text = VALID.replace("  train = digits", '\ttrain = digits\n\tbatch = "漢字"').replace("\n", "\r\n")
    problem = only(text)
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (4, 10)
    shown = render(problem).splitlines()
    assert shown[3] == '4 |     batch = "漢字"'
    assert shown[4].startswith("  |" + " " * 13 + "^^^^^^ ")


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("lr=0.5", "E306"),
        ("rl=0.5", "E210"),
        ("lr=fast", "E301"),
        ("lr", "E101"),
        ("lr==1", "E101"),
        ("data { }", "E406"),
        ("lr=3 epochs", "E303"),
        ("lr=1/0", "E307"),
        ("lr=$none", "E205"),
        ("lr=$lr", "E205"),
    ],
)
def test_settings(setting: str, code: str) -> None:
    text = VALID.replace("for", "optimizer = adam(lr = $lr)\n  for")
    text = text.replace("data {", "param lr = 0.01 in log(1e-5 .. 1e-1)\ndata {")
    check(parse(Source("recipe.ftr", text)), VOCABULARY, ["lr=0.02"])
    problem = only(text, [setting])
    assert problem.code == code
    assert problem.span is not None
    assert problem.span.source.name == "--set"


# --- the wording ------------------------------------------------------------------------------

HABITS = {
    "title_without_quotes": '`stage "warm up" {`',
    "title_single_quotes": '`stage "warm up" {`',
    "single_quotes": "straight double quotes",
    "curly_quotes": "straight double quotes",
    "colon_field": "write `=` instead of `:`",
    "yaml_block": "`data {`",
    "brace_on_next_line": "`data {`",
    "truth_case": "`true`",
    "epochs_for_for": "`for = 10 epochs`",
    "freeze": "`train = head`",
    "unfreeze": "`train = head`",
    "learning_rate": "`optimizer = adam(lr = …)`",
    "batch_size": "`batch`",
    "num_classes": "`head = [dense(classes)]`",
    "transforms": "`prepare`",
    "val": "`valid`",
    "layer3": "`base.block3`",
    "classifier": "`head`",
    "backbone": "`base`",
    "eta_min": "`final`",
    "monitor_habit": "`valid.accuracy`",
    "stop_metric": "`valid.loss`",
    "early_stopping": "`early`",
    "torchvision": '`gluoncv("…")`',
    "name_without_quotes": '`"digits"`',
    "path_without_quotes": '`"models/f.params"`',
    "path_for_source": '`folder("data/test")`',
    "base_in_quotes": '`gluoncv("resnet50_v1b")`',
    "clip_number": "`global_norm(1.0)`",
    "for_without_unit": "`3 epochs`",
    "size_without_unit": "`64px`",
    "dropout_percent": "`20%`",
    "optimizer_at_the_top": "field of `stage`",
    "block_in_stage": "`optimizer = …`",
    "two_on_a_line": "one line holds one statement",
    "no_comma_between_arguments": "a comma",
    "digits_grouped": "`12000`",
    "environment": "environment is not read",
    "version_equals": "`ftr 1`",
    "unknown_network": '"resnet50_v1b"',
    "head_no_list": "`[dense(classes)]`",
    "part_without_base": "`base.block7`",
    "dotted_call": '`gluoncv("resnet18_v1b")`',
    "base_bare": '`gluoncv("resnet50_v1b")`',
    "number_in_quotes": "`32`",
    "truth_number": "`true`",
    "data_as_map": "`data {`",
    "stages_as_list": '`stage "…" {`',
    "block_with_equals": "a block has no `=`",
    "no_stage": '`stage "…" {`',
    "lines_without_comma": "a comma goes between two values",
    "no_comma": "a comma goes between two values",
    "comma_first": "at the end of the line above",
    "comma_behind": "remove the `,`",
    "tuple": "`[a, b]`",
    "list_without_brackets": "`[a, b]`",
    "square_arguments": "`adam(…)`",
    "curly_arguments": "`adam(…)`",
    "range_with_three_dots": "two dots",
    "range_with_ellipsis": "two dots",
    "range_with_to": "`base.block3 .. head`",
    "range_with_minus": "`base.block3 .. head`",
    "range_over_lines": "does not break at an operator",
    "backslash": "breaks inside brackets only",
    "long_dash": "the plain `-`",
    "wide_equals": "the plain one",
    "invisible": "invisible",
    "claim_at_least_sign": "`>=`",
    "claim_two_equals": "`>=`",
    "claim_reversed": "begins with its metric",
    "claim_without_block": "`expect {`",
    "claim_ninety": "`90%`",
    "param_with_dollar": "without the `$`",
    "param_without_default": "`param lr = …`",
    "param_without_its_dollar": "`$rate`",
    "unit_of_param": "`param n = 3 epochs`",
    "keyword_as_name": "a domain is for parameters",
    "power_caret": "a power is written out",
    "thousand": "`12000`",
    "unit_before": "`3 epochs`",
    "iterations": "`300 steps`",
    "version_case": "`ftr 1`",
    "title_in_brackets": '`stage "head" {`',
    "scale_of_frozen": "add it to `train`",
    "positional_after_named": "put it first",
}


@pytest.mark.parametrize("name", HABITS)
def test_a_habit_is_answered_with_the_right_form(name: str) -> None:
    (problem,) = problems_of(TESTS / "broken" / f"{name}.ftr")
    assert HABITS[name] in problem.help()


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_messages_are_sentences_without_a_full_stop(path: Path) -> None:
    for problem in problems_of(path):
        text = render(problem)
        assert "None" not in text
        assert "  " not in problem.message()
        assert not problem.message().endswith(".")
        assert problem.help() != problem.message()


RENDERED = (
    "many",
    "title_without_quotes",
    "yaml_block",
    "epochs_for_for",
    "unknown_part",
    "outside_domain",
    "path_without_quotes",
    "unclosed_block_between",
    "crop_not_size",
    "warmup_too_long",
    "scale_of_frozen",
    "stage_title_twice",
    "unclosed_map",
)


def test_rendered_text() -> None:
    text = "\n\n".join(
        render(problem) for name in RENDERED for problem in problems_of(TESTS / "broken" / f"{name}.ftr")
    )
    assert_golden("broken.txt", text + "\n")


# --- the command ------------------------------------------------------------------------------


def test_check_prints_json() -> None:
    paths = [str(TESTS / "broken" / "many.ftr"), str(ROOT / "recipes" / "digits.ftr")]
    result = CliRunner().invoke(app, ["check", "--json", *paths])
    assert result.exit_code == 2
    broken, fine = json.loads(result.stdout)
    assert (broken["recipe"], broken["hash"]) == (paths[0], None)
    places = [(each["place"]["line"], each["code"]) for each in broken["problems"]]
    assert places == expected(Path(paths[0]).read_text(encoding="utf-8"))
    first = broken["problems"][0]
    assert first["level"] == "error"
    assert first["message"] == "unknown field `sede` in the recipe"
    assert first["help"] == "did you mean `seed`?"
    assert first["place"] == {"source": paths[0], "line": 5, "column": 1, "end_line": 5, "end_column": 5}
    assert re.fullmatch(r"[0-9a-f]{64}", fine["hash"])
    assert fine["problems"] == []


def test_json_shows_both_places_of_a_conflict() -> None:
    result = CliRunner().invoke(app, ["check", "--json", str(TESTS / "broken" / "crop_not_size.ftr")])
    ((problem,),) = (each["problems"] for each in json.loads(result.stdout))
    assert [(place["line"], place["label"]) for place in problem["related"]] == [(5, "the size")]


def test_check_shows_all_errors_and_their_number() -> None:
    result = CliRunner().invoke(app, ["check", str(TESTS / "broken" / "many.ftr")])
    assert result.exit_code == 2
    assert "12 errors" in result.stderr
    assert "Traceback" not in result.stderr
