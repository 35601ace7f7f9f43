"""Parameters and arithmetic: from a written value to the value that it stands for.

`Params.resolve` replaces `$name` by the parameter's value and computes arithmetic on numbers; other
nodes come back as they are. Units are normalized: `epoch` to `epochs`, `20%` to 0.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from recipe_lang.check.checked import Quantity
from recipe_lang.check.describe import describe_node, quantity_text
from recipe_lang.check.problems.names import UnknownParam, UnknownSetting
from recipe_lang.check.problems.types import (
    BackwardRange,
    BadArithmetic,
    OutOfRange,
    OutsideDomain,
    WrongType,
    WrongUnit,
)
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
    "px": "px",
}

_UNDERFLOW = re.compile(r"[0-9.]*[1-9][0-9.]*[eE].*")  # written as more than nothing


class Params:
    """The recipe's parameters, their values after `--set`, and what was found wrong with them."""

    def __init__(self, problems: list[Problem], habits: Mapping[str, str]) -> None:
        self.problems = problems
        self.habits = habits
        self.values: dict[str, nodes.Node] = {}
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
        given: dict[str, nodes.Field] = {}
        names = tuple(param.name for param in params)
        for setting in settings:
            if setting.name not in names:
                self.problems.append(
                    UnknownSetting(
                        span=setting.name_span,
                        name=setting.name,
                        options=names,
                        suggestion=suggest_name(setting.name, names, self.habits),
                    )
                )
            elif setting.name in given:
                what, before = f"the setting `{setting.name}`", given[setting.name]
                self.problems.append(GivenTwice(span=setting.name_span, what=what, first=before.name_span))
            given[setting.name] = setting
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

    def _declare(self, param: nodes.Param, setting: nodes.Field | None) -> None:
        written = [param.default] if setting is None else [param.default, setting.value]
        values = [value for value in map(self.resolve, written) if value is not None]
        fine = [self._nests(param, value) and self._in_domain(param, value) for value in values]
        if len(values) < len(written) or not all(fine):
            self._broken.add(param.name)
            return
        self.values[param.name] = values[-1]
        if setting is not None:
            self.was_set.add(param.name)

    def _narrows(self, param: nodes.Param, parent: nodes.Param) -> None:
        """Report a domain that goes beyond the parent's."""
        match param.domain, parent.domain:
            case ((nodes.Range(low, high) | nodes.Call(_, (nodes.Argument(None, nodes.Range(low, high)),))), _):
                ends = [] if isinstance(parent.domain, nodes.List) else [low, high]
            case nodes.List(items), _:
                ends = list(items)
            case _:
                return
        values = [self.resolve(end) for end in ends]
        before = len(self.problems)
        inside = bool(ends) and all(value is not None and self._in_domain(parent, value) for value in values)
        if not inside and parent.domain is not None and param.domain is not None:
            del self.problems[before:]  # what is wrong is the domain, not one value
            self.problems.append(
                WiderDomain(
                    span=param.domain.span,
                    name=param.name,
                    domain=parent.domain.span.text,
                    domain_span=parent.domain.span,
                )
            )

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
        domain = param.domain
        inside: bool | None
        match domain:
            case None:
                return True
            case _ if any(references(domain)):
                self.problems.append(
                    WrongType(
                        span=domain.span, what="a domain", expected="numbers that are written out", found="a parameter"
                    )
                )
                return False
            case nodes.Call("log", (nodes.Argument(None, nodes.Range() as range_),)):
                inside = self._in_range(param, value, range_, positive=True)
            case nodes.Range():
                inside = self._in_range(param, value, domain, positive=False)
            case nodes.List():
                items = [self.resolve(item) for item in domain.items]
                inside = None if None in items else value in items
            case _:
                self.problems.append(
                    WrongType(
                        span=domain.span,
                        what="a domain",
                        expected="`low .. high`, `log(low .. high)` or a list",
                        found=describe_node(domain),
                    )
                )
                return False
        if inside is False:
            self.problems.append(
                OutsideDomain(
                    span=value.span,
                    name=param.name,
                    found=quantity_text(value),
                    domain=domain.span.text,
                    domain_span=domain.span,
                )
            )
        return inside is True

    def _in_range(self, param: nodes.Param, value: nodes.Node, range_: nodes.Range, positive: bool) -> bool | None:
        """Whether the value lies in the range; None when a mistake was reported instead."""
        low, high = self.resolve(range_.low), self.resolve(range_.high)
        if low is None or high is None:
            return None
        for end in (low, high, value):
            if not isinstance(end, nodes.Number):
                self.problems.append(
                    WrongType(
                        span=end.span,
                        what=f"parameter `{param.name}`",
                        expected="a number, as its domain is a range",
                        found=describe_node(end),
                    )
                )
                return None
        if not (isinstance(low, nodes.Number) and isinstance(high, nodes.Number) and isinstance(value, nodes.Number)):
            return None
        if low.value > high.value:
            self.problems.append(BackwardRange(span=range_.span, low=low.span.text, high=high.span.text))
            return None
        if positive and low.value <= 0:
            self.problems.append(
                OutOfRange(
                    span=low.span,
                    what="the low end of a log domain",
                    found=quantity_text(low),
                    allowed="above 0",
                )
            )
            return None
        if low.unit == high.unit != value.unit and value.span.source is not param.span.source:
            self._wrong_unit(value, low.unit, f"parameter `{param.name}`")  # a setting's
            return None
        for end in (low, high):
            if end.unit != value.unit:
                self._wrong_unit(end, value.unit, f"the domain of `{param.name}`")
                return None
        return low.value <= value.value <= high.value

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

    @staticmethod
    def quantity(node: nodes.Number) -> Quantity:
        """Return a resolved number of epochs or steps."""
        return Quantity(node.value, node.unit or "")

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
        self.problems.append(
            WrongUnit(
                span=node.span,
                what="a number",
                found=node.unit,
                expected="one of the units epochs, steps, px, images and %",
                example=quantity_text(replace(node, unit="px" if square else UNITS[near])) if square or near else "",
                is_plain=square or is_close(node.unit, near) or near in habit_of(node.unit, self.habits).split("|"),
            )
        )
        return None

    def _reference(self, node: nodes.Reference) -> nodes.Node | None:
        self.used.add(node.name)
        if node.name in self.values:
            return self.values[node.name]
        if node.name not in self._broken:
            self.problems.append(
                UnknownParam(
                    span=node.span,
                    name=node.name,
                    options=tuple(self.values),
                    suggestion=suggest(node.name, self.values),
                )
            )
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
        for operator, written in node.rest:
            if total is None:
                return None
            operand = self._operand(written)
            if operand is None:
                return None
            reason = _refusal(operator, total, operand)
            if reason:
                self.problems.append(BadArithmetic(span=node.span, reason=reason))
                return None
            total = _computed(operator, total, operand)
        return None if total is None else replace(total, span=node.span)


def _refusal(operator: str, left: nodes.Number, right: nodes.Number) -> str:
    if operator in "+-" and left.unit != right.unit:
        units = [unit or "a plain number" for unit in (left.unit, right.unit)]
        return f"cannot add or subtract {units[0]} and {units[1]}"
    if operator == "*" and left.unit and right.unit:
        return f"cannot multiply {left.unit} by {right.unit}"
    if operator == "/" and right.unit:
        return f"cannot divide by a number of {right.unit}"
    if operator == "/" and right.value == 0:
        return "this divides by zero"
    if abs(_computed(operator, left, right).value) == float("inf"):
        return "this number is too large"
    return ""


def _computed(operator: str, left: nodes.Number, right: nodes.Number) -> nodes.Number:
    match operator:
        case "+":
            value = left.value + right.value
        case "-":
            value = left.value - right.value
        case "*":
            value = left.value * right.value
        case _:
            value = left.value / right.value
    return nodes.Number(value, left.unit or right.unit, left.span)
