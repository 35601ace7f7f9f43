"""JSON values to the values of a recipe: `ValueMapping.value`, which the reader of statements calls for every field.

A string is a string, a number a number, `true`, `false` and `null` are the names `true`, `false` and `none`, an array
is a list; all else is an object that one of its members tells apart (`_FORMS`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from recipe_lang.json.problems import JsonMember, JsonShape
from recipe_lang.json.reader import Json, JsonBroken, JsonList, JsonObject, inner
from recipe_lang.json.writer import VALUE_MEMBERS
from recipe_lang.problem import Problem
from recipe_lang.source import MAX_NESTING, Source, Span
from recipe_lang.suggest import suggest
from recipe_lang.syntax import nodes
from recipe_lang.syntax.problems import TooDeep

NAME = "[A-Za-z][A-Za-z0-9_]*"
_DOTTED = rf"{NAME}(?:\.{NAME})*"

# How tightly a value binds in `.ftr`: an operand that binds less needs parentheses, which count as nesting.
_ANY, _EXCEPT, _RANGE, _SUM, _PRODUCT, _UNARY, _ATOM = range(7)

Members = Mapping[str, Json]
_Make = Callable[["ValueMapping", Members, Span, int], nodes.Node]
_NOTHING = nodes.Name("", Span(Source("", ""), 0, 0))  # in place of what is wrong; its statement is refused


class StatementError(Exception):
    """A statement that cannot be read; what is wrong with it has been reported."""


@dataclass(frozen=True, slots=True)
class _Form:
    """An object that stands for a value: its members, and what makes a node of them.

    `make` gets the members, the span of the object, and how deep its inner values nest.
    """

    noun: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    make: _Make
    binds: int = _ATOM
    brackets: bool = False


class ValueMapping:
    """Turns JSON values into nodes; what is wrong is added to the problems, and `StatementError` raised at the end.

    `depth` counts brackets as `.ftr` would have them.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.wrongs = 0

    def value(self, written: Json, depth: int) -> nodes.Node:
        """Return the value that a JSON value stands for.

        Raises:
            StatementError: it stands for none; each part of it was looked at.
        """
        (value,) = self.values((written,), depth)
        return value

    def values(self, written: Sequence[Json], depth: int) -> tuple[nodes.Node, ...]:
        """Return the values that JSON values stand for; refused where one is wrong, as in `value`."""
        before = self.wrongs
        found = self._all(written, depth)
        if self.wrongs > before:
            raise StatementError
        return found

    def members(
        self, written: JsonObject, noun: str, needed: tuple[str, ...], optional: tuple[str, ...]
    ) -> Members | None:
        """Return the members of a form by name; None when one is missing, unknown, twice or broken."""
        found: dict[str, Json] = {}
        before = self.wrongs
        for key, value in written.members:
            if key.value in found:
                self._report(JsonMember(span=inner(key), name=key.value, form=noun, wrong="given twice"))
            elif key.value not in needed + optional:
                self._unknown(key, noun, needed + optional)
            elif isinstance(value, JsonBroken):
                self.wrongs += 1
            found.setdefault(key.value, value)
        for name in needed:
            if name not in found and self.wrongs == before:
                self._report(JsonMember(span=written.span, name=name, form=noun, wrong="missing"))
        return None if self.wrongs > before else found

    # --- values ------------------------------------------------------------------------------

    def _value(self, written: Json, depth: int, least: int) -> nodes.Node:
        """Return a value's node, or one in the place of what is wrong.

        `least` is how tightly it must bind to need no parentheses.
        """
        if isinstance(written, JsonList):
            if depth >= MAX_NESTING:
                return self._report(TooDeep(span=written.span, limit=MAX_NESTING))
            return nodes.List(self._all(written.items, depth + 1), written.span)
        if isinstance(written, JsonBroken):
            self.wrongs += 1
            return _NOTHING
        if not isinstance(written, JsonObject):
            return written
        form = next((_FORMS[name] for name in _FORMS if name in written.names), None)
        if form is None:
            return self._no_value(written)
        members = self.members(written, form.noun, form.needed, form.optional)
        if members is None:
            return _NOTHING
        binds = form.binds if form.binds != _SUM or _is_sum(members) else _PRODUCT
        depth += form.brackets or binds < least
        if depth > MAX_NESTING:
            return self._report(TooDeep(span=written.span, limit=MAX_NESTING))
        return form.make(self, members, written.span, depth)

    def _all(self, items: Sequence[Json], depth: int, least: int = _ANY) -> tuple[nodes.Node, ...]:
        found = []
        for item in items:
            found.append(self._value(item, depth, least))
        return tuple(found)

    # --- objects that stand for values -------------------------------------------------------

    def _named(self, members: Members, member: str, pattern: str = NAME) -> nodes.Text:
        """Return the string in which a name stands."""
        written = members[member]
        if isinstance(written, nodes.Text) and re.fullmatch(pattern, written.value):
            return written
        self.wrong(written, f'`"{member}"`', "a name in a string, of letters, digits and `_`")
        return nodes.Text("", written.span)

    def _number(self, members: Members, span: Span, depth: int) -> nodes.Node:
        digits, unit = members["number"], members.get("unit")
        if unit is not None and not (isinstance(unit, nodes.Text) and re.fullmatch(f"{NAME}|%", unit.value)):
            return self.wrong(unit, '`"unit"`', 'a unit such as `"epochs"`, `"px"` or `"%"`')
        name = unit.value if isinstance(unit, nodes.Text) else None
        match digits:
            case nodes.Number(value):
                return nodes.Number(value, name, span)
            case nodes.Negative(nodes.Number(value)):
                return nodes.Negative(nodes.Number(value, name, span), span)
        return self.wrong(digits, '`"number"`', "a JSON number")

    def _name(self, members: Members, span: Span, depth: int) -> nodes.Node:
        name = self._named(members, "name", _DOTTED)
        return nodes.Name(name.value, inner(name))

    def _reference(self, members: Members, span: Span, depth: int) -> nodes.Node:
        name = self._named(members, "param")
        return nodes.Reference(name.value, inner(name))

    def _call(self, members: Members, span: Span, depth: int) -> nodes.Node:
        name = self._named(members, "call")
        args, named = members.get("args", JsonList((), span)), members.get("with", JsonObject((), span))
        if not isinstance(args, JsonList):
            return self.wrong(args, '`"args"`', "a list of arguments without names")
        if not isinstance(named, JsonObject):
            return self.wrong(named, '`"with"`', "an object of arguments by name")
        keys = [*[None] * len(args.items), *(key for key, _ in named.members)]
        values = self._all([*args.items, *(value for _, value in named.members)], depth)
        for key, _ in named.members:
            if not re.fullmatch(f"({NAME})?", key.value):
                self.wrong(key, "an argument", "a name of letters, digits and `_`")
        arguments = tuple([_argument(key, value) for key, value in zip(keys, values, strict=True)])
        return nodes.Call(name.value, arguments, span, inner(name))

    def _map(self, members: Members, span: Span, depth: int) -> nodes.Node:
        written = members["map"]
        pairs = written.items if isinstance(written, JsonList) else (written,)
        parts = [part for pair in pairs if isinstance(pair, JsonList) and len(pair.items) == 2 for part in pair.items]
        if len(parts) < 2 * len(pairs):
            wrong = next(pair for pair in pairs if not isinstance(pair, JsonList) or len(pair.items) != 2)
            return self.wrong(wrong, '`"map"`', "a list of pairs `[key, value]`")
        values = self._all(parts, depth)
        return nodes.Map(tuple(zip(values[::2], values[1::2], strict=True)), span)

    def _range(self, members: Members, span: Span, depth: int) -> nodes.Node:
        low, high = self._all((members["from"], members["to"]), depth, _SUM)
        return nodes.Range(low, high, span)

    def _except(self, members: Members, span: Span, depth: int) -> nodes.Node:
        whole, without = self._all((members["all"], members["except"]), depth, _RANGE)
        return nodes.Except(whole, without, span)

    def _then(self, members: Members, span: Span, depth: int) -> nodes.Node:
        written = members["then"]
        if not isinstance(written, JsonList) or len(written.items) < 2:
            return self.wrong(written, '`"then"`', "a list of two values or more")
        return nodes.Then(self._all(written.items, depth, _EXCEPT), span)

    def _arithmetic(self, members: Members, span: Span, depth: int) -> nodes.Node:
        written = members["arithmetic"]
        items = written.items if isinstance(written, JsonList) else ()
        operators = [item.value for item in items[1::2] if isinstance(item, nodes.Text)]
        is_chain = len(items) >= 3 and len(items) == 2 * len(operators) + 1
        if not is_chain or not any({*operators} <= {*signs} for signs in ("+-", "*/")):
            expected = 'a list such as `[a, "+", b, "-", c]`, of `+` and `-` only or of `*` and `/` only'
            return self.wrong(written, '`"arithmetic"`', expected)
        first, *rest = self._all(items[::2], depth, (_SUM if _is_sum(members) else _PRODUCT) + 1)
        return nodes.Arithmetic(first, tuple(zip(operators, rest, strict=True)), span)

    def _minus(self, members: Members, span: Span, depth: int) -> nodes.Node:
        return nodes.Negative(self._value(members["minus"], depth, _ATOM), span)

    # --- what is wrong -----------------------------------------------------------------------

    def wrong(self, found: Json, what: str, expected: str) -> nodes.Node:
        """Report a value of the wrong kind, unless it was reported as broken."""
        if isinstance(found, JsonBroken):
            self.wrongs += 1
            return _NOTHING
        return self._report(JsonShape(span=found.span, what=what, expected=expected, found=_described(found)))

    def _no_value(self, written: JsonObject) -> nodes.Node:
        """Report an object with no member that tells what value it is."""
        if not written.members:
            return self.wrong(written, "a value", 'an object with a member such as `"name"`')
        keys = [key for key, _ in written.members]
        near = next((key for key in keys if suggest(key.value, _FORMS, _MEANT)), keys[0])
        return self._unknown(near, "a value", tuple(_FORMS))

    def _unknown(self, key: nodes.Text, form: str, options: tuple[str, ...]) -> nodes.Node:
        near = suggest(key.value, options, _MEANT)
        return self._report(
            JsonMember(span=inner(key), name=key.value, form=form, wrong="unknown", options=options, suggestion=near)
        )

    def _report(self, problem: Problem) -> nodes.Node:
        self.problems.append(problem)
        self.wrongs += 1
        return _NOTHING


