"""Recipes of whole runs, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import train

from recipe_lang.problem import Problem, RecipeError
from runtime.training.events import (
    Observer,
)

PROMISED = {
    *("recipe.ftr", "resolved.ftr", "plan.json", "classes.json", "metrics.jsonl", "model.params"),
    *("model-symbol.json", "model-0000.params", "curves.png", "result.json", "run.json", "checkpoints", "images.json"),
    "recipe.ftr.lock",
}

LINE_OF_TRAIN, LINE_OF_VALID = 4, 5  # in the recipes of `write_recipe` without `top`

AUGMENTED = (
    "  augment = [random_resized_crop, flip(horizontal), flip(vertical), color_jitter(0.2, hue = 0.1), lighting(0.1)]"
)


def problems_of(recipe: Path, out: Path, watch: Observer | None = None) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        train(recipe, out, watch=watch)
    return caught.value.problems


def line_of(problem: Problem) -> int:
    assert problem.span is not None, problem.message()
    return problem.span.line
