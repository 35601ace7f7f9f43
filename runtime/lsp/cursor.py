"""Where a cursor stands in a text that may be half typed: `cursor(text, offset) -> Cursor`.

The text before the cursor is read token by token: the block around it, the statement, the brackets that are open. Like
the parser's recovery it ends a statement with its line where a bracket was left open. The vocabulary plays no part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<space>[^\S\n]+)|(?P<comment>\#[^\n]*)|(?P<newline>\n)"
    r'|(?P<string>"(?:\\[^\n]|[^"\\\n])*"?)'
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<param>\$[A-Za-z0-9_]*)|(?P<word>[A-Za-z][A-Za-z0-9_]*(?:\.(?!\.)[A-Za-z0-9_]*)*)"
    r"|(?P<sign>\.\.|[<>]=|.)"
)
_STATEMENT = re.compile(r"[A-Za-z]\w*\s*(=|\{|\")")
_PARTNER = {")": "(", "]": "[", "}": "{"}
_GOES_ON = ("except", "then", "in", "over")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text; `kind` is string, number, param, word, sign, or comment."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.start + len(self.text)


@dataclass(slots=True)
class Bracket:
    """A bracket that is open; `name` is the call's, `item` what stands behind the last comma."""

    opener: str
    name: str
    item: list[Token] = field(default_factory=list)
    before: int = 0  # items that are complete
    given: list[str] = field(default_factory=list)  # names of arguments that are complete

    @property
    def has_equal(self) -> bool:
        """Whether a value is being written, not the name or key before it."""
        return any(token.text == "=" for token in self.item)

    @property
    def argument(self) -> str:
        """The name of the argument whose value is being written; empty where it has none."""
        match self.item:
            case [Token(text=name), Token(text="="), *_]:
                return name
        return ""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of the block around a place."""

    kind: str
    title: str
    start: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """What stands before a place in a text.

    `typed` is the token that ends at the place and is being written: a word, a parameter, a string without its end
    (None where there is none). `statement` are the tokens of the statement before it, brackets those still open.
    """

    offset: int
    block: Header | None
    statement: tuple[Token, ...]
    brackets: tuple[Bracket, ...]
    typed: Token | None

    @property
    def start(self) -> int:
        """The offset where what is being written begins."""
        return self.typed.start if self.typed else self.offset

    @property
    def prefix(self) -> str:
        """What is written of a word so far."""
        return self.typed.text if self.typed else ""

    @property
    def in_string(self) -> bool:
        """Whether the place is inside a string."""
        return self.typed is not None and self.typed.kind == "string"

    @property
    def in_comment(self) -> bool:
        """Whether the place is inside a comment."""
        return self.typed is not None and self.typed.kind == "comment"

    @property
    def before(self) -> Token | None:
        """The token before what is being written, of the same statement."""
        return self.statement[-1] if self.statement else None

    @property
    def behind_value(self) -> bool:
        """Whether a complete value stands before the place, so that only a unit or an operator can follow."""
        token = self.before
        if token is None:
            return False
        if token.kind == "sign":
            return token.text in _PARTNER
        return token.text not in _GOES_ON


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Return the tokens of a text, blanks left out; a newline is a sign."""
    found = []
    for match in _TOKEN.finditer(text, start, len(text) if end is None else end):
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token("sign" if kind == "newline" else kind, match[0], match.start()))
    return found


def token_at(text: str, offset: int) -> Token | None:
    """Return the word, parameter, number or string at a place; None where there is none."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    for token in tokens(text, start, len(text) if end < 0 else end):
        if token.start <= offset <= token.end and token.kind in ("word", "param", "string", "number"):
            return token
    return None


def cursor(text: str, offset: int) -> Cursor:
    """Return where a place of the text is."""
    before = tokens(text, 0, offset)
    typed = None
    if before and before[-1].end == offset and _is_written(before[-1]):
        typed = before.pop()
    scan = _Scan(text, offset)
    for index, token in enumerate(before):
        scan.take(token, before[index + 1] if index + 1 < len(before) else typed)
    return Cursor(offset, scan.blocks[-1] if scan.blocks else None, tuple(scan.statement), tuple(scan.brackets), typed)


def _is_written(token: Token) -> bool:
    if token.kind == "string":
        return len(token.text) == 1 or re.fullmatch(r'"(\\.|[^"\\])*"', token.text) is None
    return token.kind in ("word", "param", "comment")


class _Scan:
    """Reads the tokens before an offset, in order."""

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset
        self.blocks: list[Header] = []
        self.statement: list[Token] = []
        self.brackets: list[Bracket] = []

    def take(self, token: Token, following: Token | None) -> None:
        if token.kind == "comment":
            return
        if token.text == "\n":
            if self._ends(following):
                self._end()
            return
        if token.text == "}" and self._ends_block(token):
            self._end()
            if self.blocks:
                self.blocks.pop()
            return
        if token.text == "{" and self._is_header():
            self._open_block()
            return
        self.statement.append(token)
        if token.text in _PARTNER:
            self._close(_PARTNER[token.text])
        elif self.brackets and token.text == ",":
            self._next_item(self.brackets[-1])
        elif self.brackets:
            self.brackets[-1].item.append(token)
        if token.text in ("(", "[", "{"):
            previous = self.statement[-2] if len(self.statement) > 1 else None
            is_call = token.text == "(" and previous is not None and previous.kind == "word"
            self.brackets.append(Bracket(token.text, previous.text if is_call and previous else ""))

    def _end(self) -> None:
        self.statement, self.brackets = [], []

    def _is_header(self) -> bool:
        """Whether a `{` opens a block: no value comes before it."""
        return bool(self.statement) and not self.brackets and self.statement[-1].text not in ("=", *_GOES_ON)

    def _ends_block(self, brace: Token) -> bool:
        """Whether a `}` is the block's: no map is open, or one that begins further right than the brace stands."""
        is_left = bool(self.statement) and self._indent(brace.start) < self._indent(self.statement[0].start)
        return is_left or not any(bracket.opener == "{" for bracket in self.brackets)

    def _open_block(self) -> None:
        kind, *rest = self.statement
        title = rest[0].text.strip('"') if rest and rest[0].kind == "string" else ""
        self.blocks.append(Header(kind.text, title, kind.start))
        self._end()

    def _close(self, opener: str) -> None:
        while self.brackets and self.brackets.pop().opener != opener:
            pass
        if self.brackets:
            self.brackets[-1].item.append(self.statement[-1])

    @staticmethod
    def _next_item(bracket: Bracket) -> None:
        if bracket.argument:
            bracket.given.append(bracket.argument)
        bracket.before += 1
        bracket.item = []

    def _ends(self, following: Token | None) -> bool:
        """Whether a newline ends the statement; inside brackets the next line must look as if it belonged to it."""
        if not self.brackets or not self.statement:
            return True
        if following is not None and (following.text == "\n" or following.kind == "comment"):
            return False  # the next newline decides
        if self.statement[-1].text not in ("(", "[", "{", ","):
            return following is None or following.text not in _PARTNER
        at = self.offset if following is None else following.start
        deeper = self._indent(at) > self._indent(self.statement[0].start)
        return not deeper and _STATEMENT.match(self.text, at) is not None

    def _indent(self, at: int) -> int:
        return at - self.text.rfind("\n", 0, at) - 1
