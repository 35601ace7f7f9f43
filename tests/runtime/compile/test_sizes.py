"""Sizes that are no square: as a field, in crops, in both forms of a recipe, and what images become of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.json.recipe import recipe_json
from recipe_lang.output.formatter import format_text
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import parse as syntax
from runtime.compile.image_steps import prepare_steps, training_steps
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import Change
from runtime.help.json_schema import schema
from runtime.plan.size import Size
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules.images import image_size

RECIPE = """ftr 1

data {
  train = folder("photos")
  size  = SIZE
}

stage "head" {
  train = head
  for   = 1 epoch
}
"""


def source(size: str) -> Source:
    return Source("r.ftr", RECIPE.replace("SIZE", size))


def made(steps: tuple[object, ...], size: Size) -> tuple[Change, ...]:
    return Pipeline(steps).draw(size, np.random.default_rng(0))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [Size(100, 100), Size(500, 300), Size(64, 96), Size(20, 30), Size(97, 1000)])
def test_the_whole_height_or_width_is_seen_around_the_centre(size: Size) -> None:
    recipe = check(parse(source("[64px, 96px]")), VOCABULARY)
    assert image_size(recipe)[0] == Size(64, 96)
    steps, _ = prepare_steps(recipe.block("data"), Size(64, 96))
    changes = made(steps, size)
    for change in changes:
        size = change.size(size)
    assert size == Size(64, 96)
    before = next((change.to for change in changes if hasattr(change, "to") and not hasattr(change, "left")), None)
    assert before is None or before.height == 64 or before.width == 96


def test_crops_take_it_and_know_no_square() -> None:
    text = "[64px, 96px]\n  augment = [random_resized_crop(scale = 1 .. 1, ratio = 1 .. 1)]"
    recipe = check(parse(source(text)), VOCABULARY)
    data = recipe.block("data")
    steps, _ = prepare_steps(data, Size(64, 96))
    drawn = training_steps(data["augment"], steps, Size(64, 96), (50, 50))
    assert drawn[-1].name == "random_resized_crop"  # of squares it would be a fixed resize, were the size one
    assert made(drawn, Size(50, 50))[-1].size(Size(50, 50)) == Size(64, 96)


def test_both_forms_say_the_same() -> None:
    form = recipe_json(syntax(source("[64px, 96px]")))
    Draft202012Validator(schema()).validate(json.loads(form))
    assert image_size(check(parse(Source("r.ftr.json", form)), VOCABULARY))[0] == Size(64, 96)
    assert format_text(source("[64px,96px]")) == RECIPE.replace("SIZE", "[64px, 96px]")


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ("[64px]", "E308"),
        ("[64px, 96px, 3px]", "E435"),
        ("[64px, 4px]", "E302"),
        ("[64px, 96px]\n  prepare = [center_crop([96px, 64px])]", "E423"),
        ("64px\n  prepare = [center_crop([64px, 96px])]", "E423"),
    ],
)
def test_what_is_no_size(size: str, code: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check(parse(source(size)), VOCABULARY)
    assert [problem.code for problem in caught.value.problems] == [code]
