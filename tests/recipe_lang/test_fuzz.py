"""Whatever the text, the language answers: with a checked recipe, or with diagnostics that have a place in it."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from paths import TESTS
from recipes_at_random import damaged, generated
from recipes_from_grammar import FROM_GRAMMAR

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.fix import fix
from recipe_lang.output.identity import recipe_hash
from recipe_lang.output.render import as_json, render
from recipe_lang.output.resolved import print_recipe
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.nodes import Recipe
from recipe_lang.syntax.parser import decode_source
from runtime.vocabulary import VOCABULARY

TEXTS = [path.read_text() for path in sorted([*TESTS.glob("broken/*.ftr"), *TESTS.glob("../recipes/*.ftr")])]
NAMES = [
    *VOCABULARY.fields,
    *VOCABULARY.blocks,
    *(name for block in VOCABULARY.blocks.values() for name in block.fields),
    *(name for family in VOCABULARY.families.values() for name in family.entries),
    *(arg.name for family in VOCABULARY.families.values() for entry in family.entries.values() for arg in entry.args),
    *(
        "base.block3",
        "head",
        "epochs",
        "steps",
        "px",
        "valid.loss",
        "test.accuracy",
        "matching",
        "then",
        "except",
        "in",
        "over",
        "seeds",
    ),
]
GENERATED, DAMAGED = 900, 1_000


def answer(text: str) -> tuple[CheckedRecipe | None, bool]:
    """Return the checked recipe, or None, and whether the text passed the grammar; assert that problems have places."""
    source = decode_source(text.encode(), "recipe.ftr")
    parsed = parse(source)
    recipe, problems = outcome(parsed)
    assert (recipe is None) == bool(problems)
    for problem in problems:
        assert problem.span is not None, problem
        assert problem.span.source is source
        assert 0 <= problem.span.start <= problem.span.end <= len(source.text)
        for edit in problem.edits():
            assert edit.span.source is source
            assert 0 <= edit.span.start <= edit.span.end <= len(source.text)
        for span, _ in problem.related():
            assert 0 <= span.start <= span.end <= len(source.text)
        assert render(problem)
        assert as_json(problem)["message"]
    return recipe, not parsed.problems


def outcome(parsed: Recipe) -> tuple[CheckedRecipe | None, tuple[Problem, ...]]:
    """Return the checked recipe, or what is wrong with it; anything but RecipeError is a bug, and raised."""
    try:
        return check(parsed, VOCABULARY), ()
    except RecipeError as error:
        return None, error.problems


@settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(FROM_GRAMMAR)
def test_texts_from_the_grammar_itself(text: str) -> None:
    answer(text)


def same_again(recipe: CheckedRecipe) -> None:
    printed = print_recipe(recipe, VOCABULARY)
    again = check(parse(Source("/other.ftr", printed)), VOCABULARY)
    assert (again.fields, again.blocks, again.claims) == (recipe.fields, recipe.blocks, recipe.claims), printed
    assert print_recipe(again, VOCABULARY) == printed


def test_generated_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    rng = random.Random(20240611)
    valid = 0
    for _ in range(GENERATED):
        text = generated(rng)
        source = Source("/recipe.ftr", text)
        parsed = parse(source)
        assert parsed.problems == (), text
        recipe, problems = outcome(parsed)
        # The types are right, so that only what fields say of each other can be wrong.
        assert {problem.code for problem in problems} <= RULES, "\n".join([text, *map(render, problems)])
        if recipe is None:
            continue
        valid += 1
        if valid <= 120:
            same_again(recipe)
            assert len(recipe_hash(recipe, VOCABULARY)) == 64
    assert valid >= 48


# E302: a list of the columns of boxes has four names, and of labels no fewer than one.
OF_RULES = range(11, 100)
RULES = {f"E4{number}" for number in OF_RULES} | {"E302", "E310", "E312", "E401", "W701"}


def test_damaged_recipes() -> None:
    rng = random.Random(20240612)
    texts = [*TEXTS, *(generated(rng) for _ in range(50))]
    passed = 0
    slowest = 0.0
    for number in range(DAMAGED):
        text = damaged(rng.choice(texts), texts, rng, NAMES)
        start = time.process_time()
        try:
            _, readable = answer(text)
        except Exception as error:
            raise AssertionError(f"text {number}:\n{text}") from error
        slowest = max(slowest, time.process_time() - start)
        passed += readable
    assert slowest < 1
    assert passed >= DAMAGED / 4


def errors(source: Source) -> tuple[Problem, ...]:
    """Return what is wrong with a text, but for rules: only a text without other errors breaks any."""
    _, problems = outcome(parse(source))
    return tuple(problem for problem in problems if problem.code not in RULES)


def test_each_fix_leaves_fewer_errors_and_no_new_one() -> None:
    rng = random.Random(20240613)
    texts = [*TEXTS, *(generated(rng) for _ in range(20))]
    names = [*NAMES, *VOCABULARY.habits]
    done = 0
    for _ in range(FIXED):
        text = damaged(rng.choice(texts), texts, rng, names)
        source = Source("recipe.ftr", text)
        before = Counter(problem.code for problem in errors(source))
        fixed = fix(source, lambda text: outcome(parse(text))[1])
        after = Counter(problem.code for problem in errors(fixed.source))
        assert after <= before, (text, fixed.source.text)
        assert after.total() + len(fixed.done) <= before.total(), (text, fixed.source.text)
        assert fixed.done or fixed.source is source
        done += len(fixed.done)
    assert done > FIXED / 6


FIXED = 250


@pytest.mark.parametrize(
    "text",
    [
        "(" * 400_000,
        "[" * 30 + "1" * 300_000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "1 + " * 10_000 + "1",
        "ftr 1\n" + "x = [" + "1, " * 10_000 + "]",
        '"' * 200_000,
        "}" * 150_000,
        "a {\n" * 50_000,
        "x = 1\n" * 10_000,
        "ftr 1\n" + "x: 1\n" * 50_000,
        "ftr 1\n" + "stage a {\n" * 30 + "}" * 50_000,
        "#" * 900_000,
        "a b {\n}\n" * 25_000,
        "ftr 1\n" + 'x = "a\n' * 25_000,
        "ftr 1\nx =" + " " * 500_000 + "@",
        "ftr 1\n" + "a" * 500_000,
        "ftr 1\nname = " + '"a" ' * 50_000,
        "ftr 1\nx = f(" + "a " * 50_000,
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_texts_made_to_be_slow(text: str) -> None:
    start = time.process_time()
    recipe, _ = answer(text)
    assert recipe is None
    assert time.process_time() - start < 2.5
