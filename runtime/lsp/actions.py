"""Changes of a text that an editor offers: quick fixes, and the layout of `ftr fmt`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from recipe_lang.output.fix import holds
from recipe_lang.output.formatter import format_text
from recipe_lang.problem import Edit, RecipeError
from recipe_lang.source import Source
from runtime.lsp.reading import Finding, Reading, findings, read


@dataclass(frozen=True, slots=True)
class Action:
    """A quick fix: its title, what it puts right, and the changes, in any file."""

    title: str
    finding: Finding
    edits: tuple[Edit, ...]


def quick_fixes(reading: Reading, start: int, end: int) -> Iterator[Action]:
    """Yield the fixes of the problems that touch the characters `start` up to `end`, where they hold."""
    for found in findings(reading):
        edits = found.problem.edits()
        touches = found.span.start <= end and start <= found.span.end
        if edits and touches and holds(edits, lambda text: read(text).problems):
            yield Action(_title(edits), found, edits)


def _title(edits: tuple[Edit, ...]) -> str:
    first, *others = edits
    old, new = first.span.text.strip(), first.text.strip()
    if old and new:
        title = f"replace `{_line(old)}` with `{_line(new)}`"
    else:
        title = f"write `{_line(new)}`" if new else f"remove `{_line(old)}`"
    return f"{title} and {len(others)} more" if others else title


def _line(text: str) -> str:
    """Return the first line of a text, cut where it is long."""
    line = text.splitlines()[0] if text else ""
    return line if line == text and len(line) <= 40 else f"{line[:40]}…"


def layout(source: Source) -> Edit | None:
    """Return the change that lays a text out as `ftr fmt` does; None when it is so already, or cannot be read."""
    try:
        formatted = format_text(source)
    except RecipeError:
        return None
    if formatted == source.text:
        return None
    # Only the lines that differ, so that the editor's cursor and marks stay where they are.
    old, new = source.text.splitlines(keepends=True), formatted.splitlines(keepends=True)
    head = _equal(old, new)
    tail = _equal(old[head:][::-1], new[head:][::-1])
    start = sum(map(len, old[:head]))
    changed = sum(map(len, old[head : len(old) - tail]))
    return Edit(source.span(start, start + changed), "".join(new[head : len(new) - tail]))


def _equal(first: list[str], second: list[str]) -> int:
    """Return the number of lines at the beginning that are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
