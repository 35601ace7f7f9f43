"""Recipes in JSON, and what is wrong with them."""

from __future__ import annotations

from jsonschema import Draft202012Validator
from paths import ROOT

from recipe_lang.compose.load import parse
from recipe_lang.json.recipe import recipe_json
from recipe_lang.source import Source
from runtime.help.json_schema import schema

RECIPES = sorted((ROOT / "recipes").glob("*.ftr"))
SCHEMA = Draft202012Validator(schema())


def json_form(text: str) -> Source:
    """Return the JSON form of a recipe's text."""
    recipe = parse(Source("recipe.ftr", text))
    assert recipe.problems == (), text
    return Source("recipe.ftr.json", recipe_json(recipe))


GOOD = """{
  "ftr": 1,
  "data": {"train": {"name": "digits"}, "size": {"number": 224, "unit": "px"}},
  "stage head": {"train": {"name": "head"}, "for": {"number": 3, "unit": "epochs"}, "optimizer": {"name": "adam"}}
}"""
