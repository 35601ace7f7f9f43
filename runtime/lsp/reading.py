"""An editor's text as far as it can be understood: `read(source) -> Reading`, and what is wrong with it as findings.

In goes a text, saved or not; its parents are read from the disk, next to the source's name. Nothing here fails on a
broken text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.check.checked import CallValue
from recipe_lang.check.checker import check
from recipe_lang.check.conditions import narrowed, written_words
from recipe_lang.check.params import Params
from recipe_lang.check.selectors import Selector
from recipe_lang.check.values import Values
from recipe_lang.check.vocabulary import Vocabulary
from recipe_lang.compose.merge import files, merge
from recipe_lang.output.render import advice
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import MAX_BYTES, Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.problems import TooLong
from runtime.compile.weights_advice import with_weights_advice
from runtime.runs.lineage import load_recipe
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, its statements with those of its parents, and everything that is wrong with it, advice included."""

    source: Source
    recipe: nodes.Recipe
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem as an editor shows it: at a place of the text itself; `others` are places in any file."""

    span: Span
    problem: Problem
    message: str
    others: tuple[tuple[Span, str], ...]


def read(source: Source) -> Reading:
    """Parse and check a text as `ftr check` does."""
    if len(source.text) > MAX_BYTES:
        problem = TooLong(path=Path(source.name).name, limit=MAX_BYTES)
        return Reading(source, nodes.Recipe(source, ()), (problem,))
    recipe = nodes.Recipe(source, ())
    try:
        recipe = load_recipe(source)
        return Reading(source, recipe, with_weights_advice(check(recipe, VOCABULARY)))
    except RecipeError as error:
        return Reading(source, recipe, error.problems)


def findings(reading: Reading) -> Iterator[Finding]:
    """Yield what is wrong; a problem of a parent stands at the line that extends it, and points there."""
    for problem in reading.problems:
        message = "\n".join(filter(None, (problem.message(), advice(problem))))
        span = problem.span or reading.source.span(0, 0)
        others = tuple((place, label or "here") for place, label in problem.related())
        if span.source.name != reading.source.name:
            others = ((span, problem.label() or problem.message()), *others)
            message = f"in {Path(span.source.name).name}, line {span.line}: {message}"
            span = _extends(reading)
        yield Finding(span, problem, message, others)


def _extends(reading: Reading) -> Span:
    written = (item.path.span for item in reading.recipe.items if isinstance(item, nodes.Extends))
    return next(written, reading.source.span(0, 0))


def params(recipe: nodes.Recipe) -> dict[str, nodes.Param]:
    """Return the parameters that a recipe may use, its own declaration before that of a parent."""
    found: dict[str, nodes.Param] = {}
    for file in files(recipe):
        for item in file.items:
            if isinstance(item, nodes.Param):
                found.setdefault(item.name, item)
    return found


def values(recipe: nodes.Recipe) -> dict[str, nodes.Node]:
    """Return the values of the parameters that have a right one, units normalized."""
    resolved = Params([], VOCABULARY.habits)
    resolved.declare([item for item in merge(recipe).items if isinstance(item, nodes.Param)], ())
    return resolved.values


def vocabulary(recipe: nodes.Recipe) -> Vocabulary:
    """Return what a recipe of these words may say."""
    return narrowed(VOCABULARY, written_words(merge(recipe).items, values(recipe), VOCABULARY))


def base(recipe: nodes.Recipe) -> tuple[tuple[str, ...], str]:
    """Return the parts of the recipe's base (`stem` …) and its name; nothing for a base that is not right."""
    problems: list[Problem] = []
    items = merge(recipe).items
    resolved = Params(problems, VOCABULARY.habits)
    resolved.declare([item for item in items if isinstance(item, nodes.Param)], ())
    checker = Values(VOCABULARY, resolved, Selector(problems, resolved, VOCABULARY.habits), problems)
    arg = VOCABULARY.fields["base"]
    value = checker.default(arg)
    for item in items:
        if isinstance(item, nodes.Field | nodes.Broken) and item.name == arg.name:
            found = checker.value(item.value, arg.type, "") if isinstance(item, nodes.Field) else None
            if found is None:
                return (), ""
            value = found
    known = VOCABULARY.parts(value.value) if isinstance(value.value, CallValue) else None
    return known or ((), "")


def blocks(recipe: nodes.Recipe) -> dict[tuple[str, str], nodes.Block]:
    """Return the blocks of a recipe's parents by kind and title, the nearest parent's first."""
    found: dict[tuple[str, str], nodes.Block] = {}
    for file in files(recipe)[1:]:
        for item in file.items:
            if isinstance(item, nodes.Block):
                title = item.title.value if isinstance(item.title, nodes.Text) else ""
                found.setdefault((item.kind, title), item)
    return found
