"""Texts and places in them.

A `Source` is a named text (a file, the command line); a `Span` is a half-open range of
characters in one source. Lines and columns count from 1, columns in characters.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

MAX_BYTES = 1_000_000  # of a recipe file
MAX_NESTING = 32  # of brackets and blocks


@dataclass(frozen=True)
class Source:
    """A text with the name that diagnostics show for it, and the folder that its paths start from.

    That is the folder of the file, unless `base` gives another one: a setting's paths are those of its parameter.
    """

    name: str
    text: str = field(repr=False)
    base: Path | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """The folder that the text's paths start from."""
        return Path(self.name).parent if self.base is None else self.base

    @property
    def is_json(self) -> bool:
        """Whether the text is a recipe written as JSON, which its name says."""
        return self.name.endswith(".ftr.json")

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(at + 1 for at, char in enumerate(self.text) if char == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the (line, column) of a character offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return a line's text without its newline."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def span(self, start: int, end: int) -> Span:
        """Return the span from `start` up to `end`, kept inside the text."""
        size = len(self.text)
        return Span(self, min(start, size), min(max(end, start), size))


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to `end` of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line on which the span begins."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column at which the span begins."""
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        """The characters of the span."""
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """Return the span from this one's start to the other's end."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"
