"""Splits: stratified, exact, disjoint, and independent of everything but ids, seed and names."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from recipe_lang.problem import RecipeError
from runtime.data import splits
from runtime.data.listing import Listing, Sample
from runtime.data.splits import too_small
from runtime.tasks.classification.targets import align, class_counts, without_images
from runtime.tasks.classification.task import CLASSIFICATION


def listing(*counts: int) -> Listing:
    names = tuple("abcdef"[: len(counts)])
    samples = [
        Sample(f"{name}/{number}.jpg", label, Path(f"{name}/{number}.jpg"))
        for label, (name, count) in enumerate(zip(names, counts, strict=True))
        for number in range(count)
    ]
    return Listing(tuple(samples), names)


def holdouts(whole: Listing, fractions: dict[str, float], seed: int) -> dict[str, Listing]:
    return splits.holdouts(whole, fractions, seed, CLASSIFICATION.strata(whole))


def take(whole: Listing, count: int, seed: int) -> Listing:
    return splits.take(whole, count, seed, CLASSIFICATION.strata(whole))


def ids(found: Listing) -> set[str]:
    return {sample.id for sample in found.samples}


def held(whole: Listing, share: float, seed: int = 7, name: str = "valid") -> set[str]:
    return ids(holdouts(whole, {name: share}, seed)[name])


def test_a_holdout_takes_its_share_of_each_class() -> None:
    parts = holdouts(listing(100, 50, 10), {"valid": 0.2}, 7)
    assert class_counts(parts["valid"]) == (20, 10, 2)
    assert class_counts(parts["train"]) == (80, 40, 8)
    assert not ids(parts["train"]) & ids(parts["valid"])


def test_a_holdout_is_pinned() -> None:
    assert held(listing(10, 5), 0.2) == {"a/5.jpg", "a/6.jpg", "b/2.jpg"}


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [(0.25, 10, 3), (0.24, 10, 2), (0.29, 50, 15), (0.1, 2, 1), (0.9, 2, 2), (0.5, 1, 1), (0.1, 1, 0), (0.5, 0, 0)],
)
def test_shares_are_rounded_half_up_and_take_one_of_two(share: float, count: int, expected: int) -> None:
    assert len(held(listing(count, 40), share)) - len(held(listing(0, 40), share)) == expected


def test_holdouts_are_disjoint_shares_of_the_whole() -> None:
    whole = listing(100, 60)
    parts = holdouts(whole, {"valid": 0.2, "test": 0.3}, 1)
    assert class_counts(parts["valid"]) == (20, 12)
    assert class_counts(parts["test"]) == (30, 18)
    assert sorted(name for part in parts.values() for name in ids(part)) == sorted(ids(whole))
    for part in parts.values():
        assert part.names == whole.names
        assert list(part.samples) == [sample for sample in whole.samples if sample.id in ids(part)]


def test_a_further_holdout_leaves_the_earlier_one_alone() -> None:
    alone = holdouts(listing(100), {"valid": 0.2}, 1)
    both = holdouts(listing(100), {"valid": 0.2, "test": 0.3}, 1)
    assert ids(alone["valid"]) == ids(both["valid"])


def test_a_larger_holdout_holds_the_smaller_one() -> None:
    assert held(listing(100, 50), 0.1) < held(listing(100, 50), 0.3)


def test_the_order_of_the_listing_does_not_matter() -> None:
    whole = listing(50, 50)
    shuffled = list(whole.samples)
    random.Random(3).shuffle(shuffled)
    again = replace(whole, samples=tuple(shuffled))
    assert held(whole, 0.2) == held(again, 0.2)
    assert ids(take(whole, 30, 7)) == ids(take(again, 30, 7))


def test_other_classes_do_not_matter() -> None:
    assert held(listing(50), 0.2) == {name for name in held(listing(50, 80), 0.2) if name.startswith("a/")}


def test_a_new_image_moves_at_most_one_other() -> None:
    before, after = held(listing(50), 0.2), held(listing(51), 0.2)
    assert len(before - after) <= 1
    assert after - before <= {"a/50.jpg", *ids(listing(50))}
    assert len(after - before) <= 1


def test_seed_and_name_draw_differently() -> None:
    drawn = {frozenset(held(listing(200), 0.5, seed, name)) for seed in (1, 2) for name in ("valid", "test")}
    assert len(drawn) == 4


def test_take_keeps_the_proportions_and_some_of_every_class() -> None:
    assert class_counts(take(listing(90, 9, 1), 50, 5)) == (45, 4, 1)
    assert class_counts(take(listing(90, 9, 1), 3, 5)) == (1, 1, 1)
    assert class_counts(take(listing(30, 30), 20, 5)) == (10, 10)


def test_take_is_exact_and_nested() -> None:
    whole = listing(23, 9, 1)
    smaller: set[str] = set()
    for count in range(34):
        found = take(whole, count, 5)
        assert len(found.samples) == count
        assert smaller <= ids(found)
        assert list(found.samples) == [sample for sample in whole.samples if sample.id in ids(found)]
        smaller = ids(found)


def test_take_refuses_more_than_there_is() -> None:
    with pytest.raises(RecipeError, match="20") as caught:
        take(listing(10, 9), 20, 1)
    assert [problem.code for problem in caught.value.problems] == ["E517"]


def test_align_renumbers_by_class_name() -> None:
    aligned = align(
        Listing((Sample("x", 0, Path("x")), Sample("y", 1, Path("y"))), ("c", "a")), ("a", "b", "c"), "test"
    )
    assert aligned.names == ("a", "b", "c")
    assert [(sample.id, sample.target) for sample in aligned.samples] == [("x", 2), ("y", 0)]


def test_align_drops_an_unknown_class_without_images() -> None:
    assert class_counts(align(Listing((Sample("x", 1, Path("x")),), ("new", "a")), ("a", "b"), "test")) == (1, 0)


def test_align_refuses_a_class_that_training_has_not() -> None:
    other = Listing((Sample("x", 0, Path("x")),), ("dandelions",))
    with pytest.raises(RecipeError, match="the test set has class `dandelions`") as caught:
        align(other, ("dandelion", "rose"), "test")
    (problem,) = caught.value.problems
    assert problem.code == "E514"
    assert "did you mean `dandelion`?" in problem.help()


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ({"train": listing(8, 7)}, {"E516": "the train set has 15 images, fewer than 16"}),
        ({"train": listing(40, 0, 9)}, {"E515": "1 class has no image left for training: `b`"}),
        ({"train": listing(40, 40), "valid": listing(0, 0)}, {"E516": "the valid set has 0 images, fewer than 1"}),
        (
            {"train": listing(3, 0), "test": listing(1, 0)},
            {
                "E515": "1 class has no image left for training: `b`",
                "E516": "the train set has 3 images, fewer than 16",
            },
        ),
        ({"train": listing(8, 8), "valid": listing(1, 0)}, {}),
    ],
    ids=["smaller than a batch", "a class without images", "an empty set", "two at once", "just enough"],
)
def test_what_makes_sets_unusable(sets: dict[str, Listing], expected: dict[str, str]) -> None:
    problems = [*without_images(sets), *too_small(sets, 16)]
    assert {problem.code: problem.message() for problem in problems} == expected
    assert all(problem.help() for problem in problems)
