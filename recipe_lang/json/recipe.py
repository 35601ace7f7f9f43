"""The JSON form of a recipe: `parse_json(source) -> Recipe`, for sources whose name ends in `.ftr.json`.

Each member of the outer object is a statement, in order: `"ftr"`, `"extends"`, `"param lr"`, `"drop stage x"`, a field
`"base"`, a block `"data"` or `"stage x"`, and in a block a field or a claim `"test.accuracy >="`. Spans point into the
JSON text; those of names lie between the quotes. What is wrong with the form stands in the result's `problems`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from recipe_lang.json.problems import JsonStatement
from recipe_lang.json.reader import MAX_PROBLEMS, Json, JsonObject, inner, read_json
from recipe_lang.json.values import NAME, StatementError, ValueMapping, is_value
from recipe_lang.json.writer import QUANTITY, recipe_json
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import MAX_NESTING, Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.ast_builder import without_gc
from recipe_lang.syntax.problems import TooDeep

__all__ = ["format_json", "parse_json", "recipe_json"]

_CLAIM = re.compile(rf"(?P<metric>{NAME}(?:\.{NAME})+)\s*(?P<operator>>=|<=|>|<)")
_HEADER = re.compile(rf"(?P<kind>{NAME})(?: \{{\}}| (?P<title>.*))?", re.DOTALL)
_DROP = re.compile(rf"drop (?P<kind>{NAME}) (?P<title>.*)", re.DOTALL)
_WHOLE = re.compile("0|[1-9][0-9]{,8}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def parse_json(source: Source) -> nodes.Recipe:
    """Parse a recipe that is written as JSON; what is wrong with its form stands in the result's `problems`."""
    with without_gc():
        read = read_json(source)
        problems = list(read.problems)
        statements = _Statements(problems)
        items: tuple[nodes.Item, ...] = ()
        if isinstance(read.value, JsonObject):
            items = statements.items(read.value, 0)
        else:
            statements.values.wrong(read.value, "a recipe", 'an object such as `{"ftr": 1, "data": {…}}`')
    end = source.span(len(source.text), len(source.text))
    if not read.complete or not isinstance(read.value, JsonObject):
        items = (*items, nodes.Broken("", end))  # nobody knows what else it says
    if problems and not any(isinstance(item, nodes.Version | nodes.Block) for item in items):
        items = (nodes.Broken("ftr", end), *items)  # what is wrong with it is not that it has no version
    return nodes.Recipe(source, items, tuple(problems[:MAX_PROBLEMS]))


def format_json(source: Source) -> str:
    """Return a recipe that is written as JSON in its canonical form: two spaces for each level, order kept.

    Raises:
        RecipeError: the text is no JSON, or no recipe's.
    """
    recipe = parse_json(source)
    if recipe.problems:
        raise RecipeError(recipe.problems)
    return recipe_json(recipe)


