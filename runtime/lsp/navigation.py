"""Where things are: `definition(reading, offset)`, and the outline of a recipe, `outline(recipe)`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.compose.load import parent_name
from recipe_lang.source import Source, Span
from recipe_lang.syntax import nodes
from runtime.lsp.cursor import token_at
from runtime.lsp.reading import Reading, blocks, params


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the outline; `kind` is block, param or field. `whole` is the statement, `name_span` its name."""

    name: str
    detail: str
    kind: str
    whole: Span
    name_span: Span
    inner: tuple[Entry, ...] = ()


def definition(reading: Reading, offset: int) -> Span | None:
    """Return where the thing at a place is declared: a parameter, a parent's file, a parent's block."""
    for item in reading.recipe.items:
        if not item.span.start <= offset <= item.span.end:
            continue
        match item:
            case nodes.Extends():
                return _start(parent_name(reading.source, item))
            case nodes.Drop(kind, title):
                return _head(reading, kind, title.value)
            case nodes.Block(kind, title) if item.head_span.start <= offset <= item.head_span.end:
                return _head(reading, kind, title.value if isinstance(title, nodes.Text) else "")
    if reading.source.is_json:
        return None
    token = token_at(reading.source.text, offset)
    if token is None or token.kind != "param":
        return None
    param = params(reading.recipe).get(token.text[1:])
    return None if param is None else param.name_span


def _start(path: str) -> Span | None:
    return Source(path, "").span(0, 0) if Path(path).is_file() else None


def _head(reading: Reading, kind: str, title: str) -> Span | None:
    block = blocks(reading.recipe).get((kind, title))
    return None if block is None else block.head_span


def outline(recipe: nodes.Recipe) -> tuple[Entry, ...]:
    """Return the recipe's own parameters, fields and blocks in order."""
    return tuple(_entries(recipe.items))


def _entries(items: tuple[nodes.Item, ...]) -> Iterator[Entry]:
    for item in items:
        match item:
            case nodes.Param(name, default):
                yield Entry(name, _short(default.span), "param", item.span, item.name_span)
            case nodes.Field(name, value):
                yield Entry(name, _short(value.span), "field", item.span, item.name_span)
            case nodes.Claim(metric):
                yield Entry(metric.value, _short(item.span), "field", item.span, metric.span)
            case nodes.Block(kind, title, inner):
                name = title.value if isinstance(title, nodes.Text) and title.value else kind
                detail = kind if name != kind else ""
                yield Entry(name, detail, "block", item.span, item.head_span, tuple(_entries(inner)))


_LONGEST = 60


def _short(span: Span) -> str:
    text = " ".join(span.text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
