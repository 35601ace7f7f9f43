"""The grammar's trees as nodes: `grammar()` parses a text, `Builder` turns what it found into the AST.

In go trees whose tokens are all kept, out come nodes with their spans. Nothing here knows the vocabulary.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark import Lark, Token, Tree
from lark.grammar import Rule
from lark.lexer import TerminalDef

from recipe_lang.problem import Problem
from recipe_lang.source import Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.problems import BadEscape

Kid = Tree[Token] | Token | None


@contextmanager
def without_gc() -> Iterator[None]:
    """Hold the garbage collector off: what a parser makes is kept, so that a search for garbage only costs time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@cache
def grammar() -> Lark:
    """Return the parser of `grammar.lark`; its trees keep every token, so that their ends are known."""
    with without_gc():
        stored = json.loads((_FOLDER / "grammar.json").read_text(encoding="utf-8"), object_pairs_hook=_numbered)
        if stored["made_from"] != _made_from():
            return built()
        parser: Lark = Lark._load_from_dict(data=stored["data"], memo=stored["memo"])  # type: ignore[no-untyped-call]
        return parser


_FOLDER = Path(__file__).parent


def built() -> Lark:
    """Return the parser, its tables made from the grammar."""
    text = (_FOLDER / "grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", keep_all_tokens=True, maybe_placeholders=True)


def _made_from() -> list[str]:
    """Return what the tables depend on: lark's version, and the grammar."""
    return [lark.__version__, hashlib.sha256((_FOLDER / "grammar.lark").read_bytes()).hexdigest()]


def _numbered(pairs: list[tuple[str, Any]]) -> dict[str | int, Any]:
    """Return an object of JSON with the numbers among its keys as numbers."""
    return {int(key) if key.isdecimal() else key: value for key, value in pairs}


def tables() -> str:
    """Return the content of `grammar.json`: the parser's tables, whose making takes as long as all else in a check."""
    data, memo = built().memo_serialize([TerminalDef, Rule])
    return json.dumps({"made_from": _made_from(), "data": data, "memo": memo}, separators=(",", ":")) + "\n"


