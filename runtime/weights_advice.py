"""Advice on weights that may not be had (W750), for `ftr check` and editors: one look at a folder, no network.

In goes a checked recipe; out comes its own advice with ours, less what comments excuse. `ftr plan` asks the host, too,
and refuses.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import ClassVar

from recipe_lang.allowing import excused
from recipe_lang.checked import CallValue, CheckedRecipe
from recipe_lang.diagnostics import Problem, ordered
from recipe_lang.extend import files


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsNotCached(Problem):
    """The zoos' hosted weights are reported gone: what the zoo's cache does not hold can seldom be downloaded.

    `ftr plan` and `ftr run` ask the host before anything else, and refuse where it has no such file.
    """

    code: ClassVar[str] = "W750"
    source: ClassVar[str] = "https://github.com/dmlc/gluon-cv/issues/1778"
    zoo: str
    name: str
    folder: str

    def message(self) -> str:
        weights = f'the `imagenet` weights of {self.zoo}("{self.name}")'
        return f"{weights} are not in {self.folder}, and the hosted ones may be gone"

    def help(self) -> str:
        return (
            'if you have the file, write `weights = gluon_params("file.params")`\n'
            'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
        )


def zoo_cache() -> Path:
    """Return the folder in which both zoos keep the weights that they have downloaded."""
    return Path(os.environ.get("MXNET_HOME") or Path("~", ".mxnet"), "models").expanduser()


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
    return tuple(ordered((*recipe.advice, *excused([found], sources[:1], lambda code: False))))


def _is_cached(name: str) -> bool:
    return any(zoo_cache().glob(f"{escape(name)}-????????.params"))
