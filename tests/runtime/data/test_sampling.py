"""Which images an epoch draws where classes have shares of it: counts worked out by hand."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from planned import class_facts, plan_of

from recipe_lang.problem import RecipeError
from runtime.data.listing import Sample
from runtime.data.sampling import drawn, sampling_shares, turns
from runtime.models.heads import output_bias

SAMPLES = [Sample(f"{label}/{number}", label, None) for label, n in enumerate((12, 5, 1)) for number in range(n)]  # type: ignore[arg-type]


def ids(shares: tuple[float, ...], epoch: int = 0, seed: int = 1) -> list[str]:
    return [sample.id for sample in drawn(SAMPLES, shares, seed, 0, epoch)]


def test_shares_are_those_of_the_formula() -> None:
    counts = (12, 5, 1)
    assert sampling_shares("balanced", {}, "abc", counts) == pytest.approx((1 / 3,) * 3)
    roots = [math.sqrt(count) for count in counts]
    assert sampling_shares("weighted", {"weights": "sqrt"}, "abc", counts) == pytest.approx(
        [root / sum(roots) for root in roots]
    )
    named = sampling_shares("weighted", {"weights": (("c", 6.0),)}, "abc", counts)
    assert named == pytest.approx((12 / 23, 5 / 23, 6 / 23))


def test_an_epoch_has_each_share_to_the_image() -> None:
    found = ids((1 / 3,) * 3)
    assert len(found) == len(SAMPLES)
    assert Counter(each[0] for each in found) == {"0": 6, "1": 6, "2": 6}
    each = Counter(found)
    assert max(each[f"0/{n}"] for n in range(12)) == 1  # half of the largest class, none twice
    assert sorted(each[f"1/{n}"] for n in range(5)) == [1, 1, 1, 1, 2]
    assert each["2/0"] == 6


def test_remainders_go_to_those_that_lack_most() -> None:
    assert Counter(each[0] for each in ids((0.5, 0.3, 0.2))) == {"0": 9, "1": 5, "2": 4}  # 9, 5.4, 3.6


def test_a_class_without_a_share_is_not_drawn_and_one_without_images_takes_none() -> None:
    assert {each[0] for each in ids((0.5, 0.5, 0.0))} == {"0", "1"}
    assert len(drawn(SAMPLES[:17], (1 / 3,) * 3, 1, 0, 0)) == 17


def test_epochs_differ_and_follow_from_the_seed_alone() -> None:
    shares = (1 / 3,) * 3
    assert ids(shares) == ids(shares)
    assert ids(shares) != ids(shares, epoch=1)
    assert ids(shares) != ids(shares, seed=2)
    assert {each for epoch in range(8) for each in ids(shares, epoch)} == {sample.id for sample in SAMPLES}
    backwards = [sample.id for sample in drawn(SAMPLES[::-1], shares, 1, 0, 0)]
    assert backwards == ids(shares)


def test_turns_count_what_came_before() -> None:
    a, b = SAMPLES[:2]
    assert turns([a, b, a, a]) == [0, 0, 1, 2]


RECIPE = """ftr 1
data {{
  train = folder("p")
  {data}
}}
head = [dense(classes, bias = priors)]
stage "head" {{
  train = head
  for = 1 epoch
}}
stage "more" {{
  train = head
  for = 1 epoch
  sampling = {stage}
}}
"""
FACTS = class_facts(("cat", "dog"), {"train": (90, 10), "valid": (9, 1)})


def test_a_stage_has_the_sampling_of_the_data_or_its_own() -> None:
    first, second = plan_of(RECIPE.format(data="sampling = balanced", stage="none"), data=FACTS).stages
    assert first.sampling is not None
    assert first.sampling.shares == pytest.approx((0.5, 0.5))
    assert second.sampling is None
    first, second = plan_of(RECIPE.format(data="", stage='weighted({ "dog" = 3 })'), data=FACTS).stages
    assert first.sampling is None
    assert second.sampling is not None
    assert second.sampling.shares == pytest.approx((0.75, 0.25))
    assert second.steps_per_epoch == 3


def test_weights_of_other_classes_are_refused_where_they_stand() -> None:
    with pytest.raises(RecipeError, match="there is no class `cow`") as error:
        plan_of(RECIPE.format(data="", stage='weighted({ "cow" = 3 })'), data=FACTS)
    assert error.value.problems[0].span is not None


def test_the_head_begins_with_the_shares_that_it_will_see() -> None:
    plan = plan_of(RECIPE.format(data="", stage="balanced"), data=FACTS)
    shares = np.exp(output_bias(plan)) / np.exp(output_bias(plan)).sum()
    np.testing.assert_allclose(shares, [0.9, 0.1])
    even = output_bias(plan_of(RECIPE.format(data="sampling = balanced", stage="none"), data=FACTS))
    assert even == pytest.approx((math.log(0.5), math.log(0.5)))
    plain = plan_of(RECIPE.format(data="", stage="none").replace(", bias = priors", ""), data=FACTS)
    assert output_bias(plain) == ()
