"""The safe fixes that diagnostics carry, applied: `fix(source, check) -> Fixed`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipe_lang.diagnostics import Edit, Problem
from recipe_lang.source import Source

MAX_ROUNDS = 20  # a fix may bring the next mistake to light


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text with the fixes made, the problems that they put right, and those that are left."""

    source: Source
    done: tuple[Problem, ...]
    left: tuple[Problem, ...]


def fix(source: Source, check: Callable[[Source], Sequence[Problem]]) -> Fixed:
    """Apply the edits of the problems that `check` finds, and again, until none is left that can be put right."""
    done: list[Problem] = []
    problems = tuple(check(source))
    for _ in range(MAX_ROUNDS):
        made, text = _apply(source, problems)
        if not made:
            break
        done += made
        source = Source(source.name, text)
        problems = tuple(check(source))
    return Fixed(source, tuple(done), problems)


def _apply(source: Source, problems: Sequence[Problem]) -> tuple[list[Problem], str]:
    """Return the problems whose edits were made, and the new text; edits that overlap wait for the next round."""
    made: list[Problem] = []
    chosen: list[Edit] = []
    for problem in problems:
        edits = problem.edits()
        own = bool(edits) and all(edit.span.source is source for edit in edits)
        if own and not any(_overlap(edit, other) for edit in edits for other in chosen):
            made.append(problem)
            chosen += edits
    text = source.text
    for edit in sorted(chosen, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return made, text


def _overlap(first: Edit, second: Edit) -> bool:
    """Whether two edits touch; two insertions at one place do as well."""
    return first.span.start <= second.span.end and second.span.start <= first.span.end
