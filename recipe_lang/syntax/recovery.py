"""A file with mistakes, statement by statement: `recover(source, error) -> Recipe`.

The text is cut into statements and each is parsed by the grammar, so that one mistake costs one statement. Where a
habit says beyond doubt what was meant (`lr: 0.1`), the statement is read as that, so that its values are checked too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from lark import Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from recipe_lang.problem import Edit, Problem
from recipe_lang.source import Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.ast_builder import Builder, grammar
from recipe_lang.syntax.near_misses import Repair, habit
from recipe_lang.syntax.problems import StrayBrace, UnclosedBlock, UnclosedBracket, UnclosedString, Unexpected
from recipe_lang.syntax.splitter import Statement, statements

MAX_SYNTAX_ERRORS = 50
MAX_REPAIRS = 12  # of one statement


def recover(source: Source, error: UnexpectedInput) -> nodes.Recipe:
    """Read a source that the grammar refused with `error`."""
    at = len(source.text) - len(source.text.lstrip())
    if source.text.startswith("{", at):
        span, advice = source.span(at, at + 1), "a recipe written as JSON is called `NAME.ftr.json`"
        return nodes.Recipe(source, (), (Unexpected(span=span, found="{", expected=(), advice=advice),))
    recipe = _Recovery(source).recipe()
    return recipe if recipe.problems else replace(recipe, problems=(_refused(error, source),))


@dataclass(frozen=True, slots=True)
class _Level:
    """An open block (None: the file itself) with the items read so far; a `loose` one has no `}` of its own."""

    header: nodes.Block | None
    items: list[nodes.Item]
    loose: bool = False


@dataclass(frozen=True, slots=True)
class _Draft:
    """A statement as it was meant: its text, and where in the source each of its characters comes from."""

    text: str
    offsets: list[int]

    def repaired(self, repair: Repair) -> _Draft:
        """Return the draft after one more repair."""
        start, end = repair.start, repair.end
        kept = self.text[start:end].endswith(repair.text)  # as in `nn.Dropout`, whose beginning goes
        first = end - len(repair.text) if kept else start
        made = [self.offsets[min(first + number, end)] for number in range(len(repair.text))]
        text = self.text[:start] + repair.text + self.text[end:]
        return _Draft(text, self.offsets[:start] + made + self.offsets[end:])

    def offset_of(self, offset: int) -> int:
        """Return the source's offset of an offset in the text."""
        return self.offsets[min(offset, len(self.offsets) - 1)]


