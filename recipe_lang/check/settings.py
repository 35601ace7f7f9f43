"""The texts of `--set NAME=VALUE`, in the language itself: `parsed(texts, items, problems)`, to statements.

What is wrong with a name is said with the place where a parameter of that name would stand, `with_place`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from recipe_lang.check.locations import how_to_write, parameter_of
from recipe_lang.check.problems.names import UnknownSetting
from recipe_lang.check.vocabulary import Vocabulary
from recipe_lang.compose.problems import Misplaced
from recipe_lang.problem import Problem
from recipe_lang.source import Source
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse
from recipe_lang.syntax.problems import Unexpected

_STATEMENTS = ("ftr", "extends", "param", "drop")
"""Words that begin a statement: a parameter may have such a name, and is set as it is declared."""


def parsed(texts: Sequence[str], items: Sequence[nodes.Item], problems: list[Problem]) -> list[nodes.Field]:
    """Parse the settings of a recipe's parameters; the paths in one start where those of its parameter do."""
    folders = {item.name: item.span.source.folder for item in items if isinstance(item, nodes.Param)}
    fields = []
    for text in texts:
        dotted = re.match(r"\s*([A-Za-z]\w*(\.\w+)+)\s*=", text)
        if dotted:  # the way of other tools to a field
            span = Source("--set", text).span(dotted.start(1), dotted.end(1))
            problems.append(UnknownSetting(span=span, name=dotted[1], options=tuple(folders), suggestion=""))
            continue
        name = text.partition("=")[0].strip()
        written = f"param {text}" if name in _STATEMENTS else text
        recipe = parse(Source("--set", written, folders.get(name)))
        problems.extend(_of_setting(problem) for problem in recipe.problems)
        match recipe.items:
            case _ if recipe.problems:
                pass
            case (nodes.Field() as field,):
                fields.append(field)
            case (nodes.Param(domain=None) as param,):
                fields.append(nodes.Field(param.name, param.default, param.span, param.name_span))
            case _:
                where = "in `--set`: write NAME=VALUE"
                problems.append(Misplaced(span=recipe.source.span(0, len(text)), what="this", where=where))
    return fields


def _of_setting(problem: Problem) -> Problem:
    """Return what is wrong with a setting's syntax, with the advice for settings."""
    text = problem.span.source.text if problem.span else ""
    if problem.kind is not Unexpected or re.match(r"\s*[A-Za-z]\w*\s*=\s*[^\s=]", text):
        return problem
    return problem.replace(advice="a setting is NAME=VALUE, such as `--set lr=0.01`", fix=())


def with_place(problem: Problem, recipe: nodes.Recipe, vocabulary: Vocabulary) -> Problem:
    """Return what is wrong with a setting's name, with the place where a parameter of that name would stand."""
    if problem.kind is not UnknownSetting or problem.suggestion:
        return problem
    name = problem.name.rpartition(".")[2]
    use = how_to_write(recipe, name, f"${name}", vocabulary)
    return problem.replace(suggestion=parameter_of(recipe, name, vocabulary), use=use)
