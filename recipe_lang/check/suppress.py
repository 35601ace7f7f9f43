"""Comments that suppress advice: `# allow: W703` on the line that the advice points at, or at the statement's end.

In go advice and the sources of a recipe (its own and its parents'); out comes what is left, with advice on each comment
that suppresses nothing, so that suppressions do not outlive their reason. Errors cannot be suppressed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from recipe_lang.check.problems.placement import SilencesNothing
from recipe_lang.problem import Problem
from recipe_lang.source import Source, Span
from recipe_lang.syntax.splitter import statements

# A string, in which `#` begins no comment, or a comment.
_COMMENT = re.compile(r'"(?:\\.|[^"\\\r\n])*"|(?P<comment>#[^\r\n]*)')
_ALLOW = re.compile(r"#\s*allow:\s*(?P<codes>[A-Z]\d+\b(?:[\s,]+[A-Z]\d+\b)*)", re.IGNORECASE)
_MEANT = re.compile(r"#\s*(?:allow|ignore|noqa|disable|skip|ok)[\s:=(\[]*(?P<code>[A-Z][0-9]{3})\b", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]\d+")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One code in an `allow` comment: it holds for its line and, at a statement's end, for all of that."""

    code: str
    span: Span
    first_line: int


def suppressions(source: Source) -> Iterator[Suppression]:
    """Yield the suppressions of a source, in reading order."""
    if "allow:" not in source.text.lower():
        return
    begun = {source.position(each.end)[0]: source.position(each.start)[0] for each in statements(source.text)}
    for found in _COMMENT.finditer(source.text):
        allow = _ALLOW.search(found["comment"] or "")
        for code in _CODE.finditer(allow["codes"]) if allow else ():
            start = found.start() + allow.start("codes") + code.start() if allow else 0
            span = source.span(start, start + len(code[0]))
            yield Suppression(code[0].upper(), span, begun.get(span.line, span.line))


def apply_suppressions(
    problems: Iterable[Problem], sources: Sequence[Source], judged: Callable[[str], bool]
) -> tuple[Problem, ...]:
    """Return the problems without the advice that a comment suppresses, and advice on comments that suppress nothing.

    `sources` begins with the recipe's own; only its comments are judged, since a child may have changed what its parent
    suppresses. `judged` says of a code whether `problems` has all that there is to say of it: advice that only the data
    shows is not there yet when a text is checked.
    """
    written: dict[tuple[str, str, int], Suppression] = {}
    for source in sources:
        for each in suppressions(source):
            for line in range(each.first_line, each.span.line + 1):
                written.setdefault((source.name, each.code, line), each)
    used: set[int] = set()
    left: list[Problem] = []
    for problem in problems:
        span = problem.span
        suppression = None if span is None else written.get((span.source.name, problem.code, span.line))
        if suppression is None or problem.is_error:
            left.append(problem)
        else:
            used.add(id(suppression))
    own = [each for each in _once(written.values()) if id(each) not in used and each.span.source is sources[0]]
    leftover = [SilencesNothing(span=each.span, name=each.code) for each in own if judged(each.code)]
    return (*left, *leftover, *_other_forms(sources[0]))


def _other_forms(source: Source) -> Iterator[Problem]:
    """Yield advice on comments that are meant as suppressions, in the words of another tool."""
    for found in _COMMENT.finditer(source.text) if _MEANT.search(source.text) else ():
        comment = found["comment"] or ""
        meant = None if _ALLOW.search(comment) else _MEANT.search(comment)
        if meant:
            span = source.span(found.start() + meant.start(), found.start() + meant.end())
            yield SilencesNothing(span=span, name=meant["code"].upper(), is_other_form=True)


def _once(written: Iterable[Suppression]) -> list[Suppression]:
    return list({id(each): each for each in written}.values())
