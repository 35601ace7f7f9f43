"""Nodes to their JSON form: `recipe_json(recipe) -> str`, which `parse_json` reads back to the same nodes.

Each statement is a member of an object, in order; members of the same name stay. `_shape` gives one level of JSON of a
node (a tuple of pairs is an object), the two writers put it on one line or over several. `in_json` turns a hint that
speaks `.ftr` into one for JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from recipe_lang.source import Source
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse

WIDTH = 100
_INDENT = "  "
WORDS = {"true": "true", "false": "false", "none": "null"}
"""The names that JSON has words for."""

# The members that show an object to be a value. A block whose fields are called so has a header with braces.
VALUE_MEMBERS = frozenset(
    ("number", "unit", "name", "call", "args", "with", "map", "from", "to", "all", "except")
    + ("then", "param", "arithmetic", "minus")
)
QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(?P<unit>[A-Za-z][A-Za-z0-9_]*|%)?")


def recipe_json(recipe: nodes.Recipe) -> str:
    """Return a recipe as canonical JSON: one statement a line, values of at most 100 columns on one line.

    The recipe has no syntax problems; its parents are left out, and so are comments.
    """
    return "".join(f"{line}\n" for line in laid_out(recipe))


def _key(item: nodes.Item, inside: bool) -> str:
    match item:
        case nodes.Version():
            return "ftr"
        case nodes.Extends():
            return "extends"
        case nodes.Param(name):
            return f"param {name}"
        case nodes.Drop(kind, title):
            return f"drop {kind} {_title(title)}"
        case nodes.Claim(metric, operator):
            return f"{metric.value} {operator}"
        case nodes.Block(kind, None):
            like_value = inside or any(_key(each, True) in VALUE_MEMBERS for each in item.items)
            return f"{kind} {{}}" if like_value else kind
        case nodes.Block(kind, title):
            return f"{kind} {_title(title)}"
        case nodes.Field(name):
            return name
    raise AssertionError(f"{item!r} could not be read")


def _title(title: nodes.Text | nodes.Number | None) -> str:
    """Return a title as it stands in a key: a text without quotes, unless it would be taken for something else."""
    if isinstance(title, nodes.Number):
        tight = "" if title.unit in (None, "px", "%") else " "
        return f"{_digits(title.value)}{tight}{title.unit or ''}"
    text = "" if title is None else title.value
    plain = not text.startswith(('"', "{")) and QUANTITY.fullmatch(text) is None
    return text if plain else json.dumps(text, ensure_ascii=False)


def _content(item: nodes.Item) -> Any:
    """Return what stands behind a statement's key."""
    match item:
        case nodes.Version(number):
            return int(number) if number == "0" or re.fullmatch("[1-9][0-9]{,8}", number) else number
        case nodes.Extends(path):
            return path
        case nodes.Param(_, default, domain):
            return (("default", default), *(() if domain is None else (("in", domain),)))
        case nodes.Drop():
            return True
        case nodes.Claim(value=value, seeds=nodes.Number() as seeds):
            return ("value", value), ("over", seeds)
        case nodes.Field(value=value) | nodes.Claim(value=value):
            return value
    return item


# --- values -----------------------------------------------------------------------------------


def _shape(node: Any) -> Any:
    """Return one level of a node's JSON: text that is JSON already as `_Raw`, a list, or a tuple of pairs."""
    match node:
        case nodes.Number(value, unit):
            return _number(_digits(value), unit)
        case nodes.Negative(nodes.Number(value, unit)):
            return _number(f"-{_digits(value)}", unit)
        case nodes.Text(value):
            return _raw(value)
        case nodes.Name(value):
            return _Raw(WORDS[value]) if value in WORDS else (("name", value),)
        case nodes.Reference(name):
            return (("param", name),)
        case nodes.Call():
            return _call(node)
        case nodes.List(items):
            return list(items)
        case nodes.Map(entries):
            return (("map", [list(entry) for entry in entries]),)
        case nodes.Range(low, high):
            return (("from", low), ("to", high))
        case nodes.Except(whole, without):
            return (("all", whole), ("except", without))
        case nodes.Then(items):
            return (("then", list(items)),)
        case nodes.Arithmetic(first, rest):
            return (("arithmetic", [first, *(part for pair in rest for part in pair)]),)
        case nodes.Negative(value):
            return (("minus", value),)
        case nodes.Recipe(items=items) | nodes.Block(items=items):
            return tuple((_key(item, isinstance(node, nodes.Block)), _content(item)) for item in items)
        case tuple() | list() | _Raw():
            return node
        case dict():
            return tuple(node.items())
    return _raw(node)


class _Raw(str):
    """A piece of JSON text."""

    __slots__ = ()


def _raw(value: object) -> _Raw:
    return _Raw(json.dumps(value, ensure_ascii=False))


