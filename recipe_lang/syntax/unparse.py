"""Values and statements on one line: a node in, its canonical text out; also where that text may be broken.

A statement is a `Line`: pieces of text, and between them brackets (calls, lists, maps, bodies of blocks), whose
content is lines again. `formatter` decides which brackets are opened over several lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recipe_lang.source import Source
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse

Bracket = nodes.Call | nodes.List | nodes.Map | nodes.Block
Parts = tuple[str | Bracket, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A statement, an argument, an item of a list or an entry of a map.

    `left` is what stands before a sign that neighbours of the same kind have below each other, or empty; `start`
    and `end` are its place in its source.
    """

    kind: str
    left: str
    parts: Parts
    start: int
    end: int

    @property
    def text(self) -> str:
        """The whole on one line."""
        return (self.left and f"{self.left} ") + _joined(self.parts)


def node_text(node: nodes.Node) -> str:
    """Return a value on one line: `adam(lr = 1e-3)`, with the parentheses that the reading needs and no others.

    Numbers and strings are spelled as in their span where that says the same, else from their value.
    """
    return _joined(_parts(node))


def statement(item: nodes.Item) -> Line:
    """Return a statement's pieces; it is none that could not be read."""
    left = ""
    match item:
        case nodes.Version(number):
            parts: Parts = (f"ftr {number}",)
        case nodes.Extends(path):
            parts = (f"extends {_string(path)}",)
        case nodes.Drop(kind, title):
            parts = (f"drop {kind} {_string(title)}",)
        case nodes.Param(name, default, domain):
            left, parts = f"param {name}", ("= ", *_parts(default))
            if domain is not None:
                parts = (*parts, " in ", *_parts(domain))
        case nodes.Field(name, value):
            left, parts = name, ("= ", *_parts(value))
        case nodes.Claim(metric, operator, value, seeds):
            left, parts = metric.value, (f"{operator} ", *_parts(value))
            if seeds is not None:
                parts = (*parts, " over ", *_parts(seeds))
        case nodes.Block(kind, title):
            parts = (f"{kind} " if title is None else f"{kind} {_plain(title)} ", item)
        case nodes.Broken():
            raise AssertionError(f"{item!r} could not be read")
    return Line(type(item).__name__, left, parts, item.span.start, item.span.end)


def inside(bracket: Bracket) -> tuple[str, list[Line], str]:
    """Return what opens a bracket, the lines inside it, and what closes it."""
    match bracket:
        case nodes.Call(name, arguments):
            lines = [_line("argument", each.name, each.value, each.span.start) for each in arguments]
            return f"{name}(", lines, ")"
        case nodes.List(items):
            return "[", [_line("item", None, each, each.span.start) for each in items], "]"
        case nodes.Map(entries):
            return "{", [_line("entry", node_text(key), value, key.span.start) for key, value in entries], "}"
        case nodes.Block():
            return "{", [statement(item) for item in bracket.items], "}"


def flat(bracket: Bracket) -> str:
    """Return a bracket on one line; a block must be empty."""
    opener, lines, closer = inside(bracket)
    text = ", ".join(line.text for line in lines)
    return f"{opener} {text} {closer}" if text and isinstance(bracket, nodes.Map) else opener + text + closer


def _line(kind: str, left: str | None, value: nodes.Node, start: int) -> Line:
    if left is None:
        return Line(kind, "", _parts(value), start, value.span.end)
    return Line(kind, left, ("= ", *_parts(value)), start, value.span.end)


def _joined(parts: Parts) -> str:
    return "".join(part if isinstance(part, str) else flat(part) for part in parts)


# From loose to tight, as in the grammar: the AST has no parentheses, the text needs them where a looser operand stands.
_ANY, _EXCEPT, _RANGE, _SUM, _PRODUCT, _UNARY, _ATOM = range(7)


def _parts(node: nodes.Node, least: int = _ANY) -> Parts:
    """Return a value's pieces; an operand that binds less tightly than `least` comes in parentheses."""
    tightness, pieces = _pieces(node)
    return tuple(pieces) if tightness >= least else ("(", *pieces, ")")


def _pieces(node: nodes.Node) -> tuple[int, Iterator[str | Bracket] | Parts]:
    match node:
        case nodes.Then(items):
            return _ANY, _between(items, [" then "] * len(items), _EXCEPT)
        case nodes.Except(whole, without):
            return _EXCEPT, _between((whole, without), [" except "], _RANGE)
        case nodes.Range(low, high):
            return _RANGE, _between((low, high), [" .. "], _SUM)
        case nodes.Arithmetic(first, rest):
            tightness = _SUM if rest[0][0] in "+-" else _PRODUCT
            operands = (first, *(operand for _, operand in rest))
            return tightness, _between(operands, [f" {operator} " for operator, _ in rest], tightness + 1)
        case nodes.Negative(value):
            return _UNARY, ("-", *_parts(value, _ATOM))
        case nodes.Call() | nodes.List() | nodes.Map():
            return _ATOM, (node,)
    return _ATOM, (_plain(node),)


def _between(operands: tuple[nodes.Node, ...], operators: list[str], least: int) -> Iterator[str | Bracket]:
    yield from _parts(operands[0], least)
    for operator, operand in zip(operators, operands[1:], strict=False):
        yield operator
        yield from _parts(operand, least)


def _plain(node: nodes.Node) -> str:
    match node:
        case nodes.Number():
            return _number(node)
        case nodes.Text():
            return _string(node)
        case nodes.Name(value):
            return value
        case nodes.Reference(name):
            return f"${name}"
    raise AssertionError(f"{node!r} has brackets or operands")


_DIGITS = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"(\\.|[^"\\\r\n])*"')
_TIGHT = ("px", "%")
_FORMS = {form: (unit, f"{unit}s") for unit in ("epoch", "step", "image", "seed") for form in (unit, f"{unit}s")}
_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)} | str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
)


def _number(node: nodes.Number) -> str:
    spelled = _DIGITS.match(node.span.text)
    if spelled is not None and float(spelled[0]) == node.value:
        digits = spelled[0]
    else:
        digits = "1e999" if node.value == float("inf") else repr(node.value).removesuffix(".0")
    if node.unit is None:
        return digits
    one, many = _FORMS.get(node.unit, (node.unit, node.unit))
    return digits + ("" if node.unit in _TIGHT else " ") + (one if node.value == 1 else many)


def _string(node: nodes.Text) -> str:
    spelled = node.span.text
    if _STRING.fullmatch(spelled) and _meaning(spelled) == node.value:
        return spelled
    return f'"{node.value.translate(_ESCAPES)}"'


def _meaning(spelled: str) -> str | None:
    """Return the text that a string in quotes stands for; None where an escape is unknown."""
    if "\\" not in spelled:
        return spelled[1:-1]
    recipe = parse(Source("string", f"x = {spelled}"))
    match recipe.items:
        case (nodes.Field(value=nodes.Text(value)),) if not recipe.problems:
            return value
    return None
