"""Problems as text, and as plain values for `--json`.

In goes a problem; out comes its headline, place, excerpt with carets, and help. For a recipe that is written as JSON,
the help speaks JSON.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from recipe_lang.json.writer import in_json
from recipe_lang.problem import Problem
from recipe_lang.source import Span


def advice(problem: Problem) -> str:
    """Return a problem's help in the form of its text: for a recipe written as JSON in JSON."""
    text = problem.help()
    if text and problem.span is not None and problem.span.source.is_json:
        return in_json(text)
    return text


def render(problem: Problem) -> str:
    """Return a problem as text: headline, place, excerpt with carets, help."""
    level = "error" if problem.is_error else "advice"
    lines = [f"{level}[{problem.code}]: {problem.message()}"]
    if problem.span is not None:
        lines += _excerpt(problem.span, "-->", problem.label())
        for span, label in problem.related():
            lines += _excerpt(span, ":::", label)
    if advice(problem):
        gutter = " " * _gutter(problem)
        head, *rest = advice(problem).splitlines()
        lines.append(f"{gutter} = help: {head}")
        lines += [f"{gutter}         {line}" for line in rest]
    return "\n".join(lines)


def as_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as plain values for `--json`."""
    return {
        "code": problem.code,
        "level": "error" if problem.is_error else "advice",
        "message": problem.message(),
        "label": problem.label(),
        "help": advice(problem),
        "place": None if problem.span is None else _place(problem.span),
        "related": [{**_place(span), "label": label} for span, label in problem.related()],
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "source": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _gutter(problem: Problem) -> int:
    spans = [span for span, _ in problem.related()]
    if problem.span is not None:
        spans.append(problem.span)
    return max((len(str(span.line)) for span in spans), default=1)


_WIDEST = 120


def _excerpt(span: Span, arrow: str, label: str) -> list[str]:
    line, column = span.source.position(span.start)
    text = span.source.line(line)
    length = max(1, min(span.end - span.start, len(text) - column + 1))
    if len(text) > _WIDEST:
        first = max(0, column - 1 - _WIDEST // 3)
        text, column = text[first : first + _WIDEST], column - first
        length = min(length, _WIDEST - column + 1)
    shown = "".join(_printable(char) for char in text)
    indent = sum(_width(char) for char in text[: column - 1])
    carets = sum(_width(char) for char in text[column - 1 : column - 1 + length]) or 1
    gutter = " " * len(str(line))
    return [
        f"{gutter}{arrow} {span}",
        f"{gutter} |",
        f"{line} | {shown}".rstrip(),
        f"{gutter} | {' ' * indent}{'^' * carets} {label}".rstrip(),
    ]


def _printable(char: str) -> str:
    if char == "\t":
        return "    "
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _width(char: str) -> int:
    if char == "\t":
        return 4
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
