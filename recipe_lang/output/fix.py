"""The safe fixes that diagnostics carry, applied: `fix(source, check) -> Fixed`, each after a trial.

A fix is offered only where it `holds`: with it the file has fewer errors, and no new one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipe_lang.problem import Edit, Problem
from recipe_lang.source import Source

Check = Callable[[Source], Sequence[Problem]]
MAX_TRIALS = 60  # a fix may bring the next mistake to light
_RULES = re.compile(r"E4[2-4]\d")  # looked at only where all else is right


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text with the fixes made, the problems that they put right, and those that are left."""

    source: Source
    done: tuple[Problem, ...]
    left: tuple[Problem, ...]


def fix(source: Source, check: Check) -> Fixed:
    """Apply the edits of the problems that `check` finds where they hold, and again, until no such one is left."""
    done: list[Problem] = []
    refused: set[Problem] = set()
    problems = tuple(check(source))
    batch = _apart(source, problems, refused)
    for _ in range(MAX_TRIALS):
        if not batch:
            break
        edits = [edit for problem in batch for edit in problem.edits()]
        fixed = _applied(source, edits)
        left = tuple(check(fixed))
        if _is_progress(edits, problems, left, len(batch)):
            done += batch
            source, problems = fixed, left
            refused.clear()  # what was no help alone may be one now
        elif len(batch) > 1:
            batch = batch[: len(batch) // 2]
            continue
        else:
            refused.update(batch)
        batch = _apart(source, problems, refused)
    return Fixed(source, tuple(done), problems)


def holds(edits: Sequence[Edit], check: Check) -> bool:
    """Whether the edits of one problem leave their file with fewer errors, and no new one."""
    source = edits[0].span.source
    if any(edit.span.source is not source for edit in edits):
        return False
    return _is_progress(edits, check(source), check(_applied(source, edits)), 1)


def _apart(source: Source, problems: Sequence[Problem], refused: set[Problem]) -> list[Problem]:
    """Return problems with edits of this source that do not touch each other."""
    found: list[Problem] = []
    chosen: list[Edit] = []
    for problem in problems:
        edits = problem.edits()
        own = bool(edits) and all(edit.span.source is source for edit in edits) and problem not in refused
        if own and not any(_overlap(edit, other) for edit in edits for other in chosen):
            found.append(problem)
            chosen += edits
    return found


def _applied(source: Source, edits: Sequence[Edit]) -> Source:
    text = source.text
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return Source(source.name, text)


def _is_progress(edits: Sequence[Edit], before: Sequence[Problem], after: Sequence[Problem], number: int) -> bool:
    """Whether edits took away as many errors as `number`, and brought none; advice counts where there is no error."""
    if any(problem.is_error for problem in before):
        before, after = ([problem for problem in each if problem.is_error] for each in (before, after))
        if not any(_RULES.fullmatch(problem.code) for problem in before):
            after = [problem for problem in after if not _RULES.fullmatch(problem.code)]
    old = Counter(_place(problem, ()) for problem in before)
    new = Counter(_place(problem, edits) for problem in after)
    return new <= old and new.total() + number <= old.total()


def _place(problem: Problem, edits: Sequence[Edit]) -> tuple[str, str, int]:
    """Return what a problem is and where it stood before the edits were made."""
    if problem.span is None:
        return (problem.code, "", -1)
    name, start = problem.span.source.name, problem.span.start
    for edit in sorted(edits, key=lambda edit: edit.span.start) if edits and edits[0].span.source.name == name else ():
        if start >= edit.span.start + len(edit.text) and (edit.text or start > edit.span.start):
            start += edit.span.end - edit.span.start - len(edit.text)
        elif start >= edit.span.start:
            start = edit.span.start
    return (problem.code, name, start)


def _overlap(first: Edit, second: Edit) -> bool:
    """Whether two edits touch; two insertions at one place do as well."""
    return first.span.start <= second.span.end and second.span.start <= first.span.end