class _Recovery:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.levels = [_Level(None, [])]

    def recipe(self) -> nodes.Recipe:
        found = list(statements(self.source.text))
        skipped = _Skipped(self.source)
        for number, statement in enumerate(found):
            if len(self.problems) >= MAX_SYNTAX_ERRORS:
                self._give_up(statement.start)
                break
            following = found[number + 1] if number + 1 < len(found) else None
            deeper = (
                following is not None and following.kind == "item" and self._column(following) > self._column(statement)
            )
            if not skipped.covers(statement, deeper):
                self._take(statement, deeper)
        end = len(self.source.text)
        while len(self.levels) > 1:
            self._unclosed(end)
        return nodes.Recipe(self.source, tuple(self.levels[0].items), tuple(self.problems))

    def _column(self, statement: Statement) -> int:
        return self.source.position(statement.start)[1]

    def _give_up(self, at: int) -> None:
        """Leave the rest unread; a statement without a name says that nobody knows what is missing."""
        while len(self.levels) > 1:
            self._leave(at)
        self.levels[0].items.append(nodes.Broken("", self.source.span(at, at + 1)))

    def _take(self, statement: Statement, deeper: bool) -> None:
        section = _SECTION.fullmatch(self.source.text, statement.start, statement.end)
        if statement.kind == "open" or section:
            self._close_before(statement)
        match statement.kind:
            case "close" if len(self.levels) == 1:
                self.problems.append(StrayBrace(span=self.source.span(statement.start, statement.end)))
            case "close":
                self._leave(statement.end)
            case "open":
                self.levels.append(_Level(self._header(statement), []))
            case _ if section:
                self._parse(statement, "\n", deeper=False)
                span = self.source.span(statement.start, statement.end)
                title = nodes.Text(section[2], span) if section[2] else None
                self.levels.append(_Level(nodes.Block(section[1], title, (), span, span, span), [], loose=True))
            case _:
                self.levels[-1].items.extend(self._items(statement, deeper))

    def _close_before(self, next_: Statement) -> None:
        """End the blocks that a header shows to be over, as it is indented no deeper than theirs."""
        column = self._column(next_)
        while (header := self.levels[-1].header) is not None and column <= header.head_span.column:
            self._unclosed(next_.start)

    def _unclosed(self, end: int) -> None:
        level = self.levels[-1]
        if level.header is not None and not level.loose:
            self.problems.append(UnclosedBlock(span=level.header.head_span, block=level.header.kind))
        self._leave(end)

    def _leave(self, end: int) -> None:
        level = self.levels.pop()
        header = level.header
        if header is None:
            return
        span = self.source.span(header.head_span.start, end)
        item: nodes.Item = replace(header, items=tuple(level.items), span=span)
        if header.kind == "":
            item = nodes.Broken("", span)
        self.levels[-1].items.append(item)

    def _header(self, statement: Statement) -> nodes.Block:
        items = self._parse(statement, "\n}\n", deeper=False)
        if items and isinstance(items[-1], nodes.Block):
            self.levels[-1].items.extend(items[:-1])
            return items[-1]
        # What the header means is often plain, so that the block's fields can be checked all the same.
        span = self.source.span(statement.start, statement.end)
        match = re.match(r"([A-Za-z]\w*)\s*['\"‘’“”]?([^{'\"‘’“”]*)", span.text)
        if match is None:
            return nodes.Block("", None, (), span, span, span)
        title = match[2].strip()
        return nodes.Block(match[1], nodes.Text(title, span) if title else None, (), span, span, span)

    def _items(self, statement: Statement, deeper: bool) -> tuple[nodes.Item, ...]:
        items = self._parse(statement, "\n", deeper)
        if items is not None:
            return items
        span = self.source.span(statement.start, statement.end)
        words = [match[1] for match in _NAMED.finditer(span.text[:_READABLE])]
        return tuple(nodes.Broken(word, span) for word in words or [""])

    def _parse(self, statement: Statement, ending: str, deeper: bool) -> tuple[nodes.Item, ...] | None:
        if statement.unclosed is not None:
            at, bracket = statement.unclosed
            self.problems.append(UnclosedBracket(span=self.source.span(at, at + 1), bracket=bracket))
            return None
        draft = _Draft(self.source.text[statement.start : statement.end], [])
        for _ in range(MAX_REPAIRS):
            try:
                tree = _tree(draft.text + ending)
            except UnexpectedInput as error:
                if not draft.offsets:
                    draft = _Draft(draft.text, list(range(statement.start, statement.end + 1)))
                repair = self._report(error, draft, deeper)
                if repair is None:
                    return None
                draft = draft.repaired(repair)
                continue
            offset_of = draft.offset_of if draft.offsets else (lambda offset: statement.start + offset)
            return Builder(self.source, self.problems, offset_of).items(tree.children)
        return None

    def _report(self, error: UnexpectedInput, draft: _Draft, deeper: bool) -> Repair | None:
        """Add what is wrong with a statement; return how to read it all the same.

        The same habit twice in a statement is one problem with two edits.
        """
        problem, repair = _syntax_error(error, self.source, draft, deeper)
        last = self.problems[-1] if self.problems else None
        if (
            problem.kind is Unexpected
            and last is not None
            and last.kind is Unexpected
            and problem.fix
            and last.advice == problem.advice
            and last.span is not None
            and draft.offsets[0] <= last.span.start
        ):
            self.problems[-1] = last.replace(fix=(*last.fix, *problem.fix))
        else:
            self.problems.append(problem)
        return repair


def _tree(text: str) -> Tree[Token]:
    """Parse one statement; short ones are kept, as an editor asks for the same ones at each key."""
    return _kept_tree(text) if len(text) <= _KEPT_LENGTH else grammar().parse(text)


_KEPT_LENGTH = 200


@lru_cache(maxsize=5_000)
def _kept_tree(text: str) -> Tree[Token]:
    return grammar().parse(text)


_SECTION = re.compile(r"\[+\s*([A-Za-z]\w*)(?:[.:\s]\s*[\"']?([^\[\]\"']+)[\"']?)?\s*\]+")  # `[data]`, `[stage.head]`
_NAMED = re.compile(r"(?:\A|\b(?=\w+[\"']?\s*[=:]))([A-Za-z]\w*)")  # the first word, and what gets a value
_UNCLOSED = re.compile(r'^(?:[^"#\n]|"(?:\\.|[^"\\\n])*")*"(?:\\.|[^"\\\n])*$', re.MULTILINE)
_STATEMENT = re.compile(r"[A-Za-z]\w*\s*(=|(\"[^\"]*\")?\s*\{)")
_YAML = re.compile(r"(?:-\s*)?[\"']?[A-Za-z]\w*[\"']?\s*(?:\"[^\"\n]*\"\s*|[\w '-]+)?:(?!=)[^{(]*")
_HALVES = ("=", "+", "-", "*", "/", "..", "\\")  # a statement that ends so goes on below, in its writer's mind


