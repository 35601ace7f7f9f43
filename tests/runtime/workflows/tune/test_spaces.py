"""From the domains of a recipe's parameters to what a sampler takes, and back to what `--set` takes."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY
from runtime.workflows.tune.space import not_comparable, refuse_other_losses, search_space

TEXT = """ftr 1
{params}
seed = {seed}
data {{
  train   = digits
  size    = {size}
  augment = {augment}
  batch   = {batch}
}}
stage "head" {{
  train     = head
  for       = {length}
  optimizer = {optimizer}
}}
"""
PLACES = {
    "seed": "1",
    "size": "64px",
    "augment": "none",
    "batch": "8 images",
    "length": "2 epochs",
    "optimizer": "adam",
}


def checked(params: str, *settings: str, **places: str) -> CheckedRecipe:
    return check(parse(Source("r.ftr", TEXT.format(params=params, **{**PLACES, **places}))), VOCABULARY, settings)


@pytest.mark.parametrize(
    ("declared", "places", "expected", "texts"),
    [
        (
            "1e-3 in log(1e-5 .. 1e-1)",
            {"optimizer": "adam(lr = $p)"},
            FloatDistribution(1e-5, 1e-1, log=True),
            {1e-5: "1e-05", 0.001234567: "0.00123457", 0.1: "0.1"},
        ),
        ("0.1 in 0 .. 1", {"optimizer": "adam(weight_decay = $p)"}, FloatDistribution(0, 1), {0.25: "0.25"}),
        ("1 in 0 .. 2", {"optimizer": "adam(weight_decay = $p)"}, FloatDistribution(0, 2), {0.5: "0.5"}),
        ("3 epochs in 1 epoch .. 8 epochs", {"length": "$p"}, IntDistribution(1, 8), {1: "1 epoch", 8: "8 epochs"}),
        (
            "96px in range(96px .. 224px, step = 32px)",
            {"size": "$p"},
            IntDistribution(96, 224, step=32),
            {128: "128px"},
        ),
        (
            "0.4 in range(0.2 .. 0.6, step = 0.1)",
            {"augment": "[color_jitter($p)]"},
            FloatDistribution(0.2, 0.6, step=0.1),
            {0.1 + 0.2: "0.3"},
        ),
        ("8 images in 4 images .. 16 images", {"batch": "$p"}, IntDistribution(4, 16), {5: "5 images"}),
        (
            "[flip(horizontal)] in [[flip(horizontal)], [flip(vertical)]]",
            {"augment": "$p"},
            CategoricalDistribution((0, 1)),
            {1: "[flip(vertical)]"},
        ),
    ],
)
def test_a_domain_maps_to_a_distribution_and_its_values_to_settings(
    declared: str, places: dict[str, str], expected: BaseDistribution, texts: dict[float, str]
) -> None:
    params = f"param p = {declared}"
    (found,) = search_space(checked(params, **places))
    assert found.distribution() == expected
    assert {value: found.text(value) for value in texts} == texts
    assert found.distribution()._contains(found.distribution().to_internal_repr(found.start))
    for text in (*texts.values(), found.text(found.start)):
        checked(params, f"p={text}", **places)


def test_a_grid_has_the_ends_and_each_item() -> None:
    params = (
        "param a = 1e-3 in log(1e-4 .. 1e-2)\nparam b = 1 epoch in 1 epoch .. 3 epochs\nparam c = true in [true, false]"
    )
    a, b, c = search_space(checked(params, optimizer="adam(lr = $a, decay_norms = $c)", length="$b"))
    assert [a.text(each) for each in a.grid(3)] == ["0.0001", "0.001", "0.01"]
    assert b.grid(5) == [1, 2, 3]
    assert [c.text(each) for each in c.grid(5)] == ["true", "false"]
    assert [each.plain() for each in (a, b, c)] == [
        "log(0.0001 .. 0.01)",
        "range(1 epoch .. 3 epochs)",
        "[true, false]",
    ]


def test_what_is_set_has_one_value_or_chooses_what_validates_is_not_searched() -> None:
    params = "param s = 1 in 1 .. 9\nparam a = 0.1 in 0.0 .. 1.0\nparam b = 0.1 in [0.1]\nparam lr = 0.1 in 0.01 .. 1.0"
    where = {"seed": "$s", "optimizer": "adam(lr = $lr, weight_decay = $a, epsilon = $b)"}
    assert [each.name for each in search_space(checked(params, "a=0.2", **where))] == ["lr"]
    assert not_comparable(checked(params, **where)) == ("s",)
    with pytest.raises(RecipeError, match="no parameter to search: `s` chooses the images that validate"):
        search_space(checked(params, "a=0.2", "lr=0.1", **where))
    with pytest.raises(RecipeError, match="has no parameter with a domain to search"):
        search_space(checked("param s = 1", **where | {"optimizer": "adam"}))


@pytest.mark.parametrize(
    ("params", "places", "moves"),
    [
        ("param p = 0.1 in 0.0 .. 0.3", {"optimizer": "adam\n  loss = cross_entropy(label_smoothing = $p)"}, False),
        ("param p = 2.0 in 0 .. 5", {"optimizer": "adam\n  loss = focal(gamma = $p)"}, True),
        ("param p = focal in [focal, cross_entropy]\nloss = $p", {}, True),
        ("param p = 4 in 1 .. 8", {"optimizer": "adam\n  from 1 epoch {\n  loss = focal(gamma = $p)\n}"}, True),
        (
            "param p = 4 in 1 .. 8",
            {"optimizer": "adam\n  loss = distillation(focal, temperature = $p)", "seed": '1\nteacher = run("r")'},
            False,
        ),
        ("param p = 1e-3 in 1e-4 .. 1e-1", {"optimizer": "adam(lr = $p)"}, False),
    ],
)
def test_trials_are_not_compared_by_a_loss_that_a_parameter_moves(
    params: str, places: dict[str, str], moves: bool
) -> None:
    recipe = checked(params, **places)
    with pytest.raises(RecipeError, match="decides what `valid.loss` measures") if moves else nullcontext():
        refuse_other_losses(recipe, search_space(recipe))


def test_pixels_need_a_step() -> None:
    with pytest.raises(RecipeError) as caught:
        search_space(checked("param p = 96px in 96px .. 224px", size="$p"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.help()) == (
        "E627",
        "write `range(96px .. 224px, step = 32px)`, or a list of sizes",
    )
