"""A recipe from its file: `load(path) -> Recipe`."""

from __future__ import annotations

from pathlib import Path

from recipe_lang import nodes
from recipe_lang.parser import parse, read_source
from recipe_lang.source import Source


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
    return parse(source)
