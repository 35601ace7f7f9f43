"""Parameters and arithmetic: from a written value to the value that it stands for.

`Params.resolve` replaces `$name` by the parameter's value and computes arithmetic on numbers; other
nodes come back as they are. Units are normalized: `epoch` to `epochs`, `20%` to 0.2.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from recipe_lang.check.describe import describe_node
from recipe_lang.check.domains import FORMS, Domain, RangeForm, domain_of, is_on_grid, range_form
from recipe_lang.check.problems.names import UnknownParam, UnknownSetting
from recipe_lang.check.problems.placement import BadStep
from recipe_lang.check.problems.types import (
    BackwardRange,
    BadArithmetic,
    OutOfRange,
    OutsideDomain,
    WrongType,
    WrongUnit,
)
from recipe_lang.check.quantities import quantity_text
from recipe_lang.compose.problems import GivenTwice, WiderDomain
from recipe_lang.problem import Problem
from recipe_lang.source import MAX_NESTING, Span
from recipe_lang.suggest import habit_of, is_close, suggest, suggest_name
from recipe_lang.syntax import nodes
from recipe_lang.syntax.nodes import references
from recipe_lang.syntax.problems import TooDeep

UNITS = {
    "epoch": "epochs",
    "epochs": "epochs",
    "step": "steps",
    "steps": "steps",
    "image": "images",
    "images": "images",
    "seed": "seeds",
    "seeds": "seeds",
    "px": "px",
}

_UNDERFLOW = re.compile(r"[0-9.]*[1-9][0-9.]*[eE].*")  # written as more than nothing


class Params:
    """The recipe's parameters, their values after `--set`, and what was found wrong with them."""

    def __init__(self, problems: list[Problem], habits: Mapping[str, str]) -> None:
        self.problems = problems
        self.habits = habits
        self.values: dict[str, nodes.Node] = {}
        self.domains: dict[str, Domain | None] = {}
        self.was_set: set[str] = set()
        self.used: set[str] = set()
        self._levels: dict[str, int] = {}
        self._broken: set[str] = set()

    def declare(
        self, params: Sequence[nodes.Param], settings: Sequence[nodes.Field], wider: Sequence[nodes.Param] = ()
    ) -> None:
        """Take the parameters in order; a setting replaces the default of its parameter.

        `wider` are the parents' declarations, whose domains hold those of `params`.
        """
        given = self._by_name(settings, tuple(dict.fromkeys(param.name for param in params)))
        first: dict[str, Span] = {}
        for param in params:
            if param.name in first:
                what = f"the parameter `{param.name}`"
                self.problems.append(GivenTwice(span=param.name_span, what=what, first=first[param.name]))
                continue
            first[param.name] = param.name_span
            self._declare(param, given.get(param.name))
            for parent in wider:
                if parent.name == param.name and param.name not in self._broken:
                    self._narrows(param, parent)

    def _by_name(self, settings: Sequence[nodes.Field], names: tuple[str, ...]) -> dict[str, nodes.Field]:
        given: dict[str, nodes.Field] = {}
        for setting in settings:
            name, span = setting.name, setting.name_span
            if name not in names:
                near = suggest_name(name, names, self.habits)
                self.problems.append(UnknownSetting(span=span, name=name, options=names, suggestion=near))
            elif name in given:
                self.problems.append(GivenTwice(span=span, what=f"the setting `{name}`", first=given[name].name_span))
            given[name] = setting
        return given

    def _declare(self, param: nodes.Param, setting: nodes.Field | None) -> None:
        written = [param.default] if setting is None else [param.default, setting.value]
        values = [value for value in map(self.resolve, written) if value is not None]
        fine = [self._nests(param, value) and self._in_domain(param, value) for value in values]
        if len(values) < len(written) or not all(fine):
            self._broken.add(param.name)
            return
        self.values[param.name] = values[-1]
        self.domains[param.name] = domain_of(param.domain, values[0], self.resolve)
        if setting is not None:
            self.was_set.add(param.name)

    def _narrows(self, param: nodes.Param, parent: nodes.Param) -> None:
        """Report a domain that goes beyond the parent's."""
        form = range_form(param.domain) if param.domain else None
        if form is not None:
            ends = [] if isinstance(parent.domain, nodes.List) else [form.range.low, form.range.high]
        elif isinstance(param.domain, nodes.List):
            ends = list(param.domain.items)
        else:
            return
        values = [self.resolve(end) for end in ends]
        before = len(self.problems)
        inside = bool(ends) and all(value is not None and self._in_domain(parent, value) for value in values)
        if not inside and parent.domain is not None and param.domain is not None:
            del self.problems[before:]  # what is wrong is the domain, not one value
            span, wider = param.domain.span, parent.domain.span
            self.problems.append(WiderDomain(span=span, name=param.name, domain=wider.text, domain_span=wider))

    def _nests(self, param: nodes.Param, value: nodes.Node) -> bool:
        """Whether a value holds other parameters only as it may: from above, and not too deep; else it was reported."""
        inner = list(references(value))
        if None in [self._reference(reference) for reference in inner]:
            return False
        self._levels[param.name] = 1 + max((self._levels[each.name] for each in inner), default=0)
        if self._levels[param.name] <= MAX_NESTING:
            return True
        self.problems.append(TooDeep(span=value.span, limit=MAX_NESTING))
        return False

    def _in_domain(self, param: nodes.Param, value: nodes.Node) -> bool:
        """Whether a value lies in the domain of a parameter; else it was reported, or what is wrong with the domain."""
        domain, before, inside = param.domain, len(self.problems), True
        if domain is None:
            return True
        form = range_form(domain)
        match domain:
            case _ if any(references(domain)):
                self._wrong_type(domain, "a domain", "numbers that are written out", "a parameter")
            case _ if form is not None:
                inside = self._in_range(param, value, form)
            case nodes.Call("log", (nodes.Argument(None, nodes.Range()), nodes.Argument("step", step))):
                reason = "a log domain has no step: write the values as a list, such as `[16, 32, 64]`"
                self.problems.append(BadStep(span=step.span, reason=reason))
            case nodes.List():
                items = [self.resolve(item) for item in domain.items]
                inside = None in items or value in items
            case _:
                self._wrong_type(domain, "a domain", FORMS, describe_node(domain))
        if not inside:
            self.problems.append(
                OutsideDomain(
                    span=value.span,
                    name=param.name,
                    found=quantity_text(value),
                    domain=domain.span.text,
                    domain_span=domain.span,
                )
            )
        return len(self.problems) == before

    def _in_range(self, param: nodes.Param, value: nodes.Node, form: RangeForm) -> bool:
        """Whether the value lies in the range; true as well where a mistake was reported instead."""
        range_ = form.range
        what, ends = f"parameter `{param.name}`", (self.resolve(range_.low), self.resolve(range_.high))
        numbers: list[nodes.Number] = []
        for each in (*ends, value) if None not in ends else ():
            if isinstance(each, nodes.Number):
                numbers.append(each)
            elif each is not None:
                self._wrong_type(each, what, "a number, as its domain is a range", describe_node(each))
                return True
        if not numbers:
            return True
        low, high, number = numbers
        odd = [end for end in (low, high) if end.unit != number.unit]
        if low.value > high.value:
            self.problems.append(BackwardRange(span=range_.span, low=low.span.text, high=high.span.text))
        elif form.is_log and low.value <= 0:
            found = quantity_text(low)
            self.problems.append(
                OutOfRange(span=low.span, what="the low end of a log domain", found=found, allowed="above 0")
            )
        elif odd and low.unit == high.unit and number.span.source is not param.span.source:
            self._wrong_unit(number, low.unit, what)  # a setting's
        elif odd:
            self._wrong_unit(odd[0], number.unit, f"the domain of `{param.name}`")
        elif form.step is None:
            return low.value <= number.value <= high.value
        elif (step := self._step(form.step, low, high)) is not None:
            return low.value <= number.value <= high.value and is_on_grid(number.value, low.value, step)
        return True

    def _step(self, node: nodes.Node, low: nodes.Number, high: nodes.Number) -> float | None:
        """Return the step of a range that is a whole number of such steps; None where it is none, which is reported."""
        step = self.resolve(node)
        if step is None:
            return None
        if not isinstance(step, nodes.Number):
            self._wrong_type(step, "`step`", "a number", describe_node(step))
        elif step.unit != low.unit:
            self._wrong_unit(step, low.unit, "`step`")
        elif step.value <= 0:
            self.problems.append(BadStep(span=step.span, reason=f"a step is above 0, not {quantity_text(step)}"))
        elif not is_on_grid(high.value, low.value, step.value):
            last = low.value + step.value * ((high.value - low.value) // step.value)
            ends = [quantity_text(replace(high, value=each)) for each in (last, last + step.value)]
            reason = f"from {quantity_text(low)}, steps of {quantity_text(step)} do not meet {quantity_text(high)}"
            near = f"end the range at {ends[0]} or {ends[1]}"
            self.problems.append(BadStep(span=step.span, reason=reason, near=near))
        else:
            return step.value
        return None

    def _wrong_type(self, node: nodes.Node, what: str, expected: str, found: str) -> None:
        self.problems.append(WrongType(span=node.span, what=what, expected=expected, found=found))

    def _wrong_unit(self, node: nodes.Number, unit: str | None, what: str) -> None:
        self.problems.append(
            WrongUnit(
                span=node.span,
                what=what,
                found=node.unit or "",
                expected=f"a number of {unit}" if unit else "a plain number",
                example=quantity_text(replace(node, unit=unit)),
            )
        )

    def resolve(self, node: nodes.Node) -> nodes.Node | None:
        """Return the value that a node stands for, at the node's place; None when it was reported."""
        match node:
            case nodes.Number():
                return self._normal(node)
            case nodes.Reference():
                return self._reference(node)
            case nodes.Negative():
                inner = self._operand(node.value)
                return None if inner is None else nodes.Number(-inner.value, inner.unit, node.span)
            case nodes.Arithmetic():
                return self._arithmetic(node)
        return node

    def _normal(self, node: nodes.Number) -> nodes.Number | None:
        if node.value == float("inf"):
            self.problems.append(BadArithmetic(span=node.span, reason="this number is too large"))
            return None
        if node.value == 0 and _UNDERFLOW.fullmatch(node.span.text):
            self.problems.append(BadArithmetic(span=node.span, reason="this number is too small: it becomes 0"))
            return None
        if node.unit is None:
            return node
        if node.unit == "%":
            return nodes.Number(node.value / 100, None, node.span)
        if node.unit in UNITS:
            return nodes.Number(node.value, UNITS[node.unit], node.span)
        near = suggest_name(node.unit, UNITS, self.habits)
        square = node.unit == f"x{node.value:g}"  # `224x224`
        is_habit = near in habit_of(node.unit, self.habits).split("|")
        self.problems.append(
            WrongUnit(
                span=node.span,
                what="a number",
                found=node.unit,
                expected="one of the units epochs, steps, px, images and %",
                example=quantity_text(replace(node, unit="px" if square else UNITS[near])) if square or near else "",
                is_plain=square or is_close(node.unit, near) or is_habit,
            )
        )
        return None

    def _reference(self, node: nodes.Reference) -> nodes.Node | None:
        self.used.add(node.name)
        if node.name in self.values:
            return self.values[node.name]
        if node.name not in self._broken:
            near, options = suggest(node.name, self.values), tuple(self.values)
            self.problems.append(UnknownParam(span=node.span, name=node.name, options=options, suggestion=near))
        return None

    def _operand(self, node: nodes.Node) -> nodes.Number | None:
        value = self.resolve(node)
        if value is None or isinstance(value, nodes.Number):
            return value
        reason = f"arithmetic takes numbers, not {describe_node(value)}"
        self.problems.append(BadArithmetic(span=node.span, reason=reason))
        return None

    def _arithmetic(self, node: nodes.Arithmetic) -> nodes.Number | None:
        total = self._operand(node.first)
        for sign, written in node.rest:
            if total is None:
                return None
            operand = self._operand(written)
            if operand is None:
                return None
            reason = _refusal(sign, total, operand)
            if reason:
                self.problems.append(BadArithmetic(span=node.span, reason=reason))
                return None
            total = _computed(sign, total, operand)
        return None if total is None else replace(total, span=node.span)


_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def _refusal(sign: str, left: nodes.Number, right: nodes.Number) -> str:
    if sign in "+-" and left.unit != right.unit:
        units = [unit or "a plain number" for unit in (left.unit, right.unit)]
        return f"cannot add or subtract {units[0]} and {units[1]}"
    if sign == "*" and left.unit and right.unit:
        return f"cannot multiply {left.unit} by {right.unit}"
    if sign == "/" and right.unit:
        return f"cannot divide by a number of {right.unit}"
    if sign == "/" and right.value == 0:
        return "this divides by zero"
    if abs(_computed(sign, left, right).value) == float("inf"):
        return "this number is too large"
    return ""


def _computed(sign: str, left: nodes.Number, right: nodes.Number) -> nodes.Number:
    value = _OPERATORS[sign](left.value, right.value)
    return nodes.Number(value, left.unit or right.unit, left.span)
