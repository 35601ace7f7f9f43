"""Rows come back as they were put, from memory or from a file, or rounded to half precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime.features.store import KINDS, Budget, Key, Table

KEYS: list[Key] = [("train", str(number), ()) for number in range(20)]


def test_over_the_budget_rows_lie_in_a_file(tmp_path: Path) -> None:
    budget = Budget(memory=1000, disk=10_000, folder=tmp_path)
    table = Table([(10, 5)], 20, budget, KINDS["full"])
    assert (budget.memory, budget.disk) == (1000, 6000)
    values = np.arange(1000, dtype=np.float32).reshape(20, 10, 5)
    table.put(KEYS[:12], [values[:12]])
    table.put(KEYS[12:], [values[12:]])
    assert KEYS[3] in table
    assert ("train", "99", ()) not in table
    np.testing.assert_array_equal(table.take([KEYS[13], KEYS[0]])[0], values[[13, 0]])
    table.close()
    assert budget.disk == 10_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", [10_000, 0], ids=["in memory", "in a file"])
def test_half_precision_takes_half_the_space_and_rounds(memory: int, tmp_path: Path) -> None:
    budget = Budget(memory=memory, disk=10_000, folder=tmp_path)
    table = Table([(10, 5)], 20, budget, KINDS["half"])
    assert budget.memory + budget.disk == memory + 10_000 - 2 * 50 * 20
    values = np.random.default_rng(0).normal(0, 10, (20, 10, 5)).astype(np.float32)
    table.put(KEYS, [values])
    (found,) = table.take(KEYS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=2**-11, atol=2**-25)
    np.testing.assert_array_equal(found, values.astype(np.float16))
    table.close()


def test_what_is_too_large_for_half_precision_becomes_its_largest_number() -> None:
    table = Table([(5,)], 1, Budget(), KINDS["half"])
    table.put(KEYS[:1], [np.array([[65504, 65519.99, 65520, 1e30, -np.inf]], np.float32)])
    assert table.take(KEYS[:1])[0].tolist() == [[65504, 65504, 65504, 65504, -65504]]


@pytest.mark.parametrize("memory", [10_000, 0], ids=["in memory", "in a file"])
@pytest.mark.parametrize("kind", ["full", "half"])
def test_bytes_of_a_row_make_the_same_row(kind: str, memory: int, tmp_path: Path) -> None:
    shapes = [(3, 2), (4,), (1, 2, 2)]  # a row of several arrays
    budget = Budget(memory=memory, disk=10_000, folder=tmp_path)
    table, other = (Table(shapes, 2, budget, KINDS[kind]) for _ in range(2))
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in shapes]
    table.put(KEYS[:2], values)
    other.put_content(KEYS[1], table.content(KEYS[1]))
    assert len(table.content(KEYS[1])) == KINDS[kind].itemsize * 14
    taken = zip(values, table.take(KEYS[:2]), other.take([KEYS[1]]), strict=True)
    for value, mine, its in taken:
        np.testing.assert_array_equal(mine, value.astype(KINDS[kind]))
        np.testing.assert_array_equal(its, mine[1:])
    table.close()
    other.close()
    assert (budget.memory, budget.disk) == (memory, 10_000)
