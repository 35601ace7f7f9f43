"""The JSON twin of a recipe: `parse_json(source) -> Recipe`, for sources whose name ends in `.ftr.json`.

Each member of the outer object is a statement, in order: `"ftr"`, `"extends"`, `"param lr"`, `"drop stage x"`, a field
`"base"`, a block `"data"` or `"stage x"`, and in a block a field or a claim `"test.accuracy >="`. Spans point into the
JSON text; those of names lie between the quotes. What is wrong with the form stands in the result's `problems`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from recipe_lang.json.problems import JsonStatement
from recipe_lang.json.reader import MAX_PROBLEMS, Json, JsonDigits, JsonObject, JsonText, JsonWord, read_json
from recipe_lang.json.values import NAME, TwinValues, is_value, member_names
from recipe_lang.json.writer import QUANTITY, recipe_json
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import MAX_NESTING, Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.ast_builder import uncollected
from recipe_lang.syntax.problems import TooDeep

__all__ = ["format_json", "parse_json", "recipe_json"]

_CLAIM = re.compile(rf"(?P<metric>{NAME}(?:\.{NAME})+)\s*(?P<operator>>=|<=|>|<)")
_HEADER = re.compile(rf"(?P<kind>{NAME})(?: \{{\}}| (?P<title>.*))?", re.DOTALL)
_DROP = re.compile(rf"drop (?P<kind>{NAME}) (?P<title>.*)", re.DOTALL)
_WHOLE = re.compile("0|[1-9][0-9]{,8}")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def parse_json(source: Source) -> nodes.Recipe:
    """Parse a recipe that is written as JSON; what is wrong with its form stands in the result's `problems`."""
    with uncollected():
        read = read_json(source)
        twin = _Twin(list(read.problems))
        items: tuple[nodes.Item, ...] = ()
        if isinstance(read.value, JsonObject):
            items = twin.items(read.value, 0)
    if not isinstance(read.value, JsonObject):
        twin.values.wrong(read.value, "a recipe", 'an object such as `{"ftr": 1, "data": {…}}`')
    end = source.span(len(source.text), len(source.text))
    if not read.complete or not isinstance(read.value, JsonObject):
        items = (*items, nodes.Broken("", end))  # nobody knows what else it says
    if twin.problems and not any(isinstance(item, nodes.Version | nodes.Block) for item in items):
        items = (nodes.Broken("ftr", end), *items)  # what is wrong with it is not that it has no version
    return nodes.Recipe(source, items, tuple(twin.problems[:MAX_PROBLEMS]))


def format_json(source: Source) -> str:
    """Return a recipe that is written as JSON in its canonical form: two spaces for each level, order kept.

    Raises:
        RecipeError: the text is no JSON, or no recipe's.
    """
    recipe = parse_json(source)
    if recipe.problems:
        raise RecipeError(recipe.problems)
    return recipe_json(recipe)


