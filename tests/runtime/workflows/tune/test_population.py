"""Population-based training on the paper's toy problem, and what is random in it."""

from __future__ import annotations

import math

import pytest

from runtime.system.random import generator
from runtime.workflows.tune.population import (
    Axis,
    Generation,
    beginning,
    best_of,
    exploited,
    explored,
    train_population,
)

UNIT = {"h0": Axis(0, 1), "h1": Axis(0, 1)}
CORNERS = ({"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0})  # each worker sees one half of the problem


class Quadratic:
    """Climbs 1.2 - h0 a^2 - h1 b^2 from (0.9, 0.9); what counts is 1.2 - a^2 - b^2 (the paper's section 3.4)."""

    def __init__(self) -> None:
        self.theta = (0.9, 0.9)

    def train(self, values, interval: int) -> float:
        for _ in range(4):
            self.theta = tuple(x - 0.02 * values[name] * x for x, name in zip(self.theta, ("h0", "h1"), strict=True))
        return 1.2 - sum(x * x for x in self.theta)

    def copy(self, other) -> None:
        self.theta = other.theta


def trained(save=lambda generation: None, intervals: int = 120) -> Generation:
    return train_population([Quadratic(), Quadratic()], UNIT, Generation(0, CORNERS), intervals, 1, save)


def test_the_paper_s_toy_problem():
    """A grid's two runs see one half each and stay at 0.39; the population finds both halves."""
    alone = [train_population([Quadratic()], UNIT, Generation(0, (corner,)), 120, 1) for corner in CORNERS]
    assert [each.scores[0] for each in alone] == pytest.approx([0.39, 0.39], abs=0.01)
    assert max(trained().scores) > 1.15


def test_a_population_goes_on_where_it_was():
    """After any turn: with members that have learned what they had, the rest is the same."""
    whole, saved = trained(intervals=6), []
    members = [Quadratic(), Quadratic()]
    train_population(
        members, UNIT, Generation(0, CORNERS), 6, 1, lambda now: saved.append((now, [m.theta for m in members]))
    )
    for now, thetas in saved:
        again = [Quadratic(), Quadratic()]
        for member, theta in zip(again, thetas, strict=True):
            member.theta = theta
        assert train_population(again, UNIT, now, 6, 1) == whole


def test_the_worst_fifth_takes_over_the_best_fifth():
    scores = [float(number) for number in range(10)]
    found = exploited(scores, 1, 0)
    assert set(found) == {0, 1}
    assert set(found.values()) <= {8, 9}
    assert exploited([0.5, 0.5, 0.5], 1, 0) == {2: 0}
    assert exploited([0.5], 1, 0) == {}
    assert exploited([math.nan, 0.1], 1, 0) == {0: 1}
    assert best_of([0.1, math.nan, 0.3, 0.3]) == 2


def test_parameters_stay_in_their_axes():
    axes = {
        "lr": Axis(1e-5, 1e-1, log=True),
        "strength": Axis(0, 30, whole=True),
        "share": Axis(0, 1),
        "kind": Axis(options=("a", "b", "c")),
    }
    values = {"lr": 1e-1, "strength": 0, "share": 0.0, "kind": "a"}
    seen = {name: set() for name in axes}
    for interval in range(200):
        values = explored(axes, values, 7, interval, 3)
        for name, axis in axes.items():
            seen[name].add(values[name])
            inside = axis.options and values[name] in axis.options
            assert inside or axis.low <= values[name] <= axis.high
        assert isinstance(values["strength"], int)
    assert all(len(found) > 2 for found in seen.values())  # nothing is stuck, at 0 or at an end


def test_a_number_moves_by_the_paper_s_factors():
    found = {Axis(1e-5, 1, log=True).moved(0.01, generator(seed)) for seed in range(20)}
    assert found == {0.008, 0.012}
    assert {Axis(0, 30, whole=True).moved(10, generator(seed)) for seed in range(20)} == {8, 12}
    assert {Axis(0, 30, whole=True).moved(0, generator(seed)) for seed in range(20)} == {0, 1}


def test_the_defaults_are_among_the_first():
    first = beginning({"h0": Axis(0, 1)}, {"h0": 0.25, "other": 3}, 4, 9)
    assert first[0] == {"h0": 0.25}
    assert len({each["h0"] for each in first}) == 4
