"""Places as editors count them, and as we do: `position` and `offset` go there and back.

An editor counts lines from 0 and columns in the code units of an encoding (UTF-16 unless both sides agree on another);
we count characters from the start of the text.
"""

from __future__ import annotations

import re

from recipe_lang.source import Source

# Code units of a character below U+0080, below U+0800, below U+10000, and above.
UNITS = {"utf-8": (1, 2, 3, 4), "utf-16": (1, 1, 1, 2), "utf-32": (1, 1, 1, 1)}


def editor_source(name: str, text: str) -> Source:
    """Return an editor's text as a source of the same length: a lone carriage return ends a line, as in a file.

    A byte order mark and half surrogate pairs, which no file of ours has, become characters of the same width.
    """
    text = re.sub(r"\r(?!\n)", "\n", text)
    text = re.sub("^\ufeff", "\u3000", text)
    return Source(name, re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text))


def position(source: Source, offset: int, encoding: str = "utf-16") -> tuple[int, int]:
    """Return the (line, column) of a character offset, both from 0, the column in code units."""
    line, column = source.position(offset)
    return line - 1, _width(source.text[offset - column + 1 : offset], encoding)


def offset(source: Source, line: int, column: int, encoding: str = "utf-16") -> int:
    """Return the character offset of a place; one behind the end of its line, or of the text, is that end."""
    start = 0
    for _ in range(line):
        start = source.text.find("\n", start) + 1
        if start == 0:
            return len(source.text)
    end = source.text.find("\n", start)
    rest = source.text[start : len(source.text) if end < 0 else end].rstrip("\r")
    for index, char in enumerate(rest):
        if column <= 0:
            return start + index
        column -= _width(char, encoding)
    return start + len(rest)


def _width(text: str, encoding: str) -> int:
    if text.isascii():
        return len(text)
    widths = UNITS[encoding]
    return sum(widths[(char > "\x7f") + (char > "\u07ff") + (char > "\uffff")] for char in text)
