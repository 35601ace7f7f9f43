"""A controller that learns which few of many kinds to choose, by the policy gradient (REINFORCE).

For each slot it holds a score of every kind; a draw takes one kind for each, none twice, by the softmax of the scores.
A reward above the mean of those so far makes the kinds of its draw more probable, one below it less. AutoAugment
(Cubuk et al., arXiv 1805.09501) searches by such a controller, whose reward there is a whole training. Nothing here
knows what is chosen; all that is random derives from the seed.

Williams, Machine Learning 8 (1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.system.random import generator

RATE = 1.0  # of rewards in units of their spread
Floats = npt.NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Controller:
    """Scores of `kinds` for each of `slots`, and the rewards that have shaped them."""

    kinds: int
    slots: int
    scores: Floats = field(init=False)
    rewards: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scores = np.zeros((self.slots, self.kinds))

    def chances(self, slot: int, taken: Sequence[int]) -> Floats:
        """Return the probability of each kind in a slot, (kinds,); 0 of those that are taken."""
        weights: Floats = np.exp(self.scores[slot] - self.scores[slot].max())
        weights[list(taken)] = 0.0
        weights /= weights.sum()
        return weights

    def draw(self, rng: Any) -> tuple[int, ...]:
        """Return a kind for each slot."""
        found: list[int] = []
        for slot in range(self.slots):
            found.append(int(rng.choice(self.kinds, p=self.chances(slot, found))))
        return tuple(found)

    def learn(self, chosen: Sequence[int], reward: float) -> None:
        """Make a draw more or less probable, by how its reward compares with those before it."""
        self.rewards.append(reward)
        spread = float(np.std(self.rewards))
        if spread == 0.0:
            return
        advantage = (reward - float(np.mean(self.rewards))) / spread
        for slot, kind in enumerate(chosen):
            gradient = -self.chances(slot, chosen[:slot])
            gradient[kind] += 1.0
            self.scores[slot] += RATE * advantage * gradient


def searched(
    reward: Callable[[tuple[int, ...]], float], kinds: int, slots: int, draws: int, seed: int, *path: str | int
) -> dict[tuple[int, ...], float]:
    """Return the rewards of what so many draws have chosen, each in ascending order: a set is measured once.

    `path` names the search, so that each has random numbers of its own.
    """
    controller, found = Controller(kinds, min(slots, kinds)), dict[tuple[int, ...], float]()
    for number in range(draws):
        chosen = controller.draw(generator(seed, *path, number))
        key = tuple(sorted(chosen))
        if key not in found:
            found[key] = reward(key)
        controller.learn(chosen, found[key])
    return found
