"""Advice on weights that may not be had (W750), for `ftr check` and editors: one look at a folder, no network.

In goes a checked recipe; out comes its own advice with ours, less what comments excuse. `ftr plan` asks the host, too,
and refuses.
"""

from __future__ import annotations

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import excused
from recipe_lang.compose.merge import files
from recipe_lang.problem import Problem, ordered
from runtime.models.weights_sources import source_of
from runtime.weights.zoo_cache import zoo_cache


def with_weights_advice(recipe: CheckedRecipe) -> tuple[Problem, ...]:
    """Return a recipe's advice, with that on weights that the zoo's cache does not hold."""
    field = recipe.fields["base"]
    base: CallValue = field.value
    if source_of(base["weights"]).is_here(base["name"]):
        return recipe.advice
    from runtime.vocabulary.advice import WeightsNotCached

    span = base.args["weights"].span or base.span or field.span
    found = WeightsNotCached(span=span, zoo=base.name, name=base["name"], folder=str(zoo_cache()))
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered((*recipe.advice, *excused([found], sources, lambda code: False))))
