"""Advice on what changes inside a stage (W762, W763)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.vocabulary.rules.images import image_size, written_size

SwitchesNothing = Kind(
    "W762",
    "switches nothing",
    reason="A `from` whose fields are as they were before it changes nothing.",
    source="docs/language.md: stages",
    message="nothing changes here",
    help="write what is other from here on, or leave it out",
)


def _nothing(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        for before, phase in pairwise(stage.phases()):
            if before.fields == phase.fields:
                yield SwitchesNothing(span=phase.head_span)


LargerThanMeasured = Kind(
    "W763",
    "larger than measured",
    reason="""Random crops show objects larger in training than the whole image does when it is measured: to train on
    smaller images than are measured fits, and is faster. Larger ones cost time and fit less.""",
    source="Touvron et al. 2019 (FixRes), arXiv 1906.06423",
    fields="size measured measured_span",
    message="training sees images of {size}; they are measured, and predicted, at {measured}",
    help="give the data block the largest `size`, and train on smaller images first",
    related={"measured_span": "the size of the data"},
)


def _larger(recipe: CheckedRecipe) -> Iterator[Problem]:
    measured, span = image_size(recipe)
    for value in {id(value): value for value in recipe.all_values("stage", "size")}.values():
        size = measured if value.value == "shared" else written_size(value.value)
        if size.pixels > measured.pixels:
            yield LargerThanMeasured(span=value.span, size=size.short, measured=measured.short, measured_span=span)


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_nothing, _larger)
