"""The policy gradient: on choices whose rewards are known."""

from __future__ import annotations

from statistics import mean

import numpy as np

from runtime.system.random import generator
from runtime.workflows.tune.controller import Controller, searched


def rewards(seed: int) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(size=10)]


def test_it_finds_better_pairs_than_chance():
    """Sums of two of ten rewards: in 24 draws, against 24 pairs that are drawn evenly, over ten problems."""
    ours, theirs = [], []
    for seed in range(10):
        values = rewards(seed)
        found = searched(lambda pair, values=values: sum(values[kind] for kind in pair), 10, 2, 24, seed)
        ours.append(mean(sorted(found.values())[-3:]))
        rng = generator(seed, "even")
        pairs = {tuple(sorted(rng.choice(10, 2, replace=False).tolist())) for _ in range(24)}
        theirs.append(mean(sorted(sum(values[kind] for kind in pair) for pair in pairs)[-3:]))
    assert mean(ours) > mean(theirs)


def test_what_is_rewarded_becomes_probable():
    controller = Controller(4, 1)
    for number in range(60):
        chosen = controller.draw(generator(1, number))
        controller.learn(chosen, 1.0 if chosen == (2,) else 0.0)
    assert controller.chances(0, ()).argmax() == 2
    assert controller.chances(0, ())[2] > 0.9


def test_equal_rewards_teach_nothing():
    controller = Controller(4, 2)
    for number in range(10):
        controller.learn(controller.draw(generator(1, number)), 0.5)
    assert not controller.scores.any()


def test_no_kind_is_chosen_twice():
    controller = Controller(3, 3)
    assert {tuple(sorted(controller.draw(generator(seed)))) for seed in range(20)} == {(0, 1, 2)}


def test_a_search_repeats():
    values = rewards(5)
    found = [searched(lambda pair: sum(values[kind] for kind in pair), 10, 2, 12, 3, "a") for _ in range(2)]
    assert found[0] == found[1]
    assert found[0] != searched(lambda pair: sum(values[kind] for kind in pair), 10, 2, 12, 3, "b")