class _Statements:
    """Turns members into statements; one that is wrong is reported, and comes back as `Broken`.

    `depth` counts brackets as `.ftr` would have them.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.values = ValueMapping(problems)

    def items(self, written: JsonObject, depth: int) -> tuple[nodes.Item, ...]:
        """Return the statements that an object's members are."""
        if depth > MAX_NESTING:
            self.problems.append(TooDeep(span=written.span, limit=MAX_NESTING))
            return ()
        return tuple([self._item(key, value, depth) for key, value in written.members])

    def _item(self, key: nodes.Text, value: Json, depth: int) -> nodes.Item:
        span = key.span.to(value.span)
        word = key.value.partition(" ")[0]
        header = _HEADER.fullmatch(key.value)
        claim = _CLAIM.fullmatch(key.value)
        try:
            if word in _STATEMENTS:
                return _STATEMENTS[word](self, key, value, span)
            if claim:
                metric = nodes.Name(claim["metric"], _part(key, claim, "metric"))
                return nodes.Claim(metric, claim["operator"], *self._bound(value, depth), span)
            if header:
                return self._field_or_block(key, header, value, depth)
            self._no_statement(key)
        except StatementError:
            return nodes.Broken(word if word in _STATEMENTS else header["kind"] if header else "", span)

    def _field_or_block(self, key: nodes.Text, header: re.Match[str], value: Json, depth: int) -> nodes.Item:
        span, name, name_span = key.span.to(value.span), header["kind"], _part(key, header, "kind")
        if key.value == name and not (isinstance(value, JsonObject) and _is_block(value, depth)):
            return nodes.Field(name, self.values.value(value, depth), span, name_span)
        title = None if header["title"] is None else self._title(key, header)
        if not isinstance(value, JsonObject):
            self._wrong(value, f"the block `{name}`", "an object of fields")
        return nodes.Block(name, title, self.items(value, depth + 1), span, name_span, inner(key))

    def _bound(self, value: Json, depth: int) -> tuple[nodes.Node, nodes.Number | None]:
        """Return the number of a claim, and over how many seeds it is."""
        if not (isinstance(value, JsonObject) and "over" in value.names):
            return self.values.value(value, depth), None
        members = self.values.members(value, "a claim over several seeds", ("value", "over"), ())
        if members is None:
            raise StatementError
        bound, seeds = self.values.values((members["value"], members["over"]), depth)
        if not isinstance(seeds, nodes.Number):
            self._wrong(members["over"], '`"over"`', 'a number of seeds: `{"number": 5, "unit": "seeds"}`')
        return bound, seeds

    def _title(self, key: nodes.Text, header: re.Match[str]) -> nodes.Text | nodes.Number:
        """Return a title: a quantity, or a text, which stands in quotes of its own where it would be a quantity."""
        text, span = header["title"], _part(key, header, "title")
        quantity = QUANTITY.fullmatch(text)
        if quantity:
            return nodes.Number(float(quantity["number"]), quantity["unit"], span)
        if not text.startswith('"'):
            return nodes.Text(text, span)
        try:
            found = json.loads(text)
            found.encode()  # half of a character cannot be shown
        except (ValueError, AttributeError):
            self._no_statement(key, 'a title in quotes of its own ends with one: `"stage \\"8 epochs\\""`')
        return nodes.Text(found, span)

    def _version(self, key: nodes.Text, value: Json, span: Span) -> nodes.Item:
        if key.value != "ftr":
            self._no_statement(key, 'the version is `"ftr": 1`')
        text = value.span.text if isinstance(value, nodes.Number) else ""
        if isinstance(value, nodes.Text) and not _WHOLE.fullmatch(value.value):
            text = value.value  # `01`, which JSON cannot say as a number
        if not _NUMBER.fullmatch(text):
            self._wrong(value, '`"ftr"`', "the number of the language's version, `1`")
        return nodes.Version(text, span)

    def _extends(self, key: nodes.Text, value: Json, span: Span) -> nodes.Item:
        if key.value != "extends":
            self._no_statement(key, 'the parent is `"extends": "base.ftr"`')
        if not isinstance(value, nodes.Text):
            self._wrong(value, '`"extends"`', "a path in a string")
        return nodes.Extends(value, span)

    def _param(self, key: nodes.Text, value: Json, span: Span) -> nodes.Item:
        match = re.fullmatch(rf"param (?P<name>{NAME})", key.value)
        if match is None:
            self._no_statement(key, 'a parameter is declared as `"param lr": {"default": 0.001}`')
        if not isinstance(value, JsonObject) or (is_value(value) and "default" not in value.names):
            self._wrong(value, f'`"{key.value}"`', 'an object such as `{"default": …, "in": …}`')
        members = self.values.members(value, "a parameter", ("default",), ("in",))
        if members is None:
            raise StatementError
        default, *domain = self.values.values([members[name] for name in ("default", "in") if name in members], 0)
        return nodes.Param(match["name"], default, domain[0] if domain else None, span, _part(key, match, "name"))

    def _drop(self, key: nodes.Text, value: Json, span: Span) -> nodes.Item:
        match = _DROP.fullmatch(key.value)
        if match is None:
            self._no_statement(key, 'what the parent has is dropped with `"drop stage TITLE": true`')
        if not isinstance(value, nodes.Name) or value.value != "true":
            self._wrong(value, '`"drop"`', "`true`")
        title = self._title(key, match)
        if isinstance(title, nodes.Number):
            title = nodes.Text(match["title"], title.span)
        return nodes.Drop(match["kind"], title, span)

    def _wrong(self, found: Json, what: str, expected: str) -> NoReturn:
        self.values.wrong(found, what, expected)
        raise StatementError

    def _no_statement(self, key: nodes.Text, advice: str = "") -> NoReturn:
        metric = re.match(rf"{NAME}(\.{NAME})+", key.value)
        if metric:
            advice = f'a claim compares: `"{metric[0]} >=": 0.9`, with `>=`, `<=`, `>` or `<`'
        shown = key.value if len(key.value) <= 60 else f"{key.value[:59]}…"
        self.problems.append(JsonStatement(span=inner(key), key=shown, advice=advice))
        raise StatementError


_STATEMENTS: Mapping[str, Callable[[_Statements, nodes.Text, Json, Span], nodes.Item]] = {
    "ftr": _Statements._version,
    "extends": _Statements._extends,
    "param": _Statements._param,
    "drop": _Statements._drop,
}


def _is_block(value: JsonObject, depth: int) -> bool:
    """Whether an object is a block; in a block none is right, and its fields show that it was meant."""
    fields = any(isinstance(each, JsonObject) and is_value(each) for _, each in value.members)
    return not is_value(value) and (depth == 0 or fields)


def _part(key: nodes.Text, match: re.Match[str], group: str) -> Span:
    """Return the span of a part of a key; the whole key's where escapes shift the characters."""
    whole = inner(key)
    if whole.text != key.value:
        return whole
    return key.span.source.span(whole.start + match.start(group), whole.start + match.end(group))
