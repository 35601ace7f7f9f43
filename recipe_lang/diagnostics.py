"""What can be wrong with a recipe, and how it is shown.

Each kind of problem is one frozen dataclass that derives from `Problem`: its code, its wording,
and its data in typed fields. The class's docstring is what `ftr explain CODE` prints. Problems are
values: they are collected, sorted, printed (`render`) or written as JSON (`as_json`), and `RecipeError`
carries them where work cannot go on.

Families: E1 syntax, E2 names, E3 types and ranges, E4 rules across fields, E5 what the data
or the weights show, E6 run time, W7 advice. A code is never used twice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from recipe_lang.source import Span


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a text: the characters of `span` become `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, at one place (None when no place in a recipe is to blame)."""

    code: ClassVar[str] = ""
    span: Span | None = None

    def message(self) -> str:
        """Say what is wrong, in one sentence without a full stop."""
        raise NotImplementedError(type(self).__name__)

    def label(self) -> str:
        """Say what the carets point at; may be empty."""
        return ""

    def help(self) -> str:
        """Say what to do about it; may be empty."""
        return ""

    def related(self) -> tuple[tuple[Span, str], ...]:
        """Other places that take part, each with what it is."""
        return ()

    def edits(self) -> tuple[Edit, ...]:
        """Return the changes that put it right, where there is no doubt about them."""
        return ()

    @property
    def is_error(self) -> bool:
        """Whether the recipe cannot be used (advice is no error)."""
        return not self.code.startswith("W")


class RecipeError(Exception):
    """Something that the user can put right. Never shown with a traceback. `note` is a last line below the problems."""

    note = ""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(problem.message() for problem in self.problems))


class InternalError(Exception):
    """A bug of ours. Shown with a traceback, and says so."""


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems in reading order, the ones without a place first, each once."""

    def place(problem: Problem) -> tuple[str, int, str]:
        if problem.span is None:
            return ("", -1, problem.code)
        return (problem.span.source.name, problem.span.start, problem.code)

    return sorted(dict.fromkeys(problems), key=place)


def advice(problem: Problem) -> str:
    """Return a problem's help in the form of its text: for a recipe written as JSON in JSON."""
    text = problem.help()
    if text and problem.span is not None and problem.span.source.is_json:
        from recipe_lang.twin_text import in_json

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
