"""The JSON schema of recipes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from json_forms import GOOD, SCHEMA
from jsonschema import Draft202012Validator
from paths import ROOT

from recipe_lang.json.writer import VALUE_MEMBERS
from runtime.help.json_schema import schema, schema_text
from runtime.vocabulary import VOCABULARY


def test_the_schema_is_one_and_fresh() -> None:
    Draft202012Validator.check_schema(schema())
    assert (ROOT / "docs" / "recipe.schema.json").read_text() == schema_text(), (
        "run: python -m runtime.help.json_schema > docs/recipe.schema.json"
    )


def test_no_block_has_a_field_that_would_make_a_value_of_it() -> None:
    for block in VOCABULARY.blocks.values():
        assert not VALUE_MEMBERS & set(block.fields)


def test_no_two_definitions_of_the_schema_share_a_name() -> None:
    names = [name.replace(" ", "_") for name in (*VOCABULARY.families, *VOCABULARY.blocks)]
    names += ["param", "number", "computed", "selector", "value", "declaration"]
    assert len(names) == len(set(names))


def changed(*path: str, value: Any) -> Any:
    """Return the good recipe with one member changed."""
    found = json.loads(GOOD)
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return found


@pytest.mark.parametrize(
    "recipe",
    [
        json.loads(GOOD),
        changed("seed", value={"arithmetic": [{"param": "n"}, "+", {"minus": 3}]}),
        changed("param lr", value={"default": 1e-3, "in": {"call": "log", "args": [{"from": 1e-5, "to": 1}]}}),
        changed("stage head", "optimizer", value={"param": "best"}),
        changed("stage head", "optimizer", value={"call": "adam", "args": [{"param": "lr"}], "with": {"beta1": 0.5}}),
        changed("expect", value={"test.accuracy >=": {"number": 90, "unit": "%"}, "valid.loss <": 1}),
        changed("expect", value={"test.f1 >=": {"value": 0.9, "over": {"number": 5, "unit": "seeds"}}}),
        {"ftr": 1, "extends": "a.ftr", "drop stage x": True, "data": {"batch": 3}},
        {"ftr": 1, "data": {"train": {"name": "digits"}}, "defaults": {"train": {"name": "head"}}, "stage a": {}},
    ],
)
def test_the_schema_takes(recipe: Any) -> None:
    SCHEMA.validate(recipe)


@pytest.mark.parametrize(
    "recipe",
    [
        [],
        {},
        {"ftr": 1},
        changed("ftr", value=2),
        changed("sead", value=1),
        changed("seed", value="1"),
        changed("seed", value=-1),
        changed("base", value={"call": "gluoncv", "args": ["resnet999"]}),
        changed("base", value={"call": "gluoncv"}),
        changed("stage head", "optimizer", value="adam"),
        changed("stage head", "optimizer", value={"name": "adma"}),
        changed("stage head", "optimizer", value={"call": "adam", "with": {"learning_rate": 1}}),
        changed("stage head", "optimizer", value={"call": "adam", "with": {"lr": "1"}}),
        changed("stage head", "optimizer", value={"call": "adam", "args": [0.1, 0.9]}),
        changed("stage head", "for", value=3),
        changed("stage head", "for", value={"number": 3, "unit": "px"}),
        changed("stage head", "for", value={"number": 3, "unit": "epochs", "x": 1}),
        changed("stage head", "train", value="head"),
        changed("data", "train", value={"name": "folder"}),
        changed("data", "on_error", value={"name": "ignore"}),
        changed("data", "augment", value={"call": "flip"}),
        changed("data", value={}),
        changed("param 3", value={"default": 1}),
        changed("param lr", value={"in": [1]}),
        changed("drop stage x", value=False),
        changed("expect", value={"test.acuracy >=": 0.9}),
        changed("expect", value={"test.accuracy": 0.9}),
    ],
)
def test_the_schema_refuses(recipe: Any) -> None:
    assert not SCHEMA.is_valid(recipe)
