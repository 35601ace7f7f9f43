"""Population-based training, as an algorithm over members that can be trained, measured and copied.

A population trains in turns, an interval at a time. After each interval the worst members take over the weights and the
parameters of the best ones (exploit, by truncation) and change the parameters (explore): a number is multiplied by 0.8
or by 1.2, a value of a list becomes its neighbour, and now and then one is drawn anew. Nothing here knows what a member
is. All that is random derives from the seed, the interval and the member, so that a population that goes on after an
interruption goes on as it would have.

Jaderberg et al., arXiv 1711.09846.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from runtime.system.random import generator

SHARE = 0.2  # of the population: how many members are replaced, and by how many
FACTORS = (0.8, 1.2)
RESAMPLED = 0.25  # of the parameters that are explored
_LEAST = 0.1  # of a domain's width: numbers nearer to 0 move as if they were so far away


@dataclass(frozen=True, slots=True)
class Axis:
    """What a parameter may be: a number from `low` to `high`, or one of `options`; `log` is even over its logarithm."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    options: tuple[Any, ...] = ()

    def draw(self, rng: Any) -> Any:
        """Return a value that is drawn evenly."""
        if self.options:
            return self.options[int(rng.integers(len(self.options)))]
        if self.whole:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        drawn = low + (high - low) * float(rng.random())
        return self._inside(math.exp(drawn) if self.log else drawn)

    def moved(self, value: Any, rng: Any) -> Any:
        """Return a value near to one: by a factor of 0.8 or 1.2, at least by one where it is whole; or a neighbour."""
        up = bool(rng.integers(2))
        if self.options:
            place = self.options.index(value) + (1 if up else -1)
            return self.options[min(max(place, 0), len(self.options) - 1)]
        if self.log:
            return self._inside(value * FACTORS[up])
        step = (FACTORS[up] - 1) * max(abs(value), _LEAST * (self.high - self.low))
        if self.whole:
            return self._inside(value + (max(1, round(step)) if up else min(-1, round(step))))
        return self._inside(value + step)

    def _inside(self, value: float) -> Any:
        """Return the number in the domain that is nearest, with as many digits as a recipe shows."""
        bounded = min(max(value, self.low), self.high)
        return round(bounded) if self.whole else min(max(float(f"{bounded:.4g}"), self.low), self.high)


Values = Mapping[str, Any]


def beginning(axes: Mapping[str, Axis], defaults: Values, size: int, seed: int) -> list[Values]:
    """Return the parameters of each member at first: the defaults, then values that are drawn."""
    drawn = [
        {name: axis.draw(generator(seed, "population", "begin", member, name)) for name, axis in axes.items()}
        for member in range(1, size)
    ]
    return [{name: defaults[name] for name in axes}, *drawn]


def explored(axes: Mapping[str, Axis], values: Values, seed: int, interval: int, member: int) -> Values:
    """Return the parameters that a member goes on with that has taken over these."""
    found = {}
    for name, axis in axes.items():
        rng = generator(seed, "population", "explore", interval, member, name)
        found[name] = axis.draw(rng) if rng.random() < RESAMPLED else axis.moved(values[name], rng)
    return found


def exploited(scores: Sequence[float], seed: int, interval: int) -> dict[int, int]:
    """Return which members take over another one, and which: the worst, each one of the best. Higher scores are better.

    A score that is no number is of a member that has failed: each of these is replaced, by one that has not. Of equal
    scores that of the member that comes first is the better one.
    """
    ranked = sorted(range(len(scores)), key=lambda member: (-_known(scores[member]), member))
    count = min(len(scores) // 2, max(1, round(SHARE * len(scores))))
    best = [member for member in ranked[:count] if not math.isnan(scores[member])]
    failed = [member for member in ranked if math.isnan(scores[member])]
    worst = sorted({*ranked[len(ranked) - count :], *failed} - {*best}) if best else []
    draws = {member: generator(seed, "population", "exploit", interval, member) for member in worst}
    return {member: best[int(rng.integers(len(best)))] for member, rng in draws.items()}


def best_of(scores: Sequence[float]) -> int:
    """Return the member with the highest score, the first of equals."""
    return max(range(len(scores)), key=lambda member: (_known(scores[member]), -member))


def _known(score: float) -> float:
    return -math.inf if math.isnan(score) else score


class Member(Protocol):
    """One of a population: what it has learned, without its parameters."""

    def train(self, values: Values, interval: int) -> float:
        """Train for an interval with these parameters; return the score that it ends with."""

    def copy(self, other: Member) -> None:
        """Take over what another member has learned."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A population between two members' turns.

    `values` are the parameters of each member for the running `interval`, `scores` what those have reached in it that
    have had their turn. `sources` says which members took over which one before it.
    """

    interval: int
    values: tuple[Values, ...]
    scores: tuple[float, ...] = ()
    sources: Mapping[int, int] | None = None


def train_population(
    members: Sequence[Member],
    axes: Mapping[str, Axis],
    begin: Generation,
    intervals: int,
    seed: int,
    save: Callable[[Generation], None] = lambda generation: None,
) -> Generation:
    """Train a population from a generation on to the end of the last interval, and return how that ended.

    `save` is called after each member's turn, and after each exchange; what it was last given is where it can go on,
    with members that have learned as much as they had then.
    """
    now = begin
    while True:
        for number in range(len(now.scores), len(members)):
            score = members[number].train(now.values[number], now.interval)
            now = replace(now, scores=(*now.scores, score))
            save(now)
        if now.interval + 1 >= intervals:
            return now
        sources = exploited(now.scores, seed, now.interval)
        for member, source in sources.items():
            members[member].copy(members[source])
        values = tuple(
            explored(axes, now.values[sources[member]], seed, now.interval, member) if member in sources else own
            for member, own in enumerate(now.values)
        )
        now = Generation(now.interval + 1, values, (), sources)
        save(now)
