"""What a study searches: the domains of a recipe's parameters, as a sampler takes them.

`search_space` takes a checked recipe. A logarithmic domain becomes floats by their logarithm; a range floats, or whole
numbers where it is one of epochs, steps or px, or where nothing else fits in its place; a list the numbers of its
items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, isclose, log
from typing import TYPE_CHECKING, Any

from recipe_lang.check.checked import CallValue, CheckedParam, CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.check.domains import Domain
from recipe_lang.compose.merge import files
from recipe_lang.problem import RecipeError
from recipe_lang.syntax import nodes
from runtime.tasks.catalog import task_of
from runtime.vocabulary import VOCABULARY
from runtime.workflows.tune.problems import LossesCompared, NothingToSearch, PixelsWithoutStep

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_COUNTED = ("epochs", "steps", "px")

Point = Mapping[str, Any]
"""Values by the parameters' names as a sampler gives them: numbers, of a list the number of the item."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A parameter that is searched. `is_whole` says that only whole numbers fit."""

    name: str
    domain: Domain
    is_whole: bool

    @property
    def start(self) -> float:
        """The default."""
        return int(self.domain.start) if self.is_whole or self.domain.items else self.domain.start

    def text(self, value: float) -> str:
        """Return a value as `--set` takes it."""
        return self.domain.text(value)

    def distribution(self) -> BaseDistribution:
        """Return the domain as Optuna has it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        domain = self.domain
        if domain.items:
            return CategoricalDistribution(tuple(range(len(domain.items))))
        if self.is_whole:
            return IntDistribution(int(domain.low), int(domain.high), domain.is_log, int(domain.step or 1))
        return FloatDistribution(domain.low, domain.high, domain.is_log, domain.step)

    def grid(self, points: int) -> list[float]:
        """Return its values in order; of a range without steps, so many at equal distances, the ends among them."""
        domain = self.domain
        if domain.items:
            return list(range(len(domain.items)))
        step = domain.step or (1 if self.is_whole and not domain.is_log else None)
        if step is not None and (domain.high - domain.low) / step < (1000 if domain.step else points):
            count = round((domain.high - domain.low) / step)
            found = [domain.low + step * number for number in range(count + 1)]
        elif domain.is_log:
            low, width = log(domain.low), log(domain.high / domain.low)
            found = [exp(low + width * number / (points - 1)) for number in range(points)]
        else:
            found = [domain.low + (domain.high - domain.low) * number / (points - 1) for number in range(points)]
        inside = [min(max(each, domain.low), domain.high) for each in found]
        return list(dict.fromkeys(round(each) for each in inside)) if self.is_whole else inside

    def plain(self) -> str:
        """Return the domain as recipe text, whatever its layout."""
        domain = self.domain
        if domain.items:
            return f"[{', '.join(domain.items)}]"
        step = f", step = {domain.quantity(domain.step)}" if domain.step else ""
        name = "log" if domain.is_log else "range"
        return f"{name}({domain.text(domain.low)} .. {domain.text(domain.high)}{step})"


def search_space(recipe: CheckedRecipe) -> tuple[Dimension, ...]:
    """Return the parameters of a recipe that are searched, in its order.

    Raises:
        RecipeError: there is none, or one cannot be.
    """
    kept = not_comparable(recipe)
    open_ = [param for param in recipe.params if not param.was_set and param.domain and _has_choice(param.domain)]
    found = [param for param in open_ if param.name not in kept]
    if not found:
        raise RecipeError(NothingToSearch(span=None, name=recipe.source.name, kept=kept))
    return tuple(_dimension(recipe, param) for param in found)


_CHOOSE_VALIDATION = {"": ("seed",), "data": ("valid", "test", "exclude")}
"""Fields, by their block, by which other images validate: then the trials of a study cannot be compared."""


def not_comparable(recipe: CheckedRecipe) -> tuple[str, ...]:
    """Return the parameters that choose the images that validate, and so are not searched."""
    names: list[str] = []
    for file in files(recipe.written):
        blocks = [("", file.items), *((each.kind, each.items) for each in file.items if isinstance(each, nodes.Block))]
        for kind, items in blocks:
            fields = [each for each in items if isinstance(each, nodes.Field)]
            chosen = [each for each in fields if each.name in _CHOOSE_VALIDATION.get(kind, ())]
            names += [reference.name for field in chosen for reference in nodes.references(field.value)]
    return tuple(param.name for param in recipe.params if param.name in names and param.domain and not param.was_set)


def refuse_other_losses(recipe: CheckedRecipe, space: Sequence[Dimension]) -> None:
    """Refuse a study by `valid.loss` of a parameter that decides what this measures.

    Raises:
        RecipeError: there is one.
    """
    rows = {loss.entry.name: loss for loss in task_of(recipe).losses}

    def measured(loss: CallValue) -> tuple[Any, ...]:
        kept = {name: value.value for name, value in loss.args.items() if name not in rows[loss.name].unmeasured}
        return loss.name, {n: measured(each) if isinstance(each, CallValue) else each for n, each in kept.items()}

    def losses(name: str, value: str) -> list[tuple[Any, ...]]:
        found = _with(recipe, name, value)
        if found is None:  # values that do not go together: the trial says so
            return []
        return [measured((found if each["loss"] == "shared" else each)["loss"]) for each in found.phases("stage")]

    for each in space:
        domain = each.domain
        found = [losses(each.name, text) for text in domain.items or map(domain.text, (domain.low, domain.high))]
        known = [each for each in found if each]
        if any(other != known[0] for other in known):
            raise RecipeError(LossesCompared(span=None, name=each.name, metric=task_of(recipe).monitor))


def _with(recipe: CheckedRecipe, name: str, value: str) -> CheckedRecipe | None:
    """Return a recipe with another value of a parameter; None where it is not one that fits."""
    settings = [f"{each.name}={each.value}" for each in recipe.params if each.was_set]
    try:
        return check(recipe.written, VOCABULARY, [*settings, f"{name}={value}"])
    except RecipeError:
        return None


def _has_choice(domain: Domain) -> bool:
    return len(domain.items) > 1 or domain.low < domain.high


def _dimension(recipe: CheckedRecipe, param: CheckedParam) -> Dimension:
    domain = param.domain
    assert domain is not None
    if domain.unit == "px" and domain.step is None:
        ends = f"{domain.text(domain.low)} .. {domain.text(domain.high)}"
        example = f"range({ends}, step = 32px)"
        raise RecipeError(PixelsWithoutStep(span=param.span, name=param.name, example=example))
    ends_are_whole = all(each == int(each) for each in (domain.low, domain.high, domain.start, domain.step or 0.0))
    counts = domain.unit in _COUNTED or not _takes_fractions(recipe, param)
    return Dimension(param.name, domain, not domain.items and ends_are_whole and counts)


def _takes_fractions(recipe: CheckedRecipe, param: CheckedParam) -> bool:
    """Whether a number that is not whole fits where a parameter stands."""
    domain = param.domain
    if domain is None or domain.items or domain.step is not None:
        return not (domain and domain.step and isclose(domain.step, round(domain.step)))
    odd = (domain.low + domain.high) / 2
    odd += 0.25 if odd == int(odd) else 0.0
    return _with(recipe, param.name, domain.text(odd)) is not None


def grid(space: tuple[Dimension, ...], points: int) -> list[dict[str, float]]:
    """Return all combinations of the dimensions' values."""
    names = [each.name for each in space]
    return [dict(zip(names, values, strict=True)) for values in product(*(each.grid(points) for each in space))]
