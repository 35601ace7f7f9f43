"""Derived randomness: pinned values, independence of history, canonical paths."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT

from runtime.system.random import derive, derive_each, generator

PINNED = [
    ((0,), 6197665364228624309),
    ((7, "split", "valid", "roses/1.jpg"), 5657941161912585800),
    ((7, "augment", 0, 12, "Ünïcode/画像.jpg"), 2707542509997837762),
    ((-1, "order", 2**70), 746821585386089272),
    ((7, "bad \udcff name"), 8862834246444480871),
]


@pytest.mark.parametrize(("path", "expected"), PINNED)
def test_derive_gives_the_same_number_for_ever(path: tuple[int, ...], expected: int) -> None:
    assert derive(*path) == expected
    assert 0 <= expected < 2**63


def test_derive_does_not_depend_on_the_process() -> None:
    code = "from runtime.system.random import derive; print(derive(7, 'a', 1))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{derive(7, 'a', 1)}\n"}


def test_paths_that_look_alike_differ() -> None:
    paths = [("ab", "c"), ("a", "bc"), ("abc",), (1,), ("1",), (1, 2), (12,), ("i1;",), ("s1:a",), ("a",), ()]
    assert len({derive(7, *path) for path in paths}) == len(paths)


def test_derive_each_is_derive_for_each_id() -> None:
    ids = ["a", "", "画", "b/c d'\".jpg"]
    keys = derive_each(3, "order", 1, ids=ids)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [derive(3, "order", 1, name) for name in ids]
    assert derive_each(3, ids=[]).shape == (0,)


def test_numpy_integers_are_integers() -> None:
    assert derive(7, int(np.int64(5))) == derive(7, np.int64(5))  # type: ignore[arg-type]


def test_derive_refuses_fractions() -> None:
    with pytest.raises(TypeError):
        derive(7, 0.5)  # type: ignore[arg-type]


def test_generators_are_fresh_and_reproducible() -> None:
    first = generator(7, "augment", 0, 1, "x")
    first.random(1000)
    again = generator(7, "augment", 0, 1, "x")
    assert again.bit_generator.random_raw() == 13978782641420017856
    assert generator(7, "augment", 0, 2, "x").bit_generator.random_raw() != 13978782641420017856


def test_keys_are_spread_evenly() -> None:
    keys = derive_each(1, "spread", ids=map(str, range(20_000)))
    counts = np.bincount((keys >> np.uint64(59)).astype(int), minlength=16)
    assert counts.shape == (16,)
    assert counts.min() > 1250 - 5 * 35
    assert counts.max() < 1250 + 5 * 35
