"""All rules of advice on the text of a recipe, and when other advice is given."""

from __future__ import annotations

from recipe_lang.problem import Kind
from runtime.vocabulary.advice import data, rates, regularization, stages, switches

_MODULES = (rates, stages, regularization, data, switches)
ADVICE = tuple(rule for module in _MODULES for rule in module.RULES)

_ALL = frozenset(f"W{number}" for number in range(740, 800))  # below are those of the checker and of the text
LATER = _ALL - {row.code for module in _MODULES for row in vars(module).values() if isinstance(row, Kind)}
"""The codes of advice that the text alone does not show."""

BY_DATA = LATER - {f"W{number}" for number in (750, *range(760, 779), 781, 782)}
"""Those of them that the sets of images show, unopened; the others take the images, weights or the machine."""
