"""Text to AST: `parse(source) -> Recipe`.

A whole file is parsed by the grammar at once. Where that fails, the text is cut into statements and each is
parsed by the same grammar, so that one mistake costs one statement and all mistakes are reported.
Nothing here knows the vocabulary.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from recipe_lang import errors, nodes
from recipe_lang.diagnostics import Problem, RecipeError
from recipe_lang.source import Source, Span

MAX_BYTES = 1_000_000
MAX_NESTING = 32
MAX_SYNTAX_ERRORS = 50


def read_source(path: str | Path, name: str | None = None) -> Source:
    """Read a recipe file; its name in diagnostics is the path as given.

    Raises:
        RecipeError: the file is not there, cannot be read, is longer than 1 MB, or is no UTF-8 text.
    """
    shown = name or str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(errors.Unreadable(path=shown, reason=error.strerror or str(error))) from error
    except ValueError as error:  # a NUL in the path
        raise RecipeError(errors.Unreadable(path=shown, reason=str(error))) from error
    return decode_source(data, shown)


def decode_source(data: bytes, name: str) -> Source:
    """Return the text of a recipe's bytes; a byte order mark is dropped.

    Raises:
        RecipeError: the bytes are longer than 1 MB or no UTF-8 text.
    """
    if len(data) > MAX_BYTES:
        raise RecipeError(errors.TooLong(path=name, limit=MAX_BYTES))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(errors.NotText(path=name, offset=error.start)) from error
    if "\0" in text:
        raise RecipeError(errors.NotText(path=name, offset=text.index("\0")))
    return Source(name, re.sub(r"\r(?!\n)", "\n", text))


def parse(source: Source) -> nodes.Recipe:
    """Parse a recipe; what is wrong with its syntax stands in the result's `problems`."""
    deep = _too_deep(source)
    if deep is not None:
        return nodes.Recipe(source, (), (errors.TooDeep(span=deep, limit=MAX_NESTING),))
    try:
        tree = _grammar().parse(source.text + "\n")
    except UnexpectedInput as error:
        recipe = _Recovery(source).recipe()
        return recipe if recipe.problems else replace(recipe, problems=(_refused(error, source),))
    builder = _Builder(source, 0, [])
    items = builder.items(tree.children)
    return nodes.Recipe(source, items, tuple(builder.problems))


@cache
def _grammar() -> Lark:
    text = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    was_on = gc.isenabled()
    gc.disable()  # building the tables frees next to nothing: collecting would take a fifth of the time
    try:
        return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=True)
    finally:
        if was_on:
            gc.enable()


_SCAN = re.compile(r'"(?:\\.|[^"\\\r\n])*"|#[^\n]*|\n|[^\S\n]+|[A-Za-z0-9_.$%]+|.', re.DOTALL)
_CLOSES = {"(": ")", "[": "]", "{": "}"}


def _too_deep(source: Source) -> Span | None:
    """Return the place where brackets nest deeper than allowed, before a tree is built."""
    depth = 0
    for match in _SCAN.finditer(source.text):
        if match[0] in _CLOSES:
            depth += 1
            if depth > MAX_NESTING:
                return source.span(match.start(), match.end())
        elif match[0] in (")", "]", "}"):
            depth = max(0, depth - 1)
    return None


