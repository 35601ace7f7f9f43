"""JSON values to the values of a recipe: `TwinValues.value`, which the twin's reader calls for every field.

A string is a string, a number a number, `true`, `false` and `null` are the names `true`, `false` and `none`, an array
is a list; all else is an object that one of its members tells apart (`_FORMS`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from recipe_lang.json.problems import JsonMember, JsonShape
from recipe_lang.json.reader import Json, JsonBroken, JsonDigits, JsonList, JsonObject, JsonText, JsonWord
from recipe_lang.json.writer import VALUE_MEMBERS, WORDS
from recipe_lang.problem import Problem
from recipe_lang.source import MAX_NESTING, Span
from recipe_lang.suggest import suggest
from recipe_lang.syntax import nodes
from recipe_lang.syntax.problems import TooDeep

NAME = "[A-Za-z][A-Za-z0-9_]*"
_DOTTED = rf"{NAME}(?:\.{NAME})*"

# How tightly a value binds in `.ftr`: an operand that binds less needs parentheses, which count as nesting.
_ANY, _EXCEPT, _RANGE, _SUM, _PRODUCT, _UNARY, _ATOM = range(7)

Members = Mapping[str, Json]
Asked = tuple[Json, int, int]  # a part, how deep it nests, how tightly it must bind
Answer = nodes.Node | None
Reading = Generator[Asked, Answer, Answer]
_Values = tuple[nodes.Node, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """An object that stands for a value: its members, and what makes a node of them.

    `make` gets the members, the place of the object, and how deep its inner values nest.
    """

    noun: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    make: Callable[[TwinValues, Members, Span, int], Reading | Answer]
    binds: Callable[[Members], int] = lambda _: _ATOM
    brackets: bool = False


class TwinValues:
    """Turns JSON values into nodes; what is wrong is added to the problems, and None is returned.

    `depth` counts brackets as `.ftr` would have them.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def wrong(self, found: Json, what: str, expected: str) -> Answer:
        """Report a value of the wrong kind, unless it was reported as broken."""
        if not isinstance(found, JsonBroken):
            self.problems.append(JsonShape(span=found.span, what=what, expected=expected, found=_described(found)))
        return None

    # --- values ------------------------------------------------------------------------------

    def value(self, written: Json, depth: int) -> nodes.Node | None:
        """Return the value that a JSON value stands for.

        The readers of values are generators that hand out their parts (`Asked`), so that deep JSON needs no deep stack.
        """
        stack = [self._read(written, depth, _ANY)]
        answer: nodes.Node | None = None
        while stack:
            try:
                part = stack[-1].send(answer)
            except StopIteration as done:
                stack.pop()
                answer = done.value
            else:
                stack.append(self._read(*part))
                answer = None
        return answer

    def _read(self, written: Json, depth: int, least: int) -> Reading:
        """Read one value; `least` is how tightly it must bind to need no parentheses."""
        match written:
            case JsonText(text, span):
                return nodes.Text(text, span)
            case JsonWord(text, span):
                return nodes.Name(_NAMES[text], span)
            case JsonDigits(span=span):
                return _signed(written, None, span)
            case JsonList(items, span):
                if depth >= MAX_NESTING:
                    return self._too_deep(span)
                values = yield from self._all(items, depth + 1)
                return None if values is None else nodes.List(values, span)
            case JsonObject():
                return (yield from self._object(written, depth, least))
        return None

    def _all(self, items: Sequence[Json], depth: int, least: int = _ANY) -> Generator[Asked, Answer, _Values | None]:
        """Read all values, each looked at; None when one is wrong."""
        values = []
        for item in items:
            values.append((yield item, depth, least))
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None

    def _object(self, written: JsonObject, depth: int, least: int) -> Reading:
        names = member_names(written)
        form = next((_FORMS[name] for name in _FORMS if name in names), None)
        if form is None:
            return self._no_value(written)
        members = self.members(written, form.noun, form.needed, form.optional)
        if members is None:
            return None
        depth += form.brackets or form.binds(members) < least
        if depth > MAX_NESTING:
            return self._too_deep(written.span)
        made = form.make(self, members, written.span, depth)
        return (yield from made) if isinstance(made, Generator) else made

    def members(
        self, written: JsonObject, noun: str, needed: tuple[str, ...], optional: tuple[str, ...]
    ) -> Members | None:
        """Return the members of a form by name; None when one is missing, unknown, twice or broken."""
        found: dict[str, Json] = {}
        before = len(self.problems)
        for key, value in written.members:
            if key.value in found:
                self._member(key.value, noun, "given twice", key.inner)
            elif key.value not in needed + optional:
                self._unknown(key, noun, needed + optional)
            found.setdefault(key.value, value)
        for name in needed:
            if name not in found and len(self.problems) == before:
                self._member(name, noun, "missing", written.span)
        is_broken = any(isinstance(value, JsonBroken) for value in found.values())
        return None if is_broken or len(self.problems) > before else found

    def _no_value(self, written: JsonObject) -> Answer:
        """Report an object with no member that tells what value it is."""
        if not written.members:
            return self.wrong(written, "a value", 'an object with a member such as `"name"`')
        keys = [key for key, _ in written.members]
        self._unknown(
            next((key for key in keys if suggest(key.value, _FORMS, _MEANT)), keys[0]), "a value", tuple(_FORMS)
        )
        return None

    def _unknown(self, key: JsonText, form: str, options: tuple[str, ...]) -> None:
        near = suggest(key.value, options, _MEANT)
        self.problems.append(
            JsonMember(span=key.inner, name=key.value, form=form, wrong="unknown", options=options, suggestion=near)
        )

    def _member(self, name: str, form: str, wrong: str, span: Span) -> None:
        self.problems.append(JsonMember(span=span, name=name, form=form, wrong=wrong))

    def _too_deep(self, span: Span) -> Answer:
        self.problems.append(TooDeep(span=span, limit=MAX_NESTING))
        return None

    def _named(self, members: Members, member: str, pattern: str = NAME) -> JsonText | None:
        """Return the string in which a name stands."""
        written = members[member]
        if isinstance(written, JsonText) and re.fullmatch(pattern, written.value):
            return written
        self.wrong(written, f'`"{member}"`', "a name in a string, of letters, digits and `_`")
        return None

    # --- objects that stand for values -------------------------------------------------------

    def _number(self, members: Members, span: Span, depth: int) -> Answer:
        digits, unit = members["number"], members.get("unit")
        if not isinstance(digits, JsonDigits):
            return self.wrong(digits, '`"number"`', "a JSON number")
        if unit is None:
            return _signed(digits, None, span)
        if not isinstance(unit, JsonText) or not re.fullmatch(f"{NAME}|%", unit.value):
            return self.wrong(unit, '`"unit"`', 'a unit such as `"epochs"`, `"px"` or `"%"`')
        return _signed(digits, unit.value, span)

    def _name(self, members: Members, span: Span, depth: int) -> Answer:
        name = self._named(members, "name", _DOTTED)
        return None if name is None else nodes.Name(name.value, name.inner)

    def _reference(self, members: Members, span: Span, depth: int) -> Answer:
        name = self._named(members, "param")
        return None if name is None else nodes.Reference(name.value, name.inner)

    def _call(self, members: Members, span: Span, depth: int) -> Reading:
        name = self._named(members, "call")
        args, named = members.get("args", JsonList((), span)), members.get("with", JsonObject((), span))
        if not isinstance(args, JsonList):
            return self.wrong(args, '`"args"`', "a list of arguments without names")
        if not isinstance(named, JsonObject):
            return self.wrong(named, '`"with"`', "an object of arguments by name")
        values = yield from self._all([*args.items, *(value for _, value in named.members)], depth)
        for key, _ in named.members:
            if key.value and not re.fullmatch(NAME, key.value):
                self.wrong(key, "an argument", "a name of letters, digits and `_`")
                values = None
        if name is None or values is None:
            return None
        keys = [*[None] * len(args.items), *(key for key, _ in named.members)]
        arguments = tuple(_argument(key, value) for key, value in zip(keys, values, strict=True))
        return nodes.Call(name.value, arguments, span, name.inner)

    def _map(self, members: Members, span: Span, depth: int) -> Reading:
        written = members["map"]
        pairs = written.items if isinstance(written, JsonList) else (written,)
        wrong = [pair for pair in pairs if not isinstance(pair, JsonList) or len(pair.items) != 2]
        for pair in wrong:
            self.wrong(pair, '`"map"`', "a list of pairs `[key, value]`")
        if wrong:
            return None
        parts = yield from self._all(
            [part for pair in pairs if isinstance(pair, JsonList) for part in pair.items], depth
        )
        return None if parts is None else nodes.Map(tuple(zip(parts[::2], parts[1::2], strict=True)), span)

    def _range(self, members: Members, span: Span, depth: int) -> Reading:
        ends = yield from self._all((members["from"], members["to"]), depth, _SUM)
        return None if ends is None else nodes.Range(ends[0], ends[1], span)

    def _except(self, members: Members, span: Span, depth: int) -> Reading:
        sides = yield from self._all((members["all"], members["except"]), depth, _RANGE)
        return None if sides is None else nodes.Except(sides[0], sides[1], span)

    def _then(self, members: Members, span: Span, depth: int) -> Reading:
        written = members["then"]
        if not isinstance(written, JsonList) or len(written.items) < 2:
            return self.wrong(written, '`"then"`', "a list of two values or more")
        items = yield from self._all(written.items, depth, _EXCEPT)
        return None if items is None else nodes.Then(items, span)

    def _arithmetic(self, members: Members, span: Span, depth: int) -> Reading:
        written = members["arithmetic"]
        items = written.items if isinstance(written, JsonList) else ()
        operators = [item.value for item in items[1::2] if isinstance(item, JsonText)]
        is_chain = len(items) >= 3 and len(items) == 2 * len(operators) + 1
        if not is_chain or not any({*operators} <= {*signs} for signs in ("+-", "*/")):
            expected = 'a list such as `[a, "+", b, "-", c]`, of `+` and `-` only or of `*` and `/` only'
            return self.wrong(written, '`"arithmetic"`', expected)
        operands = yield from self._all(items[::2], depth, _binds_arithmetic(members) + 1)
        if operands is None:
            return None
        return nodes.Arithmetic(operands[0], tuple(zip(operators, operands[1:], strict=True)), span)

    def _minus(self, members: Members, span: Span, depth: int) -> Reading:
        value = yield members["minus"], depth, _ATOM
        return None if value is None else nodes.Negative(value, span)