def _argument(key: nodes.Text | None, value: nodes.Node) -> nodes.Argument:
    """Return an argument; the empty name is that of one without a name behind those that have one."""
    if key is None or not key.value:
        return nodes.Argument(None, value, value.span, value.span)
    return nodes.Argument(key.value, value, key.span.to(value.span), inner(key))


def _is_sum(members: Members) -> bool:
    match members["arithmetic"]:
        case JsonList((_, nodes.Text("*" | "/"), *_)):
            return False
    return True


_FORMS: Mapping[str, _Form] = {
    "number": _Form("a number with a unit", ("number",), ("unit",), ValueMapping._number),
    "name": _Form("a name", ("name",), (), ValueMapping._name),
    "call": _Form("a call", ("call",), ("args", "with"), ValueMapping._call, brackets=True),
    "param": _Form("a use of a parameter", ("param",), (), ValueMapping._reference),
    "from": _Form("a range", ("from", "to"), (), ValueMapping._range, _RANGE),
    "all": _Form("an exception", ("all", "except"), (), ValueMapping._except, _EXCEPT),
    "map": _Form("a map", ("map",), (), ValueMapping._map, brackets=True),
    "then": _Form("a sequence", ("then",), (), ValueMapping._then, _ANY),
    "arithmetic": _Form("arithmetic", ("arithmetic",), (), ValueMapping._arithmetic, _SUM),
    "minus": _Form("a negative", ("minus",), (), ValueMapping._minus, _UNARY),
}
"""The objects that stand for values, by the member that tells them apart."""

_MEANT = {
    **dict.fromkeys(("type", "class", "classname", "function", "fn", "op", "target"), "call"),
    **dict.fromkeys(("kwargs", "config", "params", "options", "named"), "with"),
    "arguments": "args",
    "value": "number",
}
"""Members that other formats have, by ours; in the spelling of `folded`."""


def is_value(written: JsonObject) -> bool:
    """Whether an object stands for a value and is no block."""
    return not VALUE_MEMBERS.isdisjoint(written.names)


def _described(written: Json) -> str:
    match written:
        case JsonObject(()):
            return "an empty one"
        case nodes.Text():
            return "a string"
        case nodes.Number(span=span) | nodes.Negative(span=span):
            return f"the number {span.text if len(span.text) <= 20 else span.text[:19] + '…'}"
        case nodes.Name(span=span):
            return f"`{span.text}`"
        case JsonList():
            return "a list"
    return "an object"
