"""Parts of samples with several labels: of each label about the fraction, the same ones every time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from runtime.data.listing import Listing, Sample
from runtime.data.multi_label import Labels, drawn, rarest
from runtime.data.splits import holdouts, take


def labels_of(count: int, seed: int) -> dict[str, tuple[int, ...]]:
    shown = np.random.default_rng(seed).random((count, 5)) < (0.9, 0.5, 0.2, 0.05, 0.02)
    return {f"{number:04}": tuple(np.flatnonzero(row).tolist()) for number, row in enumerate(shown)}


def apart(part: set[str], labels: Labels, fraction: float) -> float:
    whole, held = (Counter(each for id in ids for each in labels[id]) for ids in (labels, part))
    return max(abs(held[label] - fraction * count) for label, count in whole.items())


@pytest.mark.parametrize(("count", "fraction"), [(200, 0.2), (200, 0.15), (40, 0.25), (1000, 0.1), (7, 0.3)])
def test_a_part_has_its_fraction_of_each_label(count: int, fraction: float) -> None:
    off, at_random = [], []
    for seed in range(5):
        labels = labels_of(count, seed)
        ranked = [list(labels)[place] for place in np.random.default_rng(seed).permutation(count)]
        part = drawn(ranked, fraction, labels=labels, whole=list(labels))
        assert len(part) == int(fraction * count + 0.5)
        off.append(apart(part, labels, fraction))
        at_random.append(apart(set(ranked[: len(part)]), labels, fraction))
    assert max(off) <= 2
    assert np.mean(off) <= np.mean(at_random)


def test_holdouts_are_disjoint_and_stay_as_they_are_when_another_is_added() -> None:
    labels = labels_of(120, 3)
    listing = Listing(tuple(Sample(id, None, Path(id)) for id in labels), tuple("abcde"))
    one, two = (holdouts(listing, dict(list({"valid": 0.2, "test": 0.1}.items())[:n]), 7, labels) for n in (1, 2))
    assert one["valid"] == two["valid"]
    ids = [{sample.id for sample in two[name].samples} for name in ("train", "valid", "test")]
    assert [len(each) for each in ids] == [84, 24, 12]
    assert len(set.union(*ids)) == 120
    assert len(take(listing, 30, 7, labels).samples) == 30


def test_what_is_rare_and_what_has_no_label() -> None:
    assert rarest({"a": (0, 1), "b": (0,), "c": (), "d": (2, 0)}) == {"a": 1, "b": 0, "c": -1, "d": 2}
    assert len(drawn(["a", "b", "c", "d"], 0.5, labels=dict.fromkeys("abcd", ()), whole=list("abcd"))) == 2
