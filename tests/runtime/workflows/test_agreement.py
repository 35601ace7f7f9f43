"""What workers compare before they train."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from recipe_lang.problem import RecipeError
from runtime.distribution.exchange import Alone
from runtime.runs.lock.file import Fact, Key
from runtime.workflows.agreement import compare_facts, hear_facts, tell_facts

FACTS: Mapping[Key, Fact] = {
    ("recipe", "hash"): "5d6195b7e5e4",
    ("data.train", "roses"): "7 images, 533554f9",
    ("run", "threads"): 1,
    ("machine", "instructions"): "AVX512",
}


class Wire(Alone):
    """What the facts of rank 0 come through to rank 1."""

    rank = 1
    workers = 2
    sent = b""

    def share(self, value: bytes | None) -> bytes:
        self.sent = value or self.sent
        return self.sent

    def gather(self, rows: Mapping[int, object], shards: int) -> list[object]:  # type: ignore[override]
        return list(rows.values())


def told(own: Mapping[Key, Fact]) -> str:
    wire = Wire()
    tell_facts(wire, FACTS)
    assert json.loads(wire.sent)
    return compare_facts(wire, hear_facts(wire), {**FACTS, **own}, "node2")


def test_equal_workers_have_nothing_to_say() -> None:
    assert told({}) == ""


def test_another_instruction_set_is_said() -> None:
    assert told({("machine", "instructions"): "AVX2"}) == (
        "rank 1 on node2 computes otherwise than rank 0, so bits may change with the workers: "
        "instructions AVX512 there, AVX2 here"
    )


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        (("data.train", "roses"), "8 images, 5074832f", "data.train.roses: 7 images, 533554f9 -> 8 images, 5074832f"),
        (("run", "threads"), 4, "run.threads: 1 -> 4"),
        (("recipe", "hash"), "aa64aca6a244", "recipe.hash: 5d6195b7e5e4 -> aa64aca6a244"),
    ],
)
def test_other_images_threads_and_recipes_are_refused(key: Key, value: Fact, shown: str) -> None:
    with pytest.raises(RecipeError) as caught:
        told({key: value})
    (problem,) = caught.value.problems
    assert (problem.code, problem.rank, problem.place) == ("E618", 1, "node2")
    assert shown in problem.message()