class _Builder:
    """Turns parse trees into nodes; `shift` is where the parsed slice begins in the source."""

    def __init__(self, source: Source, shift: int, problems: list[Problem]) -> None:
        self.source = source
        self.shift = shift
        self.problems = problems

    def span(self, thing: Tree[Token] | Token) -> Span:
        where = thing if isinstance(thing, Token) else thing.meta
        start, end = where.start_pos, where.end_pos
        if start is None or end is None:
            raise AssertionError(f"no position for {thing!r}")
        return self.source.span(start + self.shift, end + self.shift)

    def items(self, trees: list[Tree[Token] | Token]) -> tuple[nodes.Item, ...]:
        return tuple(self.item(tree) for tree in trees if isinstance(tree, Tree))

    def item(self, tree: Tree[Token]) -> nodes.Item:
        span, kids = self.span(tree), tree.children
        match tree.data, kids:
            case "field", [Token() as name, value]:
                return nodes.Field(str(name), self.value(value), span, self.span(name))
            case "claim", [Token() as metric, Token() as operator, value]:
                metric_node = nodes.Name(str(metric), self.span(metric))
                return nodes.Claim(metric_node, str(operator), self.value(value), span)
            case "param", [Token() as name, value, domain]:
                return nodes.Param(
                    str(name),
                    self.value(value),
                    None if domain is None else self.value(domain),
                    span,
                    self.span(name),
                )
            case "block", [Tree() as head, *items]:
                return self.block(head, items, span)
            case "version", [Token() as number]:
                return nodes.Version(str(number), span)
            case "extends", [Token() as path]:
                return nodes.Extends(self.text(path), span)
            case "drop", [Token() as kind, Token() as title]:
                return nodes.Drop(str(kind), self.text(title), span)
        raise AssertionError(f"unknown statement {tree.data}")

    def block(self, head: Tree[Token], items: list[Tree[Token] | Token], span: Span) -> nodes.Block:
        kind, title = head.children
        if not isinstance(kind, Token):
            raise AssertionError("a block begins with its name")
        shown: nodes.Text | nodes.Number | None = None
        if isinstance(title, Token):
            shown = self.text(title)
        elif isinstance(title, Tree):
            shown = self.number(title)
        return nodes.Block(str(kind), shown, self.items(items), span, self.span(kind), self.span(head))

    def value(self, tree: Tree[Token] | Token) -> nodes.Node:
        if isinstance(tree, Token):
            raise AssertionError(f"a bare token {tree!r} is no value")
        span, kids = self.span(tree), tree.children
        match tree.data:
            case "number":
                return self.number(tree)
            case "string":
                return self.text(_token(kids[0]))
            case "name":
                return nodes.Name(str(kids[0]), span)
            case "reference":
                return nodes.Reference(str(kids[0]), span)
            case "call":
                name = _token(kids[0])
                arguments = tuple(self.argument(kid) for kid in kids[1:] if isinstance(kid, Tree))
                return nodes.Call(str(name), arguments, span, self.span(name))
            case "list":
                return nodes.List(tuple(self.value(kid) for kid in kids if kid is not None), span)
            case "map":
                entries = (kid.children for kid in kids if isinstance(kid, Tree))
                return nodes.Map(tuple((self.value(k), self.value(v)) for k, v in entries), span)
            case "negative":
                return nodes.Negative(self.value(kids[1]), span)
            case "sum" | "product":
                rest = zip(kids[1::2], kids[2::2], strict=True)
                return nodes.Arithmetic(
                    self.value(kids[0]), tuple((str(op), self.value(kid)) for op, kid in rest), span
                )
            case "span":
                return nodes.Range(self.value(kids[0]), self.value(kids[1]), span)
            case "without":
                return nodes.Except(self.value(kids[0]), self.value(kids[1]), span)
            case "joined":
                return nodes.Then(tuple(self.value(kid) for kid in kids), span)
        raise AssertionError(f"unknown value {tree.data}")

    def argument(self, tree: Tree[Token]) -> nodes.Argument:
        name, value = tree.children
        node = self.value(value)
        if name is None:
            return nodes.Argument(None, node, node.span, node.span)
        return nodes.Argument(str(name), node, self.span(tree), self.span(_token(name)))

    def number(self, tree: Tree[Token]) -> nodes.Number:
        digits, unit = tree.children
        return nodes.Number(float(_token(digits)), None if unit is None else str(unit), self.span(tree))

    def text(self, token: Token) -> nodes.Text:
        span = self.span(token)
        return nodes.Text(self._unescape(str(token)[1:-1], span), span)

    def _unescape(self, raw: str, span: Span) -> str:
        def replace(match: re.Match[str]) -> str:
            escape = match[1]
            if escape in _ESCAPES:
                return _ESCAPES[escape]
            if len(escape) == 5 and not "d800" <= escape[1:].lower() <= "dfff":
                return chr(int(escape[1:], 16))
            start = span.start + 1 + match.start()
            place = self.source.span(start, start + len(match[0]))
            self.problems.append(errors.BadEscape(span=place, escape=match[0]))
            return ""

        return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, raw)


_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


def _token(thing: Tree[Token] | Token) -> Token:
    if not isinstance(thing, Token):
        raise AssertionError(f"{thing!r} is no token")
    return thing


_UNCLOSED = re.compile(r'^(?:[^"#\n]|"(?:\\.|[^"\\\n])*")*"(?:\\.|[^"\\\n])*$', re.MULTILINE)
_STATEMENT = re.compile(r"[A-Za-z]\w*\s*(=|(\"[^\"]*\")?\s*\{)")


