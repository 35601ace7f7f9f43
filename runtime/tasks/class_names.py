"""The names of classes as run folders keep them, in `classes.json`."""

from __future__ import annotations

from typing import Any


def class_names(plain: Any) -> tuple[str, ...]:
    """Return the names of the classes that the content of `classes.json` says.

    Raises:
        ValueError: it is not a list of names.
    """
    if not isinstance(plain, list) or not plain or not all(isinstance(name, str) for name in plain):
        raise ValueError("`classes.json` is not a list of names")
    return tuple(plain)
