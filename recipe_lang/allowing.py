"""Comments that excuse advice: `# allow: W703` on the line that the advice points at.

In go advice and the sources of a recipe (its own and its parents'); out comes what is left, with advice on each comment
that excuses nothing, so that excuses do not outlive their reason. Errors cannot be excused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from recipe_lang import errors
from recipe_lang.diagnostics import Problem
from recipe_lang.source import Source, Span

# A string, in which `#` begins no comment, or a comment.
_COMMENT = re.compile(r'"(?:\\.|[^"\\\r\n])*"|(?P<comment>#[^\r\n]*)')
_ALLOW = re.compile(r"#\s*allow:\s*(?P<codes>[A-Z]\d+\b(?:\s*,\s*[A-Z]\d+\b)*)", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]\d+")


@dataclass(frozen=True, slots=True)
class Excuse:
    """One code in an `allow` comment: it holds for the line on which it stands."""

    code: str
    span: Span


def excuses(source: Source) -> Iterator[Excuse]:
    """Yield the excuses of a source, in reading order."""
    if "allow:" not in source.text.lower():
        return
    for found in _COMMENT.finditer(source.text):
        allow = _ALLOW.search(found["comment"] or "")
        for code in _CODE.finditer(allow["codes"]) if allow else ():
            start = found.start() + allow.start("codes") + code.start() if allow else 0
            yield Excuse(code[0].upper(), source.span(start, start + len(code[0])))


def excused(
    problems: Iterable[Problem], sources: Sequence[Source], judged: Callable[[str], bool]
) -> tuple[Problem, ...]:
    """Return the problems without the advice that a comment excuses, and advice on comments that excuse nothing.

    `sources` begins with the recipe's own; only its comments are judged, since a child may have changed what its parent
    excuses. `judged` says of a code whether `problems` has all that there is to say of it: advice that only the data
    shows is not there yet when a text is checked.
    """
    written = {_place(each.span, each.code): each for source in sources for each in excuses(source)}
    used: set[_Place] = set()
    left: list[Problem] = []
    for problem in problems:
        place = _place(problem.span, problem.code) if problem.span else None
        if place in written and not problem.is_error:
            used.add(place)
        else:
            left.append(problem)
    own = [each for place, each in written.items() if place not in used and each.span.source is sources[0]]
    return (*left, *(errors.ExcusesNothing(span=each.span, name=each.code) for each in own if judged(each.code)))


_Place = tuple[str, int, str]


def _place(span: Span, code: str) -> _Place:
    return span.source.name, span.line, code
