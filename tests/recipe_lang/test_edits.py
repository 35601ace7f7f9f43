"""Edits: where the help is beyond doubt, they put a mistake right and bring no new one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from habits import ROWS, errors, recipe
from paths import TESTS

from recipe_lang.output.fix import fix
from recipe_lang.output.render import render
from recipe_lang.problem import Problem
from recipe_lang.source import Source

BROKEN = sorted(TESTS.glob("broken/*.ftr"))
RULES = re.compile(r"E4[2-4]\d")  # looked at only where all else is right


def spoken(problems: Sequence[Problem]) -> Counter[tuple[str, str]]:
    return Counter((problem.code, problem.message()) for problem in problems)


def assert_edits_help(source: Source) -> int:
    """Apply the edits of each problem on its own; return how many had some."""
    before = errors(source)
    fixable = [problem for problem in before if problem.edits()]
    for problem in fixable:
        text = source.text
        for edit in sorted(problem.edits(), key=lambda edit: edit.span.start, reverse=True):
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        after = errors(Source(source.name, text))
        new = {code for code, _ in spoken(after) - spoken(before) if not RULES.fullmatch(code)}
        assert not new, "\n".join([render(problem), text, *map(render, after)])
        assert spoken(after)[problem.code, problem.message()] < spoken(before)[problem.code, problem.message()]
    return len(fixable)


def test_a_fix_that_brings_another_mistake_is_not_made() -> None:
    for place, text in [
        ("data", "size = 5pixels"),  # too small
        ("data", "size = 4"),
        ("data", "augment = [random_erasing(0.25)]"),
    ]:
        assert fix(recipe(place, text), errors).done == (), text
    both = fix(recipe("data", "batchsize = 4\n  bs = 4"), errors)
    assert (len(both.done), [problem.code for problem in both.left]) == (1, ["E201"])


def test_edits_remove_their_problem_and_bring_no_new_one() -> None:
    sources = [Source(path.name, path.read_text(encoding="utf-8")) for path in BROKEN]
    sources += [recipe(place, text) for place, text, _, _ in ROWS]
    assert sum(map(assert_edits_help, sources)) > 120


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("seed: 1", "seed = 1"),
        ("name = 'a'", 'name = "a"'),
        ("name = “a”", 'name = "a"'),
        ("seed = 1,", "seed = 1"),
        ("seed = 1;", "seed = 1"),
        ("name = a", 'name = "a"'),
        ('seed = "1"', "seed = 1"),
        ("sede = 1", "seed = 1"),
        ("head = [Dropout(0.2), dens(classes)]", "head = [dropout(0.2), dense(classes)]"),
        ("param lr = 0.1 in 0.0 ... 1.0", "param lr = 0.1 in 0.0 .. 1.0"),
        ('about = "C:\\data"', 'about = "C:/data"'),
        ('about = "data\\flowers\\train\\new"', 'about = "data/flowers/train/new"'),
        ("head = (dropout(0.2), dense(classes))", "head = [dropout(0.2), dense(classes)]"),
        ('seed = 1 name = "a"', 'seed = 1\nname = "a"'),
        ("seed = 12_000", "seed = 12000"),
        ("random_seed = 7", "seed = 7"),
    ],
)
def test_a_fixed_recipe(wrong: str, right: str) -> None:
    fixed = fix(recipe("top", wrong), errors)
    assert (fixed.source.text, fixed.left) == (recipe("top", right).text, ())


@pytest.mark.parametrize(
    ("place", "wrong", "right"),
    [
        ("data", "batchsize = 32", "batch = 32"),
        ("data", "augmentation = [hflip]", "augment = [flip]"),
        ("data", "size = 224x224", "size = 224px"),
        (
            "stage",
            "schedule = step(step_size = 1 epoch, gamma = 0.5)",
            "schedule = step(every = 1 epoch, factor = 0.5)",
        ),
        ("stage", "norm = freeze", "norm = frozen"),
        ("stage", "stop = early(patience = 2)", "stop = early(patience = 2 epochs)"),
        ("stage", "optimizer = sgd(learning_rate = 0.1)", "optimizer = sgd(lr = 0.1)"),
    ],
)
def test_the_names_of_other_tools_are_put_right(place: str, wrong: str, right: str) -> None:
    fixed = fix(recipe(place, wrong), errors)
    assert (fixed.source.text, fixed.left) == (recipe(place, right).text, ())


@pytest.mark.parametrize(
    "first", ["", "ftr v1\n", "FTR 1\n", "ftr = 1\n", "version 1\n", "ftr 1.0\n", "# mine\n\nftr1\n"]
)
def test_the_version_is_put_right(first: str) -> None:
    rest = recipe("top", "").text.removeprefix("ftr 1\n")
    comment = "# mine\n\n" if first.startswith("#") else ""
    fixed = fix(Source("recipe.ftr", first + rest.lstrip("\n")), errors)
    assert (fixed.source.text, fixed.left) == (f"{comment}ftr 1\n" + rest.lstrip("\n"), ())


@pytest.mark.parametrize(
    "text",
    [
        "val = holdout(10%)\n  valid = holdout(20%)",  # the name is taken
        "train_set = digits",
    ],
)
def test_a_name_that_is_taken_is_not_given_again(text: str) -> None:
    assert all(not problem.edits() for problem in errors(recipe("data", text)))


@pytest.mark.parametrize(
    "text",
    [
        "for2 = 3",
        "freeze = base",
        "schedule = cosine(min_lr = 0)",
        "train = base.block9",
        "optimizer = adam(lr = $s)",
        "keep = newest",
    ],
)
def test_a_guess_is_no_edit(text: str) -> None:
    assert all(not problem.edits() for problem in errors(recipe("stage", text)))


def test_text_that_is_no_recipe_is_left_alone() -> None:
    assert fix(Source("recipe.ftr", "this is a letter\nto you\n"), errors).done == ()
