"""Comments that suppress advice: what they hold for, and when they are judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from advised import advised, checked, facts, given, recipe

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load
from recipe_lang.output.formatter import format_text
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY

FAST = "optimizer = adam(lr = 0.01, weight_decay = 1e-4)"


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("", ["W710", "W721"]),
        ("# allow: W710", ["W721"]),
        ("# allow: W710, W721", []),
        ("#allow:w710,W721: a trial of what happens", []),
        ("# a trial # allow: W721", ["W710"]),
        ("# we allow: W710", ["W710", "W721"]),
        ("# allow everything", ["W710", "W721"]),
        ("# allow W710", ["W710", "W721", "W702"]),
        ("# noqa: W710", ["W710", "W721", "W702"]),
        ("# as W710 says", ["W710", "W721"]),
        ("# allow: W722", ["W710", "W721", "W702"]),
        ("# allow: W721, W999", ["W710", "W702"]),
        ("# allow: W740", ["W710", "W721"]),  # the data will tell
    ],
)
def test_a_comment_excuses_the_advice_on_its_line(comment: str, left: list[str]) -> None:
    assert given(recipe(f"{FAST}  {comment}")) == left


def test_an_excuse_on_another_line_excuses_nothing() -> None:
    text = recipe("optimizer = adam(lr = 0.01)").replace("for = 4 epochs", "for = 4 epochs  # allow: W710")
    assert given(text) == ["W702", "W710"]


def test_a_string_holds_no_excuse() -> None:
    assert given(recipe(more='about = "# allow: W701"\n')) == []
    assert given(recipe(more='about = "\\"# allow: W701"  # allow: W702\n')) == ["W702"]


def test_errors_cannot_be_excused() -> None:
    assert given(recipe(more="seed = 1  # allow: E421\n")) == ["W702"]
    with pytest.raises(Exception, match="warm-up"):
        checked(recipe("schedule = cosine(warmup = 4 epochs)  # allow: E421"))


def test_excuses_are_not_judged_with_other_values() -> None:
    text = "ftr 1\nparam lr = 0.5\n" + recipe("optimizer = sgd(lr = $lr)  # allow: W710").removeprefix("ftr 1\n")
    assert given(text) == []
    assert given(text, ["lr=0.001"]) == []
    assert given(text.replace("0.5", "0.001")) == ["W702"]


def test_a_parent_may_excuse_and_is_not_judged_for_what_its_child_changes(tmp_path: Path) -> None:
    (tmp_path / "parent.ftr").write_text(recipe("optimizer = adam(lr = 0.01)  # allow: W710"))
    child = tmp_path / "child.ftr"
    child.write_text('ftr 1\nextends "parent.ftr"\nseed = 3\n')
    assert check(load(child), VOCABULARY).advice == ()
    child.write_text('ftr 1\nextends "parent.ftr"\nstage "top" {\n  optimizer = adam(lr = 1e-4)\n}\n')
    assert check(load(child), VOCABULARY).advice == ()
    child.write_text('ftr 1\nextends "parent.ftr"\nstage "top" {\n  optimizer = adam(lr = 0.02)\n}\n')
    assert [problem.code for problem in check(load(child), VOCABULARY).advice] == ["W710"]


def test_excuses_of_what_the_data_shows() -> None:
    text = recipe(base='gluon("resnet18_v2")', train="base.block4 .. head")
    text = text.replace("for = 4 epochs", "for = 9 epochs")
    few = text.replace("for = 3 epochs", "for = 3 steps  # allow: W745")
    assert advised(few, facts((600, 600))) == ()
    many = text.replace("for = 3 epochs", "for = 3 epochs  # allow: W745")
    assert [problem.code for problem in advised(many, facts((600, 600)))] == ["W702"]
    assert given(many) == []


def test_an_excuse_at_the_end_of_a_statement_holds_for_all_of_it() -> None:
    call = "optimizer = adam(\n    lr = 0.01,\n    beta1 = 0.9,\n  )"
    assert given(recipe(call)) == ["W710"]
    assert given(recipe(f"{call}  # allow: W710")) == []
    assert sorted(given(recipe(call.replace("0.9,", "0.9,  # allow: W710")))) == ["W702", "W710"]
    flat = recipe(
        "optimizer = adam(lr = 0.01, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay_norms = false)  # allow: W710"
    )
    assert given(format_text(Source("r.ftr", flat))) == []  # over several lines now
