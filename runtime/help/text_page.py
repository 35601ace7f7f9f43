"""Pages of documentation as plain text: paragraphs, code and lists of terms, wrapped to a width."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs, apart from each other by an empty line."""

    text: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that stand as they are."""

    text: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Names, each with sentences of its own; a sentence begins a line."""

    rows: tuple[tuple[str, tuple[str, ...]], ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The documentation of one meaning of a word."""

    title: str
    parts: tuple[Prose | Code | Terms, ...]


_HARD = "\N{NO-BREAK SPACE}"
_IN_BACKTICKS = re.compile(r"`[^`]{1,40}`")
_WIDEST_TERM = 16  # characters; what a longer name means begins on the next line


def render_page(page: Page, width: int) -> str:
    """Return a page as text whose prose is at most `width` characters wide."""
    blocks = [page.title]
    for part in page.parts:
        heading = [f"  {part.heading}"] if part.heading else []
        indent = "    " if part.heading else "  "
        match part:
            case Prose(text):
                body = "\n\n".join(wrapped(paragraph, width, indent) for paragraph in text.split("\n\n"))
            case Code(text):
                body = textwrap.indent(text, indent)
            case Terms(rows):
                body = "\n".join(_term(name, lines, width, indent, _column(part)) for name, lines in rows)
        blocks.append("\n".join([*heading, body]))
    return "\n\n".join(blocks)


def wrapped(text: str, width: int, indent: str = "") -> str:
    """Return a paragraph in lines of at most `width` characters; code in backticks stays on one line."""
    lines = textwrap.fill(
        _IN_BACKTICKS.sub(lambda code: code[0].replace(" ", _HARD), text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(_HARD, " ")


def _column(terms: Terms) -> int:
    return min(_WIDEST_TERM, max((len(name) for name, _ in terms.rows), default=0)) + 2


def _term(name: str, lines: tuple[str, ...], width: int, indent: str, column: int) -> str:
    pad = " " * column
    texts = [wrapped(line, max(width, column + 20), indent + pad) for line in lines]
    if len(name) + 2 > column or not texts:
        return "\n".join([indent + name, *texts])
    texts[0] = f"{indent}{name:<{column}}{texts[0][len(indent) + column :]}"
    return "\n".join(texts)
