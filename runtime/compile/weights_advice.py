"""Advice on weights that may not be had (W750), for `ftr check` and editors: one look at a folder, no network.

In goes a checked recipe; out comes its own advice with ours, less what comments excuse. `ftr plan` asks the host, too,
and refuses.
"""

from __future__ import annotations

import os

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import excused
from recipe_lang.compose.merge import files
from recipe_lang.problem import Kind, Problem, ordered
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
    weights = base["weights"]
    is_hosted = isinstance(weights, CallValue) and weights.name == "imagenet"
    # Whoever names a host of their own knows what it has.
    if not is_hosted or "MXNET_GLUON_REPO" in os.environ or _is_cached(base["name"]):
        return recipe.advice
    span = base.args["weights"].span or base.span or field.span
    found = WeightsNotCached(span=span, zoo=base.name, name=base["name"], folder=str(zoo_cache()))
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered((*recipe.advice, *excused([found], sources, lambda code: False))))


def _is_cached(name: str) -> bool:
    """Whether the cache has a file of a network, whose name ends in the first digits of its hash."""
    try:
        names = os.listdir(zoo_cache())
    except OSError:
        return False
    return any(each.startswith(f"{name}-") and each.endswith(".params") for each in names)
