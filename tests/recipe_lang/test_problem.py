"""Kinds of problems: their templates, their fields, and that all places that make a problem give its fields."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module

import pytest
from kinds import modules_of_kinds
from paths import ROOT

from recipe_lang.problem import Kind, Problem
from recipe_lang.source import Source
from recipe_lang.words import filled
from runtime.help.codes import codes

Lost = Kind(
    "E999",
    "lost",
    reason="For these tests.",
    fields="path count place",
    optional={"near": ""},
    message="{count:counted file} of `{path:printable}` {count:plural is|are} lost",
    help=("did you mean `{near}`?", "look in {path}"),
    related={"place": "last seen"},
)
SOURCE = Source("x.ftr", "ftr 1\nseed = 7\n")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{names:and}; {names:or}", "a, b and c; a, b or c"),
        (
            "{names:quoted}; {names:quoted 2}; {names:quoted and}",
            "`a`, `b`, `c`; `a`, `b`, … (3 in all); `a`, `b` and `c`",
        ),
        ("{many:few}", "`0`, `1`, `2`, `3`, `4` and 3 more"),
        ("{one:counted class|classes}, {n:counted class|classes}", "1 class, 2,000 classes"),
        ("{one:plural is|are}, {n:plural is|are}, {names:plural is|are}", "is, are, are"),
        ("{odd:printable}, {n:,}, {size:GB}", "a\N{REPLACEMENT CHARACTER}b, 2,000, 2.5 GB"),
        ("{word:suggested} {advice:suggested}", "did you mean `a|b`? write it so"),
        ("end{n:if , {n:,} more}{none:if , {none} more}{word:if  `{word}`}", "end, 2,000 more `a|b`"),
        ("{{ {names[0]} }}", "{ a }"),
    ],
)
def test_what_a_template_can_say(template: str, text: str) -> None:
    values = {"names": ("a", "b", "c"), "many": tuple(range(8)), "one": 1, "n": 2000, "none": 0, "odd": "a\x1bb"}
    assert filled((template,), {**values, "size": 2.5e9, "word": "a|b", "advice": "write it so"}) == text


def test_the_first_template_counts_whose_fields_all_hold_something() -> None:
    templates = ("{a} and {b}", "{a}{b:if , {b}}", "nothing")
    assert filled(templates, {"a": 1, "b": 2}) == "1 and 2"
    assert filled(templates, {"a": 1, "b": 0}) == "1"
    assert filled(templates, {"a": "", "b": "x"}) == "nothing"


def test_a_problem_is_a_value_with_the_fields_of_its_kind() -> None:
    problem = Lost(span=SOURCE.span(6, 10), path="a", count=1, place=None)
    assert (problem.code, problem.path, problem.near, problem.is_error) == ("E999", "a", "", True)
    assert (problem.message(), problem.label(), problem.help()) == ("1 file of `a` is lost", "", "look in a")
    assert (problem.related(), problem.edits()) == ((), ())
    assert problem == Lost(path="a", count=1, place=None).replace(span=problem.span)
    found = problem.replace(near="b", place=SOURCE.span(0, 3))
    assert len({problem, found}) == 2
    assert (found.help(), found.related()) == ("did you mean `b`?", ((SOURCE.span(0, 3), "last seen"),))


def test_other_fields_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="E999"):
        Lost(path="a", count=1)
    with pytest.raises(TypeError, match="E999"):
        Lost(path="a", count=1, place=None, nearest="b")
    with pytest.raises(AttributeError, match="nearest"):
        _ = Lost(path="a", count=1, place=None).nearest


def test_no_field_hides_what_all_problems_have() -> None:
    own = {*dir(Problem), *Problem.__slots__}
    assert [(kind.code, name) for kind in codes().values() for name in kind.names if name in own] == []


def _made() -> Iterator[tuple[str, int, str, set[str]]]:
    """Yield each call of a kind's name in our source: the file, the line, the name, the fields."""
    for path in (path for package in ("recipe_lang", "runtime") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                names = {keyword.arg for keyword in node.keywords if keyword.arg}
                if len(names) == len(node.keywords) and not node.args:
                    yield str(path), node.lineno, name, names


def test_all_places_that_make_a_problem_give_its_fields() -> None:
    kinds: dict[str, list[Kind]] = {}
    for module in {*modules_of_kinds().values()}:
        for name, row in vars(import_module(module)).items():
            if isinstance(row, Kind):
                kinds.setdefault(name, []).append(row)
    made = [each for each in _made() if each[2] in kinds]
    assert len({name for _, _, name, _ in made}) > 150
    for path, line, name, fields in made:
        assert any({*kind.fields.split()} <= fields - {"span"} <= {*kind.names} for kind in kinds[name]), (
            f"{path}:{line}: {name} has other fields"
        )
