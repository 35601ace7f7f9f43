"""The names of classes: as run folders keep them, in `classes.json`, and beside numbers, such as counts and scores."""

from __future__ import annotations

from typing import Any

from recipe_lang.words import printable


def beside_number(name: str, longest: int | None = None) -> str:
    """Return a name that stands beside a number: between backticks where it looks like one itself."""
    shown = printable(name)[:longest]
    return shown if any(map(str.isalpha, shown)) else f"`{shown}`"


def class_names(plain: Any) -> tuple[str, ...]:
    """Return the names of the classes that the content of `classes.json` says.

    Raises:
        ValueError: it is not a list of names.
    """
    if not isinstance(plain, list) or not plain or not all(isinstance(name, str) for name in plain):
        raise ValueError("`classes.json` is not a list of names")
    return tuple(plain)
