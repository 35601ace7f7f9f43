"""Advice on weights that may not be had (W750), for `ftr check` and editors: one look at a folder, no network.

In goes a checked recipe; out comes its own advice with ours, less what comments suppress. `ftr plan` asks the host,
too, and refuses.
"""

from __future__ import annotations

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import apply_suppressions
from recipe_lang.compose.merge import files
from recipe_lang.problem import Kind, Problem, ordered
from runtime.models.weights_sources import source_of
from runtime.weights.zoo_cache import zoo_cache

WeightsNotCached = Kind(
    "W750",
    "weights not cached",
    reason="""The zoos' hosted weights are reported gone: what the zoo's cache does not hold can seldom be downloaded.

    `ftr plan` and `ftr run` ask the host before anything else, and refuse where it has no such file.""",
    source="https://github.com/dmlc/gluon-cv/issues/1778",
    fields="zoo name folder",
    message='the `imagenet` weights of {zoo}("{name}") are not in {folder}, and the hosted ones may be gone',
    help=(
        'if you have the file, write `weights = gluon_params("file.params")`\n'
        'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
    ),
)


def with_weights_advice(recipe: CheckedRecipe) -> tuple[Problem, ...]:
    """Return a recipe's advice, with that on weights that the zoo's cache does not hold."""
    field = recipe.fields["base"]
    base: CallValue = field.value
    if "weights" not in base.args or source_of(base["weights"]).is_here(base["name"]):
        return recipe.advice
    span = base.args["weights"].span or base.span or field.span
    found = WeightsNotCached(span=span, zoo=base.name, name=base["name"], folder=str(zoo_cache()))
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered((*recipe.advice, *apply_suppressions([found], sources, lambda code: False))))
