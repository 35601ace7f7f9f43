"""Domains of parameters: the values that a search may try, and that `--set` stays inside.

`domain_of` reads what stands behind `in`: `low .. high`, `range(low .. high, step = s)`, `log(low .. high)` or a list.
It does not say what is wrong with one: that is `params.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isclose

from recipe_lang.check.quantities import quantity_text
from recipe_lang.source import Source
from recipe_lang.syntax import nodes

_NOWHERE = Source("", "").span(0, 0)
FORMS = "`low .. high`, `range(low .. high, step = s)`, `log(low .. high)` or a list"


@dataclass(frozen=True, slots=True)
class Domain:
    """A parameter's domain, units normalized: numbers from `low` to `high`, or the texts of a list's items.

    `step` is the distance of its numbers from `low` on; None where any number between the ends is one. `start` is the
    parameter's default: the number, or which of the items.
    """

    low: float = 0.0
    high: float = 0.0
    unit: str | None = None
    step: float | None = None
    is_log: bool = False
    items: tuple[str, ...] = ()
    start: float = 0.0

    def text(self, number: float) -> str:
        """Return a number of the domain, or which of its items, as `--set` takes it: numbers with six digits."""
        if self.items:
            return self.items[int(number)]
        return self.quantity(min(max(float(f"{number:.6g}"), self.low), self.high))

    def quantity(self, number: float) -> str:
        """Return any number with the domain's unit."""
        return quantity_text(nodes.Number(number, self.unit, _NOWHERE))


@dataclass(frozen=True, slots=True)
class RangeForm:
    """A domain of numbers as it is written: its range, its step, and whether equal factors are equal steps."""

    range: nodes.Range
    step: nodes.Node | None = None
    is_log: bool = False


def range_form(node: nodes.Node) -> RangeForm | None:
    """Return a domain of numbers as it is written; None where it is of another form, or of none."""
    match node:
        case nodes.Range():
            return RangeForm(node)
        case nodes.Call("log", (nodes.Argument(None, nodes.Range() as range_),)):
            return RangeForm(range_, is_log=True)
        case nodes.Call("range", (nodes.Argument(None, nodes.Range() as range_),)):
            return RangeForm(range_)
        case nodes.Call("range", (nodes.Argument(None, nodes.Range() as range_), nodes.Argument("step", step))):
            return RangeForm(range_, step)
    return None


def domain_of(
    node: nodes.Node | None, default: nodes.Node, resolve: Callable[[nodes.Node], nodes.Node | None]
) -> Domain | None:
    """Return the domain that a sound node stands for, with a parameter's resolved default; None for none."""
    if isinstance(node, nodes.List):
        found = [resolve(item) for item in node.items]
        return Domain(items=tuple(quantity_text(each) for each in found if each), start=found.index(default))
    form = range_form(node) if node else None
    if form is None or not isinstance(default, nodes.Number):
        return None
    low, high, step = (each and resolve(each) for each in (form.range.low, form.range.high, form.step))
    if not isinstance(low, nodes.Number) or not isinstance(high, nodes.Number):
        return None
    width = step.value if isinstance(step, nodes.Number) else None
    return Domain(low.value, high.value, low.unit, width, form.is_log, start=default.value)


def is_on_grid(value: float, low: float, step: float) -> bool:
    """Whether a number is a whole number of steps above another one, but for rounding."""
    count = (value - low) / step
    return isclose(count, round(count), rel_tol=1e-9, abs_tol=1e-9)
