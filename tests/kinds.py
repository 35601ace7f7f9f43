"""Where each kind of problem stands: its module by its code."""

from __future__ import annotations

from importlib import import_module

from recipe_lang.problem import Kind
from runtime.help.codes import FAMILIES


def modules_of_kinds() -> dict[str, str]:
    names = dict.fromkeys(name for family in FAMILIES.values() for name in family.modules)
    found: dict[str, str] = {}
    for name in names:  # what a module imports stands in one before it
        for row in vars(import_module(name)).values():
            if isinstance(row, Kind):
                found.setdefault(row.code, name)
    return found
