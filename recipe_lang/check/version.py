"""Whether a text is a recipe at all, and what is wrong with the version that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from recipe_lang.compose.problems import Misplaced
from recipe_lang.problem import Problem
from recipe_lang.source import Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.problems import NoVersion, OtherVersion, TooDeep

_FEW = 10  # mistakes in the syntax; more of them, with no version and little that can be read, are another text


def seems_recipe(recipe: nodes.Recipe) -> bool:
    """Whether a text is a recipe, however wrong: it has a version or a block, and is not mostly something else."""
    if not any(isinstance(item, nodes.Version | nodes.Block) or _means_version(item) for item in recipe.items):
        return False
    first = recipe.items[0]
    read = sum(1 + len(item.items) if isinstance(item, nodes.Block) else 1 for item in recipe.items)
    broken = sum(isinstance(item, nodes.Broken) for item in recipe.items)
    starts = isinstance(first, nodes.Version) or _means_version(first)
    return starts or len(recipe.problems) <= max(_FEW, read - broken)


def no_recipe(recipe: nodes.Recipe, version: int) -> Problem:
    """Return the one thing that counts about a text with neither a version nor a block."""
    for problem in recipe.problems:
        if problem.kind is TooDeep or recipe.source.text.lstrip().startswith("{"):
            return problem
    return NoVersion(span=_beginning(recipe), version=version, is_recipe=False)


def version_problems(file: nodes.Recipe, version: int, known: Iterable[Problem]) -> Iterator[Problem]:
    """Yield what is wrong with the version of a file; of a text that is too deep (`known`) it is not missing."""
    first = file.items[0] if file.items else None
    is_there = any(isinstance(item, nodes.Version) for item in file.items) or _means_version(first)
    if isinstance(first, nodes.Version) and first.number != str(version):
        yield OtherVersion(span=first.span, found=first.number, version=version)
    elif not is_there and not any(problem.kind is TooDeep for problem in known):
        yield NoVersion(span=_beginning(file), version=version)
    for item in file.items[1:]:
        if isinstance(item, nodes.Version):
            yield Misplaced(span=item.span, what="the version", where="here: it is the first line")


def _beginning(recipe: nodes.Recipe) -> Span:
    """Return the first character of the first statement."""
    span = recipe.items[0].span if recipe.items else recipe.source.span(0, 0)
    return replace(span, end=min(span.end, span.start + 1))


def _means_version(item: nodes.Item | None) -> bool:
    """Whether this is a version that could not be read, such as `ftr = 1` or `FTR 1`; that has been said."""
    match item:
        case nodes.Broken(name) | nodes.Block(name):
            return re.fullmatch(r"(ftr|version)[0-9]*", name, re.IGNORECASE) is not None
    return False
