"""The canonical layout: a recipe's text, or its nodes, in; text out that parses to the same nodes.

One layout, no settings: two spaces for each level, lines of at most 100 columns where brackets allow it. Among
neighbours of one line each, `=` stands below `=` and comment below comment. Comments and single blank lines stay
where the author put them. A list, call or map has one item a line when it does not fit, when it holds a comment, or
when the author ended it with a comma and the closing bracket on a line of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse
from recipe_lang.syntax.unparse import Bracket, Line, flat, inside, node_text, statement

__all__ = ["format_text", "node_text", "recipe_text"]

WIDTH = 100
_INDENT = "  "


def format_text(source: Source) -> str:
    """Return a recipe in its canonical layout; a `.ftr.json` comes back as canonical JSON.

    Only the syntax must be right: names and types that do not check are laid out all the same.

    Raises:
        RecipeError: the text does not parse.
    """
    if source.name.endswith(".ftr.json"):
        from recipe_lang.json.recipe import format_json

        return format_json(source)
    recipe = parse(source)
    if recipe.problems:
        raise RecipeError(recipe.problems)
    return _file(_Layout(_margin(source.text)), recipe)


def recipe_text(recipe: nodes.Recipe) -> str:
    """Return the canonical text of a recipe whose nodes may come from several texts, or from none: no comments.

    A blank line stands around blocks and between statements of different kinds. The recipe has no syntax problems;
    its parents are left out.
    """
    return _file(_Layout(None), recipe)


def _file(layout: _Layout, recipe: nodes.Recipe) -> str:
    _, *rows = layout.rows(map(statement, recipe.items), -1, len(recipe.source.text), WIDTH)
    return "".join(f"{line}\n" for line in _written(rows, WIDTH))


# --- what stands beside the nodes -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Margin:
    """Where a text has comments, and where its author asks for one item a line (`commas`): offsets, in order."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    commas: tuple[int, ...]

    def comments(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the (start, end) of each comment between two offsets."""
        for number in range(bisect_left(self.starts, start), bisect_left(self.starts, end)):
            yield self.starts[number], self.ends[number]

    def opens(self, start: int, end: int) -> bool:
        """Whether brackets between two offsets stand over several lines, whatever their length."""
        return any(bisect_left(offsets, start) < bisect_left(offsets, end) for offsets in (self.starts, self.commas))


_TOKEN = re.compile(r'"(?:\\.|[^"\\\r\n])*"|#[^\n]*|[^\s"#,()\[\]{}]+|\S')


def _margin(text: str) -> _Margin:
    comments: list[tuple[int, int]] = []
    commas = []
    comma: int | None = None  # where the token before is a comma
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == "#":
            comments.append(match.span())
            continue
        if comma is not None and token in ")]}" and "\n" in text[comma : match.start()]:
            commas.append(comma)
        comma = match.start() if token == "," else None
    return _Margin(text, tuple(start for start, _ in comments), tuple(end for _, end in comments), tuple(commas))


# --- layout -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """A line with all that hangs on it: its lines of text, without their indentation, and the comment behind them."""

    kind: str
    left: str
    lines: tuple[str, ...]
    blank: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Turns lines to rows. Without a margin there are no comments, and blank lines are set by rule."""

    margin: _Margin | None

    def rows(self, lines: Iterable[Line], start: int, end: int, room: int, comma: str = "") -> list[_Row]:
        """Return the rows between what opens and what closes a bracket; the first stands for what opens it.

        `start` is -1 for a file, which nothing opens; `room` is the number of columns.
        """
        rows = [_Row("opener", "", ())]
        at = start
        for line in lines:
            at = self._remarks(rows, at, line.start)
            row, hoisted = self._row(line, room, comma)
            blank = self._blank(rows, row, at, line.start)
            for text in hoisted:
                rows.append(_Row("comment", "", (text,), blank))
                blank = False
            rows.append(replace(row, blank=blank))
            at = line.end
        self._remarks(rows, at, end)
        return rows

    def _remarks(self, rows: list[_Row], at: int, end: int) -> int:
        """Add the comments between two lines: behind the row that they follow on its line, or as rows."""
        if self.margin is None:
            return at
        for start, stop in self.margin.comments(max(at, 0), end):
            text = self.margin.text[start:stop].rstrip()
            row = _Row("comment", "", (text,))
            if at < 0 or "\n" in self.margin.text[at:start]:
                rows.append(replace(row, blank=self._blank(rows, row, at, start)))
            else:
                rows[-1] = replace(rows[-1], comment=text)
            at = stop
        return at

    def _blank(self, rows: list[_Row], row: _Row, at: int, start: int) -> bool:
        if len(rows) == 1:
            return False
        if self.margin is None:
            return row.kind == nodes.Block.__name__ or row.kind != rows[-1].kind
        return self.margin.text.count("\n", at, start) > 1

    def _row(self, line: Line, room: int, comma: str) -> tuple[_Row, list[str]]:
        """Return a line laid out, and the comments inside it that are in none of its brackets."""
        lines = [f"{line.left} " if line.left else ""]
        at, hoisted = line.start, []
        opened = self._opened(line, room - len(comma))
        for number, part in enumerate(line.parts):
            if isinstance(part, str):
                lines[-1] += part
            elif number in opened:
                hoisted += self._comments(at, part.span.start)
                at = part.span.end
                head, *body, closer = self._over_lines(part, room)
                lines[-1] += head
                lines += [*body, closer]
            else:
                lines[-1] += flat(part)
        hoisted += self._comments(at, line.end)
        lines[-1] += comma
        return _Row(line.kind, line.left, tuple(lines)), hoisted

    def _over_lines(self, bracket: Bracket, room: int) -> list[str]:
        opener, lines, closer = inside(bracket)
        comma = "" if isinstance(bracket, nodes.Block) else ","
        first, *rows = self.rows(lines, bracket.span.start, bracket.span.end, room - len(_INDENT), comma)
        head = f"{opener}  {first.comment}" if first.comment else opener
        return [head, *(_INDENT + line if line else "" for line in _written(rows, room - len(_INDENT))), closer]

    def _opened(self, line: Line, room: int) -> list[int]:
        """Return which pieces of a line stand over several lines: those that must, or the longest if all do not fit."""
        brackets = {number: part for number, part in enumerate(line.parts) if not isinstance(part, str)}
        must = [number for number, part in brackets.items() if self._must_open(part)]
        if must or len(line.text) <= room:
            return must
        full = [number for number, part in brackets.items() if inside(part)[1]]
        return full if len(full) < 2 else [max(full, key=lambda number: len(flat(brackets[number])))]

    def _must_open(self, bracket: Bracket) -> bool:
        if isinstance(bracket, nodes.Block) and bracket.items:
            return True
        return self.margin is not None and self.margin.opens(bracket.span.start, bracket.span.end)

    def _comments(self, start: int, end: int) -> list[str]:
        if self.margin is None:
            return []
        return [self.margin.text[first:last].rstrip() for first, last in self.margin.comments(start, end)]


# --- rows to text -----------------------------------------------------------------------------


def _written(rows: Sequence[_Row], room: int) -> Iterator[str]:
    """Yield the lines of rows, signs and comments of neighbours below each other."""
    for run in _runs(_aligned(rows, room), lambda row: bool(row.comment) and len(row.lines) == 1):
        width = max(len(row.lines[-1]) for row in run)
        for row in run:
            if row.blank:
                yield ""
            *lines, last = row.lines
            yield from lines
            yield f"{last:<{width}}  {row.comment}" if row.comment else last


def _aligned(rows: Sequence[_Row], room: int) -> Iterator[_Row]:
    """Yield rows with the signs of neighbours below each other; a line that has no room for that stays as it is."""
    for run in _runs(rows, lambda row: len(row.lines) == 1 and row.left and row.kind):
        width = max(len(row.left) for row in run)
        for row in run:
            first, *rest = row.lines
            aligned = row.left.ljust(width) + first[len(row.left) :]
            yield replace(row, lines=(aligned if len(aligned) <= max(room, len(first)) else first, *rest))


def _runs(rows: Iterable[_Row], alike: Callable[[_Row], object]) -> Iterator[list[_Row]]:
    """Cut rows into runs of neighbours, without a blank line between them, that are alike in something."""
    run: list[_Row] = []
    for row in rows:
        if run and (row.blank or not alike(row) or alike(row) != alike(run[-1])):
            yield run
            run = []
        run.append(row)
    if run:
        yield run