class _Skipped:
    """Statements that belong to a mistake above: the rest of a string over lines, what is below half a line."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.in_string = False
        self.indent: int | None = None  # of `data:` or `head =`; what is indented deeper belongs to it

    def covers(self, statement: _Statement) -> bool:
        """Whether nothing should be said of a statement."""
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
        is_header = text.endswith(":") and text[0].isalpha() and "=" not in text
        self.indent = column if is_header or text.endswith(_HALVES) else None
        return False


_HALVES = ("=", "+", "-", "*", "/", "..", "\\")  # a statement that ends so goes on below, in its writer's mind


@dataclass(frozen=True, slots=True)
class _Statement:
    """A slice of the text: an item, a block's header (`open`), or its end (`close`)."""

    kind: str
    start: int
    end: int
    unclosed: tuple[int, str] | None = None  # a bracket that the statement leaves open


class _Recovery:
    """Reads a file with mistakes statement by statement."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def recipe(self) -> nodes.Recipe:
        # Each level: its header (None for the file) and the items read so far.
        levels: list[tuple[nodes.Block | None, list[nodes.Item]]] = [(None, [])]
        skipped = _Skipped(self.source)
        for statement in _statements(self.source.text):
            if len(self.problems) >= MAX_SYNTAX_ERRORS:
                break
            if skipped.covers(statement):
                continue
            if statement.kind == "open":
                self._close_before(levels, statement)
            match statement.kind:
                case "close" if len(levels) == 1:
                    span = self.source.span(statement.start, statement.end)
                    self.problems.append(errors.StrayBrace(span=span))
                case "close":
                    self._leave(levels, statement.end)
                case "open":
                    levels.append((self._header(statement), []))
                case _:
                    levels[-1][1].extend(self._items(statement))
        while len(levels) > 1:
            self._unclosed(levels, len(self.source.text))
        return nodes.Recipe(self.source, tuple(levels[0][1]), tuple(self.problems))

    def _close_before(self, levels: list[tuple[nodes.Block | None, list[nodes.Item]]], next_: _Statement) -> None:
        """End the blocks that a header shows to be over, as it is indented no deeper than theirs."""
        column = self.source.position(next_.start)[1]
        while (header := levels[-1][0]) is not None and column <= header.head_span.column:
            self._unclosed(levels, next_.start)

    def _unclosed(self, levels: list[tuple[nodes.Block | None, list[nodes.Item]]], end: int) -> None:
        header = levels[-1][0]
        if header is not None:
            self.problems.append(errors.UnclosedBlock(span=header.head_span, kind=header.kind))
        self._leave(levels, end)

    def _leave(self, levels: list[tuple[nodes.Block | None, list[nodes.Item]]], end: int) -> None:
        header, items = levels.pop()
        if header is None:
            return
        span = self.source.span(header.head_span.start, end)
        item: nodes.Item = nodes.Block(
            header.kind, header.title, tuple(items), span, header.kind_span, header.head_span
        )
        if header.kind == "":
            item = nodes.Broken("", span)
        levels[-1][1].append(item)

    def _header(self, statement: _Statement) -> nodes.Block:
        items = self._parse(statement, "\n}\n")
        if items and isinstance(items[0], nodes.Block):
            return items[0]
        # What the header means is often plain, so that the block's fields can be checked all the same.
        span = self.source.span(statement.start, statement.end)
        match = re.match(r"([A-Za-z]\w*)\s*['\"‘’“”]?([^{'\"‘’“”]*)", span.text)
        if match is None:
            return nodes.Block("", None, (), span, span, span)
        title = match[2].strip()
        return nodes.Block(match[1], nodes.Text(title, span) if title else None, (), span, span, span)

    def _items(self, statement: _Statement) -> tuple[nodes.Item, ...]:
        items = self._parse(statement, "\n")
        if items is not None:
            return items
        span = self.source.span(statement.start, statement.end)
        word = re.match(r"\s*([A-Za-z]\w*)", span.text)
        return (nodes.Broken(word[1] if word else "", span),)

    def _parse(self, statement: _Statement, ending: str) -> tuple[nodes.Item, ...] | None:
        if statement.unclosed is not None:
            at, bracket = statement.unclosed
            span = self.source.span(at, at + 1)
            self.problems.append(errors.UnclosedBracket(span=span, bracket=bracket))
            return None
        text = self.source.text[statement.start : statement.end]
        try:
            tree = _grammar().parse(text + ending)
        except UnexpectedInput as error:
            at = statement.start + (error.pos_in_stream or 0)
            self.problems.append(_syntax_error(error, self.source, statement.start, statement.end, at))
            return None
        return _Builder(self.source, statement.start, self.problems).items(tree.children)


def _statements(text: str) -> Iterator[_Statement]:
    """Cut a text into statements; a bracket that is not closed ends with its line."""
    start: int | None = None
    end = 0  # of the last token
    stack: list[tuple[int, str]] = []
    before = ""  # the last token that is neither blank nor comment
    tokens = [match for match in _SCAN.finditer(text) if not match[0].isspace() or match[0] == "\n"]
    tokens = [match for match in tokens if not match[0].startswith("#")]
    for index, match in enumerate(tokens):
        token, at = match[0], match.start()
        if token == "\n":
            if start is None or (stack and _goes_on(before, tokens, index, stack, _indent(text, start))):
                continue
            if not stack and _brace_follows(tokens, index, text[start:at]):
                continue
            yield _Statement("item", start, end, stack[-1] if stack else None)
            start, before, stack = None, "", []
            continue
        if token == "}" and "{" not in [bracket for _, bracket in stack]:
            if start is not None:
                yield _Statement("item", start, end, stack[-1] if stack else None)
            yield _Statement("close", at, at + 1)
            start, before, stack = None, "", []
            continue
        start, end = at if start is None else start, match.end()
        if token == "{" and not stack and before != "=" and not before.endswith("$"):
            yield _Statement("open", start, at + 1)
            start, before = None, ""
            continue
        if token in _CLOSES:
            stack.append((at, token))
        elif stack and token == _CLOSES[stack[-1][1]]:
            stack.pop()
        before = token
    if start is not None:
        yield _Statement("item", start, end, stack[-1] if stack else None)


def _indent(text: str, at: int) -> int:
    return at - text.rfind("\n", 0, at) - 1


def _brace_follows(tokens: list[re.Match[str]], index: int, statement: str) -> bool:
    """Whether this is a block's header with its brace on the next line."""
    following = next((match[0] for match in tokens[index:] if match[0] != "\n"), "")
    return following == "{" and re.fullmatch(r"\w+(\s+\"[^\"\n]*\")?\s*(#.*)?", statement) is not None


