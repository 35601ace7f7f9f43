"""Splits: stratified, exact, disjoint, and independent of everything but ids and the seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recipe_lang.diagnostics import RecipeError
from runtime.sources import Listing, Sample
from runtime.splits import align, check_sets, holdout, holdouts, take


def listing(*counts: int) -> Listing:
    names = tuple("abcdef"[: len(counts)])
    samples = [
        Sample(f"{name}/{number}.jpg", label, Path(f"{name}/{number}.jpg"))
        for label, (name, count) in enumerate(zip(names, counts, strict=True))
        for number in range(count)
    ]
    return Listing(tuple(samples), names)


def ids(found: Listing) -> set[str]:
    return {sample.id for sample in found.samples}


def test_a_holdout_takes_its_share_of_each_class() -> None:
    rest, held = holdout(listing(100, 50, 10), 0.2, 7, "valid")
    assert tuple(held.counts()) == (20, 10, 2)
    assert tuple(rest.counts()) == (80, 40, 8)
    assert not ids(rest) & ids(held)


def test_a_holdout_takes_one_of_a_small_class_and_none_of_a_single_image() -> None:
    _, held = holdout(listing(40, 2, 1), 0.1, 7, "valid")
    assert tuple(held.counts()) == (4, 1, 0)


def test_holdouts_are_disjoint_shares_of_the_whole() -> None:
    parts = holdouts(listing(100, 60), {"valid": 0.2, "test": 0.3}, 1)
    assert tuple(parts["valid"].counts()) == (20, 12)
    assert tuple(parts["test"].counts()) == (30, 18)
    assert sum(len(part.samples) for part in parts.values()) == 160
    assert len(ids(parts["train"]) | ids(parts["valid"]) | ids(parts["test"])) == 160


def test_a_further_holdout_leaves_the_earlier_one_alone() -> None:
    alone = holdouts(listing(100), {"valid": 0.2}, 1)
    both = holdouts(listing(100), {"valid": 0.2, "test": 0.3}, 1)
    assert ids(alone["valid"]) == ids(both["valid"])


def test_the_order_of_the_listing_does_not_matter() -> None:
    whole = listing(50, 50)
    shuffled = list(whole.samples)
    random.Random(3).shuffle(shuffled)
    again = Listing(tuple(shuffled), whole.classes)
    assert ids(holdout(whole, 0.2, 7, "valid")[1]) == ids(holdout(again, 0.2, 7, "valid")[1])


def test_seed_and_name_draw_differently() -> None:
    drawn = {frozenset(ids(holdout(listing(200), 0.5, seed, name)[1])) for seed in (1, 2) for name in ("valid", "test")}
    assert len(drawn) == 4


def test_take_is_exact_stratified_and_nested() -> None:
    whole = listing(90, 9, 1)
    some, more = take(whole, 20, 5), take(whole, 50, 5)
    assert len(some.samples) == 20
    assert min(some.counts()) >= 1
    assert ids(some) < ids(more)


def test_take_refuses_more_than_there_is() -> None:
    with pytest.raises(RecipeError, match="20"):
        take(listing(10, 9), 20, 1)


def test_align_renumbers_by_class_name() -> None:
    other = Listing((Sample("x", 0, Path("x")),), ("b",))
    aligned = align(other, ("a", "b"))
    assert aligned.classes == ("a", "b")
    assert aligned.samples[0].label == 1


def test_align_refuses_a_class_that_training_has_not() -> None:
    other = Listing((Sample("x", 0, Path("x")),), ("dandelions",))
    with pytest.raises(RecipeError, match="dandelions"):
        align(other, ("dandelion", "rose"))


@pytest.mark.parametrize(
    ("sets", "code"),
    [
        ({"train": listing(4, 4)}, "E5"),
        ({"train": listing(40, 0)}, "E5"),
        ({"train": listing(40, 40), "valid": listing(0, 0)}, "E5"),
    ],
    ids=["smaller than a batch", "a class without images", "an empty set"],
)
def test_sets_that_cannot_be_used(sets: dict[str, Listing], code: str) -> None:
    (problem,) = check_sets(sets, 16)
    assert problem.code.startswith(code)
    assert problem.message()


def test_sets_that_can_be_used() -> None:
    assert check_sets({"train": listing(20, 20), "valid": listing(1, 0)}, 16) == []
