"""Greedy soup: the mean of those of a stage's best epochs that together are no worse on the validation set.

`greedy` says which weights to measure next and takes what they gave, so that it knows neither network nor images.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.training.state import Best

GREEDY_SOUP = Entry(
    "greedy_soup",
    "The mean of the weights of the best epochs by the monitor, each added where validation is then no worse.",
    (Arg("count", Number(2, 50, whole=True), "How many of the best epochs are tried; so many copies are kept.", 5),),
    source="Wortsman et al., arXiv 2203.05482, recipe 1, over the epochs of a stage",
    formula="w the weights of the best epochs, the best first; s = {w1}\n"
    "for each other w: s = s + {w} where the metric of mean(s + {w}) is not worse than that of mean(s)",
    examples=("monitor = valid.accuracy\nkeep = greedy_soup", "monitor = valid.loss\nkeep = greedy_soup(count = 3)"),
)


@dataclass(frozen=True, slots=True)
class Soup:
    """The mean of the weights of some epochs, and the metric that it has."""

    epochs: tuple[int, ...]
    weights: dict[str, Any]
    value: float


def ranked(ingredients: Sequence[Best], higher_is_better: bool, count: int) -> list[Best]:
    """Return the best so many, the best first; of equal ones the earlier first, and none without a value."""
    told = [each for each in ingredients if each.value == each.value]
    return sorted(told, key=lambda each: (-each.value if higher_is_better else each.value, each.epoch))[:count]


def greedy(
    best_first: Sequence[Best], is_worse: Callable[[float, float], bool]
) -> Generator[dict[str, Any], float, Soup]:
    """Yield weights to measure, take their metric, and return the soup in the end.

    `is_worse(value, than)` compares two metrics, of which the first may be no number.
    """
    first, *others = best_first
    epochs, total, value = [first.epoch], dict(first.weights), first.value
    for other in others:
        trial = {name: total[name] + other.weights[name] for name in total}
        found = yield _mean(trial, len(epochs) + 1)
        if not is_worse(found, value):
            epochs, total, value = [*epochs, other.epoch], trial, found
    return Soup(tuple(epochs), _mean(total, len(epochs)), value)


def _mean(total: dict[str, Any], count: int) -> dict[str, Any]:
    return total if count == 1 else {name: values / count for name, values in total.items()}
