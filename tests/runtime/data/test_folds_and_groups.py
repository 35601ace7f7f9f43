"""Folds, groups, the newest and shots: properties, and beside scikit-learn's splitters."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from recipe_lang.problem import RecipeError
from runtime.data import splits
from runtime.data.groups import allotted
from runtime.data.listing import Listing, Sample
from runtime.data.newest import newest
from runtime.data.splits import Split
from runtime.tasks.classification.targets import class_counts
from runtime.tasks.classification.task import CLASSIFICATION


def listing(*counts: int) -> Listing:
    names = tuple("abcdef"[: len(counts)])
    samples = [
        Sample(f"{name}/{number}.jpg", label, Path(f"{name}/{number}.jpg"))
        for label, (name, count) in enumerate(zip(names, counts, strict=True))
        for number in range(count)
    ]
    return Listing(tuple(samples), names)


def divided(whole: Listing, seed: int = 7, **parts: Split) -> dict[str, Listing]:
    return splits.divided(whole, parts, seed, CLASSIFICATION.strata(whole))


def ids(found: Listing) -> set[str]:
    return {sample.id for sample in found.samples}


def fold(use: int, count: int = 5, groups: dict[str, str] | None = None) -> Split:
    return Split(1 / count, count, use, groups)


def patients(whole: Listing, seed: int = 0, most: int = 12) -> dict[str, str]:
    """Return made groups of unequal sizes; most show one class more than others."""
    draw = random.Random(seed)
    rest = [sample.id for sample in whole.samples]
    draw.shuffle(rest)
    rest.sort(key=lambda id: (id[0], draw.random()) if draw.random() < 0.5 else (draw.choice("abc"), draw.random()))
    found: dict[str, str] = {}
    while rest:
        size = draw.randint(1, most)
        found |= dict.fromkeys(rest[:size], f"p{len(found)}")
        rest = rest[size:]
    return found


def test_folds_are_disjoint_and_complete_and_each_has_its_share_of_each_class() -> None:
    whole = listing(53, 28, 9, 3)
    found = [divided(whole, valid=fold(use)) for use in range(1, 6)]
    assert sorted(id for each in found for id in ids(each["valid"])) == sorted(ids(whole))
    for each in found:
        assert ids(each["train"]) | ids(each["valid"]) == ids(whole)
        assert not ids(each["train"]) & ids(each["valid"])
    counts = np.array([class_counts(each["valid"]) for each in found])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    labels = np.array([sample.target for sample in whole.samples])
    theirs = [np.bincount(labels[held], minlength=4) for _, held in StratifiedKFold(3).split(labels, labels)]
    of_three = [class_counts(divided(whole, valid=fold(use, 3))["valid"]) for use in range(1, 4)]
    assert sorted(map(sorted, np.transpose(of_three).tolist())) == sorted(map(sorted, np.transpose(theirs).tolist()))


def test_folds_are_pinned_and_do_not_depend_on_the_order_of_the_files() -> None:
    whole = listing(8, 4)
    shuffled = list(whole.samples)
    random.Random(3).shuffle(shuffled)
    again = replace(whole, samples=tuple(shuffled))
    assert ids(divided(whole, valid=fold(2, 4))["valid"]) == ids(divided(again, valid=fold(2, 4))["valid"])
    assert ids(divided(whole, valid=fold(2, 4))["valid"]) == {"a/0.jpg", "a/1.jpg", "b/1.jpg"}
    assert ids(divided(whole, 8, valid=fold(2, 4))["valid"]) != ids(divided(whole, valid=fold(2, 4))["valid"])


def test_folds_of_validation_and_test_are_those_of_one_division() -> None:
    whole = listing(40, 35)
    for use in range(1, 5):
        found = divided(whole, valid=fold(use), test=fold(5))
        assert ids(found["valid"]) == ids(divided(whole, valid=fold(use))["valid"])
        assert not ids(found["valid"]) & ids(found["test"])
        assert ids(found["train"]) == ids(whole) - ids(found["valid"]) - ids(found["test"])


def test_the_test_set_is_the_same_for_all_folds_which_are_those_of_the_rest() -> None:
    whole = listing(40, 35)
    found = [divided(whole, valid=fold(use), test=Split(0.2)) for use in range(1, 6)]
    assert len({frozenset(ids(each["test"])) for each in found}) == 1
    assert class_counts(found[0]["test"]) == (8, 7)
    rest = sorted(ids(whole) - ids(found[0]["test"]))
    assert sorted(id for each in found for id in ids(each["valid"])) == rest


def test_folds_of_several_labels_have_each_alike() -> None:
    draw = random.Random(5)
    labels = {f"{n}.jpg": tuple(k for k in range(4) if draw.random() < (0.5, 0.3, 0.2, 0.1)[k]) for n in range(203)}
    whole = Listing(tuple(Sample(id, each, Path(id)) for id, each in labels.items()), tuple("abcd"))
    of = splits.folds(whole, 5, 1, labels)
    sizes = Counter(of.values())
    assert set(sizes) == {1, 2, 3, 4, 5}
    assert max(sizes.values()) - min(sizes.values()) <= 1
    for label in range(4):
        counts = Counter(of[id] for id, each in labels.items() if label in each)
        assert max(counts.values()) - min(counts.values()) <= 2


def test_no_group_is_on_two_sides_and_shares_are_near() -> None:
    whole = listing(240, 120, 40)
    for seed in range(5):
        groups = patients(whole, seed)
        found = divided(whole, seed, valid=Split(0.2, groups=groups), test=Split(0.25, groups=groups))
        sides = {name: {groups[id] for id in ids(each)} for name, each in found.items()}
        assert not sides["train"] & sides["valid"] | sides["train"] & sides["test"] | sides["valid"] & sides["test"]
        assert sum(len(each.samples) for each in found.values()) == 400
        assert abs(len(found["valid"].samples) - 80) <= 6
        assert abs(len(found["test"].samples) - 100) <= 6
        classes = np.array((240, 120, 40))
        assert np.all(np.abs(np.array(class_counts(found["valid"])) - 0.2 * classes) <= 0.05 * classes + 3)


def test_folds_of_groups_are_no_more_uneven_than_those_of_scikit_learn() -> None:
    whole = listing(240, 120, 40)
    labels = np.array([sample.target for sample in whole.samples])
    ours, theirs = [], []
    for seed in range(6):
        groups = patients(whole, seed)
        places = [groups[sample.id] for sample in whole.samples]
        of = splits.folds(whole, 5, seed, CLASSIFICATION.strata(whole), groups)
        assert all(len({of[id] for id, group in groups.items() if group == each}) == 1 for each in set(places))
        mine = np.array([of[sample.id] for sample in whole.samples])
        ours.append(_unevenness(labels, [np.flatnonzero(mine == number) for number in range(1, 6)]))
        other = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        theirs.append(_unevenness(labels, [held for _, held in other.split(labels, labels, places)]))
    assert np.mean(ours) <= np.mean(theirs)


def _unevenness(labels: np.ndarray, folds: list[np.ndarray]) -> float:
    counts = np.array([np.bincount(labels[held], minlength=3) for held in folds])
    return float((counts / counts.sum(axis=0)).std(axis=0).mean() + (counts.sum(axis=1) / counts.sum()).std())


def test_groups_depend_on_the_seed_and_not_on_the_order() -> None:
    whole = listing(60, 60)
    groups = patients(whole, most=4)
    drawn = {frozenset(ids(divided(whole, seed, valid=Split(0.2, groups=groups))["valid"])) for seed in range(4)}
    assert len(drawn) == 4
    strata = CLASSIFICATION.strata(whole)
    backwards = dict(reversed(groups.items()))
    assert allotted(groups, strata, (0.2, 0.8), 1, "valid") == allotted(backwards, strata, (0.2, 0.8), 1, "valid")


def test_each_part_has_a_group_where_there_are_enough_and_else_it_is_refused() -> None:
    whole = listing(30)
    groups = {sample.id: "p1" if number < 28 else "p2" for number, sample in enumerate(whole.samples)}
    assert len(divided(whole, valid=Split(0.5, groups=groups))["valid"].samples) in (2, 28)
    assert len(divided(whole, valid=Split(0.02, groups=groups))["valid"].samples) == 2
    with pytest.raises(RecipeError, match="of 2 groups, too few for 3") as caught:
        divided(whole, valid=fold(1, 3, groups))
    assert [problem.code for problem in caught.value.problems] == ["E567"]


def test_a_part_that_takes_more_than_its_share_leaves_some_to_others() -> None:
    whole = listing(20, 20)
    groups = {sample.id: f"p{min(3, number // 12)}" for number, sample in enumerate(whole.samples)}
    found = divided(whole, valid=Split(0.45, groups=groups), test=Split(0.5, groups=groups))
    assert all(each.samples for each in found.values())
    assert sum(len(each.samples) for each in found.values()) == 40


def test_the_newest_are_behind_a_cut_and_ties_on_one_side() -> None:
    times = {f"{n}": (float(year), str(year)) for n, year in enumerate([2019] * 4 + [2020] * 3 + [2021] * 2 + [2022])}
    assert newest(times, 2) == ({"9"}, "2022")
    assert newest(times, 3) == ({"7", "8", "9"}, "2021")
    assert newest(times, 5) == ({"4", "5", "6", "7", "8", "9"}, "2020")
    assert newest(times, 10)[1] == "2020"
    with pytest.raises(RecipeError) as caught:
        newest({"a": (1.0, "1"), "b": (1.0, "1.0")}, 1)
    assert [problem.code for problem in caught.value.problems] == ["E568"]


def test_test_is_the_newest_and_validation_is_before_it() -> None:
    whole = listing(50, 50)
    times = {sample.id: (float(number % 50), str(number % 50)) for number, sample in enumerate(whole.samples)}
    found = divided(whole, valid=Split(0.2, times=times), test=Split(0.1, times=times))
    ages = {name: sorted(times[id][0] for id in ids(each)) for name, each in found.items()}
    assert ages["train"][-1] < ages["valid"][0] <= ages["valid"][-1] < ages["test"][0]
    assert (len(ages["valid"]), len(ages["test"])) == (20, 10)
    assert found["test"].notes == ("test: 10 images (10.0%), from 45 on",)


def test_a_random_part_beside_the_newest_is_none_of_them() -> None:
    whole = listing(50, 50)
    times = {sample.id: (float(number % 50), str(number % 50)) for number, sample in enumerate(whole.samples)}
    found = divided(whole, valid=Split(0.2), test=Split(0.2, times=times))
    assert min(times[id] for id in ids(found["test"])) > max(times[id] for id in ids(found["valid"]))
    assert class_counts(found["valid"]) == (10, 10)


def test_shots_are_of_each_class_nested_and_say_which_class_has_fewer() -> None:
    whole = listing(40, 30, 5)
    strata = CLASSIFICATION.strata(whole)
    before: set[str] = set()
    for count in (1, 2, 4, 8, 16):
        found = splits.shots(whole, count, 7, strata)
        assert class_counts(found) == (count, count, min(count, 5))
        assert before < ids(found)
        before = ids(found)
    assert found.notes == ("train: 16 images of each class, 37 of 75 in all; fewer of c (5)",)
    assert ids(splits.shots(whole, 4, 8, strata)) != ids(splits.shots(whole, 4, 7, strata))