def _number(digits: str, unit: str | None) -> Any:
    return _Raw(digits) if unit is None else (("number", _Raw(digits)), ("unit", unit))


def _call(call: nodes.Call) -> Any:
    """Return a call's members; an argument without a name behind named ones, a mistake, has the empty name."""
    first = next((n for n, each in enumerate(call.arguments) if each.name is not None), len(call.arguments))
    args = [each.value for each in call.arguments[:first]]
    named = tuple((each.name or "", each.value) for each in call.arguments[first:])
    return tuple(member for member in (("call", call.name), ("args", args), ("with", named)) if member[1])


def _digits(value: float) -> str:
    if value == float("inf"):
        return "1e999"
    return str(int(value)) if value == int(value) and value < 1e15 else repr(value)


def _inline(thing: Any) -> str:
    """Return the JSON of a value on one line; one call a level, since levels are many."""
    thing = _shape(thing)
    if isinstance(thing, _Raw):
        return str(thing)
    texts = []
    if isinstance(thing, list):
        for each in thing:
            texts.append(_inline(each))
        return f"[{', '.join(texts)}]"
    for key, value in thing:
        texts.append(f"{_raw(key)}: {_inline(value)}")
    return f"{{{', '.join(texts)}}}"


def laid_out(thing: Any, indent: str = "", taken: int = 0) -> list[str]:
    """Return the JSON of a value (a node, or plain data) in lines: one, or several where it does not fit.

    A recipe and a block have a line for each statement. `taken` columns of the first line are not free; the others
    begin with `indent`.
    """
    is_inline = not isinstance(thing, nodes.Recipe | nodes.Block)
    thing = _shape(thing)
    if is_inline or not thing:
        text = _inline(thing)
        if isinstance(thing, _Raw) or not thing or len(indent) + taken + len(text) <= WIDTH:
            return [text]
    is_list = isinstance(thing, list)
    lines = ["[" if is_list else "{"]
    inner = indent + _INDENT
    for number, each in enumerate(thing):
        comma = "," if number < len(thing) - 1 else ""
        key = "" if is_list else f"{_raw(each[0])}: "
        first, *rest = laid_out(each if is_list else each[1], inner, len(key) + len(comma))
        lines += [f"{inner}{key}{first}", *rest]
        lines[-1] += comma
    return [*lines, indent + ("]" if is_list else "}")]


# --- hints ------------------------------------------------------------------------------------

_PHRASES = (
    (r"write it without the quotes: `(?!(?:true|false|none)`)([A-Za-z][\w.]*)`", r'a name is written `{"name": "\1"}`'),
    (r"write it without the quotes: ", "write "),
    (r"write it in quotes: (`\"[^`]*\"`)", r"a string is written \1"),
    (r"a block has no `=`: write `(\w+) \"…\" \{` … `\}`", r'a block has its title in its name: `"\1 …": {…}`'),
    (r"add `(\w+) \"…\" \{` … `\}`", r'add `"\1 …": {…}`'),
    (r"(write|add) `(\w+) \{` … `\}`", r'\1 `"\2": {…}`'),
    (r": `(\w+) \"…\" \{` … `\}`", r': `"\1 …": {…}`'),
    (r"write `(\w+) \"…\" \{`", r'write `"\1 …": {…}`'),
    (r"write `(\w+) \{`", r'write `"\1": {…}`'),
    (r"as the first line", "as the first member"),
)
_GAP = "the_rest"  # stands for `…` while a fragment is read


def in_json(hint: str) -> str:
    """Return a hint with its pieces of `.ftr` as JSON; bare names, which stand in quotes already, stay."""
    for pattern, better in _PHRASES:
        hint = re.sub(pattern, better, hint)
    return re.sub(r"`([^`\n]+)`", lambda match: f"`{_fragment(match[1])}`", hint)


def _fragment(text: str) -> str:
    if re.fullmatch(r"[A-Za-z][\w.]*|[0-9][0-9.e-]*", text) and text not in WORDS:
        return text
    shown = text.replace("…", _GAP)
    statement = _only(shown)
    if statement is not None:
        key = json.dumps(_key(statement, False), ensure_ascii=False)
        found = f"{key}: {_inline(_content(statement))}"
    else:
        field = _only(f"x = {shown}")
        if not isinstance(field, nodes.Field):
            return text
        found = _inline(field.value)
    return found.replace(f'{{"name": "{_GAP}"}}', "…")


def _only(text: str) -> nodes.Item | None:
    """Return the statement that a text is; None where it is none, or a block."""
    recipe = parse(Source("hint", text))
    item = recipe.items[0] if len(recipe.items) == 1 and not recipe.problems else None
    return None if isinstance(item, nodes.Block | nodes.Broken) else item