def _signed(digits: JsonDigits, unit: str | None, span: Span) -> nodes.Node:
    number = nodes.Number(float(digits.text.lstrip("-")), unit, span)
    return nodes.Negative(number, span) if digits.text.startswith("-") else number


def _argument(key: JsonText | None, value: nodes.Node) -> nodes.Argument:
    """Return an argument; the empty name is that of one without a name behind those that have one."""
    if key is None or not key.value:
        return nodes.Argument(None, value, value.span, value.span)
    return nodes.Argument(key.value, value, key.span.to(value.span), key.inner)


def _binds_arithmetic(members: Members) -> int:
    written = members["arithmetic"]
    match written:
        case JsonList((_, JsonText("*" | "/"), *_)):
            return _PRODUCT
    return _SUM


_FORMS: Mapping[str, _Form] = {
    "number": _Form("a number with a unit", ("number",), ("unit",), TwinValues._number),
    "name": _Form("a name", ("name",), (), TwinValues._name),
    "call": _Form("a call", ("call",), ("args", "with"), TwinValues._call, brackets=True),
    "param": _Form("a use of a parameter", ("param",), (), TwinValues._reference),
    "from": _Form("a range", ("from", "to"), (), TwinValues._range, lambda _: _RANGE),
    "all": _Form("an exception", ("all", "except"), (), TwinValues._except, lambda _: _EXCEPT),
    "map": _Form("a map", ("map",), (), TwinValues._map, brackets=True),
    "then": _Form("a sequence", ("then",), (), TwinValues._then, lambda _: _ANY),
    "arithmetic": _Form("arithmetic", ("arithmetic",), (), TwinValues._arithmetic, _binds_arithmetic),
    "minus": _Form("a negative", ("minus",), (), TwinValues._minus, lambda _: _UNARY),
}
"""The objects that stand for values, by the member that tells them apart."""

_MEANT = {
    **dict.fromkeys(("type", "class", "class_name", "function", "fn", "op", "_target_"), "call"),
    **dict.fromkeys(("kwargs", "config", "params", "options", "named"), "with"),
    "arguments": "args",
    "value": "number",
}
"""Members that other formats have, by ours."""

_NAMES = {word: name for name, word in WORDS.items()}


def member_names(written: JsonObject) -> list[str]:
    """Return the names of an object's members, in order."""
    return [key.value for key, _ in written.members]


def is_value(written: JsonObject) -> bool:
    """Whether an object stands for a value and is no block."""
    return not VALUE_MEMBERS.isdisjoint(member_names(written))


def _described(written: Json) -> str:
    match written:
        case JsonObject(()):
            return "an empty one"
        case JsonText():
            return "a string"
        case JsonDigits(text):
            return f"the number {text if len(text) <= 20 else text[:19] + '…'}"
        case JsonWord(text):
            return f"`{text}`"
        case JsonList():
            return "a list"
    return "an object"