def _goes_on(before: str, tokens: list[re.Match[str]], index: int, stack: list[tuple[int, str]], indent: int) -> bool:
    """Whether a newline inside brackets is one of those that do not end the statement."""
    if before in ("(", "[", "{", ","):
        following = [match[0] for match in tokens[index : index + 4] if match[0] != "\n"]
        return following[1:2] != ["{"] and following[2:3] != ["{"]  # a block's header never follows
    rest = next((match for match in tokens[index:] if match[0] != "\n"), None)
    if rest is None:
        return False
    if rest[0] not in [_CLOSES[bracket] for _, bracket in stack]:
        return _indent(rest.string, rest.start()) > indent  # what is missing is a comma
    # A `}` that stands further left than a map's field closes the block, and the map is open.
    return rest[0] != "}" or _indent(rest.string, rest.start()) >= indent


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
    return _syntax_error(error, source, start, start + len(source.line(line)), at)


def _syntax_error(error: UnexpectedInput, source: Source, start: int, end: int, at: int) -> Problem:
    at = min(at, end)
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        at = end
    found = _found(source.text, at, end)
    if not found:
        at = len(source.text[:at].rstrip()) if source.text[start:at].strip() else at
    span = source.span(at, at + len(found)) if found else source.span(max(start, at - 1), max(at, start + 1))
    if found.startswith('"') and isinstance(error, UnexpectedCharacters):
        return errors.UnclosedString(span=source.span(at, end))
    names: set[str] = set()
    if isinstance(error, UnexpectedToken):
        names = set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        names = set(error.allowed or ())
    before, after = source.text[start:at], source.text[at:end]
    return errors.Unexpected(span=span, found=found, expected=_expected(names), before=before, after=after)


def _found(text: str, at: int, end: int) -> str:
    match = re.match(r'"[^"\n]*"?|[A-Za-z0-9_]+|[=!<>]=|\.[0-9]+|\.\.|[^\s#]', text[at:end])
    return match[0] if match else ""


def _expected(names: set[str]) -> tuple[str, ...]:
    if names >= _VALUE_STARTS:
        others = names - _VALUE_STARTS - {"NAME", "DOTTED", "LBRACE", "MINUS", "_NL"}
        return ("a value", *sorted(_WORDS[name] for name in others if name in _WORDS))
    if "_NL" in names:
        names -= _OPERATORS | {"LPAR"}
    return tuple(sorted(_WORDS[name] for name in names if name in _WORDS))