class _Skipped:
    """Statements that belong to a mistake above: the rest of a string over lines, what is below half a line."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.in_string = False
        self.indent: int | None = None  # of `data:` or `head =`; what is indented deeper belongs to it

    def covers(self, statement: Statement, deeper: bool) -> bool:
        """Whether nothing should be said of a statement; `deeper` when the next one is indented more."""
        text = self.source.text[statement.start : statement.end]
        if self.in_string:
            self.in_string = False
            if statement.kind == "item" and not _STATEMENT.match(text):
                self.in_string = text.count('"') % 2 == 0
                return True
        self.in_string = '"' in text and bool(_UNCLOSED.search(text))
        column = self.source.position(statement.start)[1]
        if self.indent is not None and column > self.indent and statement.kind == "item":
            return True
        is_header = statement.kind == "item" and deeper and _YAML.fullmatch(text) is not None
        self.indent = column if is_header or text.endswith(_HALVES) else None
        return False


# --- what the grammar says ---------------------------------------------------------------------

_READABLE = 2000  # characters; a longer statement is nothing that a person typed
_WORDS = {
    "NUMBER": "a number",
    "STRING": "a string",
    "NAME": "a name",
    "DOTTED": "a dotted name",
    "EQUAL": "`=`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "DOLLAR": "`$`",
    "IN": "`in`",
    "_NL": "a new line",
    "$END": "the end",
    "COMPARE": "one of `>=` `<=` `>` `<`",
}
_VALUE_STARTS = {"NUMBER", "STRING", "DOLLAR", "LSQB", "LPAR"}
_OPERATORS = {"PLUS", "MINUS", "TIMES", "OVER", "PERCENT", "EXCEPT", "THEN", "__ANON_0", "NAME"}


def _refused(error: UnexpectedInput, source: Source) -> Problem:
    """Return what the grammar says of a file whose statements are all well, such as two on a line."""
    at = min(error.pos_in_stream or 0, len(source.text))
    line = source.span(at, at).line
    start = at - source.position(at)[1] + 1
    end = start + len(source.line(line))
    draft = _Draft(source.text[start:end], list(range(start, end + 1)))
    return _syntax_error(error, source, draft, False, at - start)[0]


def _syntax_error(
    error: UnexpectedInput, source: Source, draft: _Draft, deeper: bool, at: int | None = None
) -> tuple[Problem, Repair | None]:
    """Return what is wrong with a statement, and the repair that makes it what was meant, where that is plain."""
    text = draft.text
    at = min(error.pos_in_stream or 0 if at is None else at, len(text))
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        at = len(text)
    found = _found(text[at:])
    if not found:
        at = len(text[:at].rstrip()) if text[:at].strip() else at
    span = _span(source, draft, at, found)
    if found.startswith('"') and isinstance(error, UnexpectedCharacters):
        return UnclosedString(span=replace(span, end=max(span.end, draft.offsets[-1]))), None
    names: set[str] = set()
    if isinstance(error, UnexpectedToken):
        names = set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        names = set(error.allowed or ())
    advice, repair = "", None
    if len(text) <= _READABLE:
        advice, repair = habit(text[:at], text[at:] + ("\n" if deeper else ""))
    fix: tuple[Edit, ...] = ()
    if repair is not None:
        repair = replace(repair, start=min(repair.start, len(text)), end=min(repair.end, len(text)))
        repaired = Span(source, draft.offset_of(repair.start), draft.offset_of(repair.end))
        fix = (Edit(repaired, repair.text),)
    return Unexpected(span=span, found=found, expected=_expected(names), advice=advice, fix=fix), repair


def _span(source: Source, draft: _Draft, at: int, found: str) -> Span:
    if found:
        start = draft.offset_of(at)
        return source.span(start, max(draft.offset_of(at + len(found)), start + 1))
    end = draft.offset_of(at)
    first = draft.offsets[0]
    return source.span(max(first, end - 1), max(end, first + 1))


def _found(rest: str) -> str:
    match = re.match(r'"[^"\n]*"?|[A-Za-z0-9_]+|[=!<>]=|\.[0-9]+|\.\.|[^\s#]', rest)
    return match[0] if match else ""


def _expected(names: set[str]) -> tuple[str, ...]:
    if names >= _VALUE_STARTS:
        others = names - _VALUE_STARTS - {"NAME", "DOTTED", "LBRACE", "MINUS", "_NL"}
        return ("a value", *sorted(_WORDS[name] for name in others if name in _WORDS))
    if "_NL" in names:
        names -= _OPERATORS | {"LPAR"}
    return tuple(sorted(_WORDS[name] for name in names if name in _WORDS))
