"""What can be wrong with a recipe, and how it is shown.

Each kind of problem is one frozen dataclass that derives from `Problem`: its code, its wording,
and its data in typed fields. The class's docstring is what `ftr explain CODE` prints. Problems are
values: they are collected, sorted, rendered (`recipe_lang/output/render.py`), and `RecipeError`
carries them where work cannot go on.

Families: E1 syntax, E2 names, E3 types and ranges, E4 rules across fields, E5 what the data
or the weights show, E6 run time, W7 advice. A code is never used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

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
