"""Weights of classes, for losses and for sampling: what a recipe writes, and the numbers that it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipe_lang.check.vocabulary import Either, ListOf, MapOf, NothingType, Number, Text, Word
from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import counted
from runtime.data.problems import WeightsOfOtherClasses, quoted

_POWERS = {"balanced": -1.0, "sqrt": -0.5}


def weights_type(of: str, *, none: bool = True) -> Either:
    """Return the type of weights of classes; `of` is what training has of a class: its images, its pixels."""
    words = Word(
        {
            "balanced": f"One over the fraction of the training {of} that show the class.",
            "sqrt": "The square root of that.",
        }
    )
    number = Number(0, 1e6)
    return Either((*((NothingType(),) if none else ()), words, MapOf(Text(), number), ListOf(number)))


def class_weights(weights: Any, names: Sequence[str], shares: Sequence[float]) -> tuple[float, ...] | None:
    """Return the weight of each class: of a word a mean of 1 over the training data, whose `shares` the classes have.

    A map leaves 1 to the classes that it does not name; a list has one number for each.

    Raises:
        RecipeError: they are not those of the classes.
    """
    if weights is None:
        return None
    if isinstance(weights, str):
        plain = [share ** _POWERS[weights] if share else 0.0 for share in shares]
        mean = sum(weight * share for weight, share in zip(plain, shares, strict=True))
        return tuple(weight / mean for weight in plain) if mean else None
    found = _named(weights, names) if _is_map(weights) else tuple(weights)
    if len(found) != len(names):
        raise _wrong(names, f"{counted(len(found), 'weight')} for {counted(len(names), 'class', 'classes')}")
    if not any(found):
        raise _wrong(names, "all weights are 0")
    return found


def _is_map(weights: Any) -> bool:
    return isinstance(weights, tuple) and bool(weights) and isinstance(weights[0], tuple)


def _named(weights: Sequence[tuple[str, float]], names: Sequence[str]) -> tuple[float, ...]:
    given: dict[str, float] = {}
    for name, weight in weights:
        if name in given:
            raise _wrong(names, f"{quoted(name)} has two weights")
        if name not in names:
            near = suggest(name, tuple(names))
            raise _wrong(names, f"there is no class {quoted(name)}" + (f": did you mean {quoted(near)}?" * bool(near)))
        given[name] = weight
    return tuple(given.get(name, 1.0) for name in names)


def _wrong(names: Sequence[str], reason: str) -> RecipeError:
    return RecipeError(WeightsOfOtherClasses(reason=reason, classes=tuple(names)))


def read_shares(result: Mapping[str, Any], count: int) -> tuple[float, ...]:
    """Return the shares of the classes that a `result.json` has; none where it has none.

    Raises:
        ValueError: they are no shares of so many classes.
    """
    found = result.get("shares", [])
    if not isinstance(found, list) or len(found) not in (0, count) or not all(type(each) is float for each in found):
        raise ValueError("`shares` in `result.json` are not those of the classes")
    return tuple(found)