class _Twin:
    """Turns members into statements; one that is wrong is reported, and comes back as `Broken`.

    `depth` counts brackets as `.ftr` would have them.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.values = TwinValues(problems)

    def _wrong(self, found: Json, what: str, expected: str) -> nodes.Item | None:
        self.values.wrong(found, what, expected)
        return None

    # --- statements --------------------------------------------------------------------------

    def items(self, written: JsonObject, depth: int) -> tuple[nodes.Item, ...]:
        """Return the statements that an object's members are."""
        if depth > MAX_NESTING:
            self.problems.append(TooDeep(span=written.span, limit=MAX_NESTING))
            return ()
        return tuple([self.item(key, value, depth) for key, value in written.members])

    def item(self, key: JsonText, value: Json, depth: int) -> nodes.Item:
        """Return the statement that a member is."""
        span = key.span.to(value.span)
        word = key.value.partition(" ")[0]
        if word in _STATEMENTS:
            return _STATEMENTS[word](self, key, value, span) or nodes.Broken(word, span)
        claim = _CLAIM.fullmatch(key.value)
        if claim:
            metric = nodes.Name(claim["metric"], _part(key, claim, "metric"))
            number = self.values.value(value, depth)
            return nodes.Claim(metric, claim["operator"], number, span) if number else nodes.Broken("", span)
        header = _HEADER.fullmatch(key.value)
        if header is None:
            self._no_statement(key)
            return nodes.Broken("", span)
        return self._field_or_block(key, header, value, depth)

    def _field_or_block(self, key: JsonText, header: re.Match[str], value: Json, depth: int) -> nodes.Item:
        span, name, name_span = key.span.to(value.span), header["kind"], _part(key, header, "kind")
        is_block = key.value != name or (isinstance(value, JsonObject) and _is_block(value, depth))
        if not is_block:
            node = self.values.value(value, depth)
            return nodes.Field(name, node, span, name_span) if node else nodes.Broken(name, span)
        title = None if header["title"] is None else self._title(key, header)
        if not isinstance(value, JsonObject):
            self._wrong(value, f"the block `{name}`", "an object of fields")
        elif title is not None or header["title"] is None:
            return nodes.Block(name, title, self.items(value, depth + 1), span, name_span, key.inner)
        return nodes.Broken(name, span)

    def _title(self, key: JsonText, header: re.Match[str]) -> nodes.Text | nodes.Number | None:
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
            return None
        return nodes.Text(found, span)

    def _no_statement(self, key: JsonText, advice: str = "") -> nodes.Item | None:
        metric = re.match(rf"{NAME}(\.{NAME})+", key.value)
        if metric:
            advice = f'a claim compares: `"{metric[0]} >=": 0.9`, with `>=`, `<=`, `>` or `<`'
        shown = key.value if len(key.value) <= 60 else f"{key.value[:59]}…"
        self.problems.append(JsonStatement(span=key.inner, key=shown, advice=advice))
        return None

    def _version(self, key: JsonText, value: Json, span: Span) -> nodes.Item | None:
        if key.value != "ftr":
            return self._no_statement(key, 'the version is `"ftr": 1`')
        text = value.text if isinstance(value, JsonDigits) else ""
        if isinstance(value, JsonText) and not _WHOLE.fullmatch(value.value):
            text = value.value  # `01`, which JSON cannot say as a number
        if _NUMBER.fullmatch(text):
            return nodes.Version(text, span)
        return self._wrong(value, '`"ftr"`', "the number of the language's version, `1`")

    def _extends(self, key: JsonText, value: Json, span: Span) -> nodes.Item | None:
        if key.value != "extends":
            return self._no_statement(key, 'the parent is `"extends": "base.ftr"`')
        if isinstance(value, JsonText):
            return nodes.Extends(nodes.Text(value.value, value.span), span)
        return self._wrong(value, '`"extends"`', "a path in a string")

    def _param(self, key: JsonText, value: Json, span: Span) -> nodes.Item | None:
        match = re.fullmatch(rf"param (?P<name>{NAME})", key.value)
        if match is None:
            return self._no_statement(key, 'a parameter is declared as `"param lr": {"default": 0.001}`')
        if not isinstance(value, JsonObject) or (is_value(value) and "default" not in member_names(value)):
            return self._wrong(value, f'`"{key.value}"`', 'an object such as `{"default": …, "in": …}`')
        members = self.values.members(value, "a parameter", ("default",), ("in",))
        if members is None:
            return None
        default = self.values.value(members["default"], 0)
        domain = self.values.value(members["in"], 0) if "in" in members else None
        if default is None or ("in" in members and domain is None):
            return None
        return nodes.Param(match["name"], default, domain, span, _part(key, match, "name"))

    def _drop(self, key: JsonText, value: Json, span: Span) -> nodes.Item | None:
        match = _DROP.fullmatch(key.value)
        if match is None:
            return self._no_statement(key, 'what the parent has is dropped with `"drop stage TITLE": true`')
        if not (isinstance(value, JsonWord) and value.text == "true"):
            return self._wrong(value, '`"drop"`', "`true`")
        title = self._title(key, match)
        if isinstance(title, nodes.Number):
            title = nodes.Text(match["title"], title.span)
        return None if title is None else nodes.Drop(match["kind"], title, span)


_STATEMENTS: Mapping[str, Callable[[_Twin, JsonText, Json, Span], nodes.Item | None]] = {
    "ftr": _Twin._version,
    "extends": _Twin._extends,
    "param": _Twin._param,
    "drop": _Twin._drop,
}


def _is_block(value: JsonObject, depth: int) -> bool:
    """Whether an object is a block; in a block none is right, and its fields show that it was meant."""
    fields = any(isinstance(each, JsonObject) and is_value(each) for _, each in value.members)
    return not is_value(value) and (depth == 0 or fields)


def _part(key: JsonText, match: re.Match[str], group: str) -> Span:
    """Return the place of a part of a key; the whole key's where escapes shift the characters."""
    inner = key.inner
    if inner.text != key.value:
        return inner
    return key.span.source.span(inner.start + match.start(group), inner.start + match.end(group))