class Builder:
    """Turns parse trees into nodes; `offset_of` gives the source's offset of an offset in the parsed text."""

    def __init__(self, source: Source, problems: list[Problem], offset_of: Callable[[int], int] | None = None) -> None:
        self.source = source
        self.problems = problems
        self.offset_of = offset_of

    def span(self, thing: Tree[Token] | Token) -> Span:
        """Return the place of a token or of a whole tree."""
        start, end = _first(thing).start_pos, _last(thing).end_pos
        if start is None or end is None:
            raise AssertionError(f"no position for {thing!r}")
        if self.offset_of is not None:
            # What a repair took away behind a value is no part of it.
            start, end = self.offset_of(start), min(self.offset_of(end - 1) + 1, self.offset_of(end))
        return Span(self.source, start, end)

    def items(self, trees: Sequence[Kid]) -> tuple[nodes.Item, ...]:
        """Return the statements among the children of a tree."""
        return tuple(_ITEMS[tree.data](self, tree) for tree in trees if isinstance(tree, Tree) and tree.data in _ITEMS)

    def _field(self, tree: Tree[Token]) -> nodes.Item:
        name, _, value = tree.children
        return nodes.Field(str(name), self.value(value), self.span(tree), self.span(_token(name)))

    def _claim(self, tree: Tree[Token]) -> nodes.Item:
        metric, operator, value, _, count = tree.children
        name = nodes.Name(str(metric), self.span(_token(metric)))
        seeds = self._number(count) if isinstance(count, Tree) else None
        return nodes.Claim(name, str(operator), self.value(value), seeds, self.span(tree))

    def _param(self, tree: Tree[Token]) -> nodes.Item:
        _, name, _, value, _, domain = tree.children
        limits = None if domain is None else self.value(domain)
        return nodes.Param(str(name), self.value(value), limits, self.span(tree), self.span(_token(name)))

    def _version(self, tree: Tree[Token]) -> nodes.Item:
        return nodes.Version(str(tree.children[1]), self.span(tree))

    def _extends(self, tree: Tree[Token]) -> nodes.Item:
        return nodes.Extends(self._text(_token(tree.children[1])), self.span(tree))

    def _drop(self, tree: Tree[Token]) -> nodes.Item:
        _, kind, title = tree.children
        return nodes.Drop(str(kind), self._text(_token(title)), self.span(tree))

    def _block(self, tree: Tree[Token]) -> nodes.Item:
        head, *items = tree.children
        if not isinstance(head, Tree):
            raise AssertionError("a block begins with its header")
        kind, title, _ = head.children
        shown: nodes.Text | nodes.Number | None = None
        if isinstance(title, Token):
            shown = self._text(title)
        elif isinstance(title, Tree):
            shown = self._number(title)
        return nodes.Block(
            str(kind), shown, self.items(items), self.span(tree), self.span(_token(kind)), self.span(head)
        )

    def value(self, tree: Kid) -> nodes.Node:
        """Return the value that a tree is."""
        if not isinstance(tree, Tree):
            raise AssertionError(f"{tree!r} is no value")
        return _VALUES[tree.data](self, tree)

    def _number(self, tree: Tree[Token]) -> nodes.Number:
        digits, unit = tree.children
        return nodes.Number(float(_token(digits)), None if unit is None else str(unit), self.span(tree))

    def _string(self, tree: Tree[Token]) -> nodes.Node:
        return self._text(_token(tree.children[0]))

    def _name(self, tree: Tree[Token]) -> nodes.Node:
        return nodes.Name(str(tree.children[0]), self.span(tree))

    def _reference(self, tree: Tree[Token]) -> nodes.Node:
        return nodes.Reference(str(tree.children[1]), self.span(tree))

    def _group(self, tree: Tree[Token]) -> nodes.Node:
        return self.value(next(_trees(tree)))

    def _call(self, tree: Tree[Token]) -> nodes.Node:
        name = _token(tree.children[0])
        arguments = tuple(self._argument(kid) for kid in _trees(tree))
        return nodes.Call(str(name), arguments, self.span(tree), self.span(name))

    def _argument(self, tree: Tree[Token]) -> nodes.Argument:
        name, _, value = tree.children
        node = self.value(value)
        if name is None:
            return nodes.Argument(None, node, node.span, node.span)
        return nodes.Argument(str(name), node, self.span(tree), self.span(_token(name)))

    def _list(self, tree: Tree[Token]) -> nodes.Node:
        return nodes.List(tuple(self.value(kid) for kid in _trees(tree)), self.span(tree))

    def _map(self, tree: Tree[Token]) -> nodes.Node:
        entries = tuple((self.value(kid.children[0]), self.value(kid.children[2])) for kid in _trees(tree))
        return nodes.Map(entries, self.span(tree))

    def _negative(self, tree: Tree[Token]) -> nodes.Node:
        return nodes.Negative(self.value(tree.children[1]), self.span(tree))

    def _arithmetic(self, tree: Tree[Token]) -> nodes.Node:
        first, *rest = tree.children
        pairs = zip(rest[::2], rest[1::2], strict=True)
        operands = tuple((str(operator), self.value(kid)) for operator, kid in pairs)
        return nodes.Arithmetic(self.value(first), operands, self.span(tree))

    def _range(self, tree: Tree[Token]) -> nodes.Node:
        low, _, high = tree.children
        return nodes.Range(self.value(low), self.value(high), self.span(tree))

    def _except(self, tree: Tree[Token]) -> nodes.Node:
        whole, _, without = tree.children
        return nodes.Except(self.value(whole), self.value(without), self.span(tree))

    def _then(self, tree: Tree[Token]) -> nodes.Node:
        return nodes.Then(tuple(self.value(kid) for kid in tree.children[::2]), self.span(tree))

    def _text(self, token: Token) -> nodes.Text:
        span = self.span(token)
        raw = str(token)[1:-1]
        return nodes.Text(self._unescape(raw, span) if "\\" in raw else raw, span)

    def _unescape(self, raw: str, span: Span) -> str:
        bad: list[re.Match[str]] = []

        def replace(match: re.Match[str]) -> str:
            escape = match[1]
            if escape in _ESCAPES:
                return _ESCAPES[escape]
            if len(escape) == 5 and not "d800" <= escape[1:].lower() <= "dfff":
                return chr(int(escape[1:], 16))
            bad.append(match)
            return ""

        text = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, raw)
        if bad:
            self._bad_escape(bad[0], span)
        return text

    def _bad_escape(self, found: re.Match[str], string: Span) -> None:
        start = string.start + 1 + found.start()
        span = self.source.span(start, start + len(found[0]))
        self.problems.append(BadEscape(span=span, escape=found[0], string=string))


_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}

_ITEMS: dict[str, Callable[[Builder, Tree[Token]], nodes.Item]] = {
    "field": Builder._field,
    "claim": Builder._claim,
    "param": Builder._param,
    "block": Builder._block,
    "version": Builder._version,
    "extends": Builder._extends,
    "drop": Builder._drop,
}
_VALUES: dict[str, Callable[[Builder, Tree[Token]], nodes.Node]] = {
    "number": Builder._number,
    "string": Builder._string,
    "name": Builder._name,
    "reference": Builder._reference,
    "group": Builder._group,
    "call": Builder._call,
    "list": Builder._list,
    "map": Builder._map,
    "negative": Builder._negative,
    "sum": Builder._arithmetic,
    "product": Builder._arithmetic,
    "span": Builder._range,
    "without": Builder._except,
    "joined": Builder._then,
}


def _trees(tree: Tree[Token]) -> Iterator[Tree[Token]]:
    return (kid for kid in tree.children if isinstance(kid, Tree))


def _token(thing: Kid) -> Token:
    if not isinstance(thing, Token):
        raise AssertionError(f"{thing!r} is no token")
    return thing


def _first(thing: Kid) -> Token:
    while isinstance(thing, Tree):
        thing = next(kid for kid in thing.children if kid is not None)
    return _token(thing)


def _last(thing: Kid) -> Token:
    while isinstance(thing, Tree):
        thing = next(kid for kid in reversed(thing.children) if kid is not None)
    return _token(thing)


if __name__ == "__main__":
    print(tables(), end="")
