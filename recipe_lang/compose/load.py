"""A recipe from its file, with the parents that it extends: `load(path) -> Recipe`.

Files are read here and nowhere else; how parents and children are merged is the business of `extend`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from recipe_lang.compose.problems import ParentCycle, ParentOutside, TooManyParents
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax import nodes, parser
from recipe_lang.syntax.parser import read_source
from recipe_lang.syntax.problems import Unreadable

MAX_PARENTS = 8


def load(path: str | Path, *, outside: bool = False) -> nodes.Recipe:
    """Read and parse a recipe and the parents that it extends.

    Raises:
        RecipeError: the file itself cannot be read; what is wrong with a parent stands in `problems`.
    """
    return load_source(read_source(path), outside=outside)


def load_source(source: Source, *, outside: bool = False) -> nodes.Recipe:
    """Parse a recipe's text and read the parents that it extends, relative to the source's name.

    `outside` allows parents that lie outside of the folder of the recipe.
    """
    folder = None if outside else source.folder
    return _with_parent(parse(source), folder, (source.name,))


def parse(source: Source) -> nodes.Recipe:
    """Parse a recipe, its parents left out; what is wrong with its syntax stands in the result's `problems`.

    A source whose name ends in `.ftr.json` is a recipe written as JSON.
    """
    if source.is_json:
        from recipe_lang.json.recipe import parse_json

        return parse_json(source)
    return parser.parse(source)


def _with_parent(recipe: nodes.Recipe, folder: Path | None, chain: tuple[str, ...]) -> nodes.Recipe:
    extends = next((item for item in recipe.items if isinstance(item, nodes.Extends)), None)
    if extends is None:
        return recipe
    name = parent_name(recipe.source, extends)
    try:
        problem = _refusal(name, folder, chain)
        if problem is None:
            parent = parse(read_source(name))
            return replace(recipe, parent=_with_parent(parent, folder, (*chain, name)))
    except RecipeError as error:
        problem = error.problems[0]
    except (OSError, ValueError) as error:  # a name that no file can have
        problem = Unreadable(path=name, reason=str(error))
    return replace(recipe, problems=(*recipe.problems, problem.replace(span=extends.path.span)))


def parent_name(source: Source, extends: nodes.Extends) -> str:
    """Return the path of the parent that a recipe extends, without `..` where that means the same file."""
    written = str(source.folder / extends.path.value)
    plain = os.path.normpath(written)
    try:  # behind a link, `..` is not the folder that the path names
        return plain if os.path.realpath(plain) == os.path.realpath(written) else written
    except ValueError:
        return written


def _refusal(name: str, folder: Path | None, chain: tuple[str, ...]) -> Problem | None:
    """Say why a parent is not read; None when nothing speaks against it."""
    real = [os.path.realpath(each) for each in (*chain, name)]
    if real[-1] in real[:-1]:
        return ParentCycle(path=(*chain[real.index(real[-1]) :], name))
    if len(chain) > MAX_PARENTS:
        return TooManyParents(limit=MAX_PARENTS)
    if os.path.exists(name) and not os.path.isfile(name):
        return Unreadable(path=name, reason="it is not a file")
    if folder is not None and not Path(real[-1]).is_relative_to(os.path.realpath(folder)):
        return ParentOutside(path=name, folder=str(folder.absolute()))
    return None
