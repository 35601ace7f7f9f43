"""JSON text to values with their spans: `read_json(source) -> JsonRead`.

A reader of our own, since the standard one knows no places, drops duplicate names, and stops at the first mistake.
It follows RFC 8259. Mistakes with one plain meaning (a comma too many or too few, `True`, single quotes, comments) are
reported and read as meant; others end the reading. Strings, numbers and the words `true`, `false` and `null` are nodes
already. Nesting is bounded, and a level costs one call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from recipe_lang.json.problems import JsonEscape, JsonNumber, JsonSyntax, JsonUnclosed
from recipe_lang.problem import Problem
from recipe_lang.source import MAX_NESTING, Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.problems import TooDeep

# A level of a recipe has up to twelve of JSON: the list and the object of each of `then`, a sum, a product, a call ..
MAX_DEPTH = 12 * MAX_NESTING + 16
MAX_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class JsonList:
    """An array."""

    items: tuple[Json, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object: its members in order, those of the same name too."""

    members: tuple[tuple[nodes.Text, Json], ...]
    span: Span

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(key.value for key, _ in self.members)


@dataclass(frozen=True, slots=True)
class JsonBroken:
    """A value that could not be read; that has been reported."""

    span: Span


Scalar = nodes.Text | nodes.Number | nodes.Negative | nodes.Name
Json = Scalar | JsonList | JsonObject | JsonBroken


@dataclass(frozen=True, slots=True)
class JsonRead:
    """What a text holds, and what is wrong with it; `complete` is false where the reading ended too early."""

    value: Json
    problems: tuple[Problem, ...]
    complete: bool


def read_json(source: Source) -> JsonRead:
    """Read a JSON text; what is wrong with it stands in the result's `problems`, 50 of them at most."""
    reader = _Reader(source)
    value = reader.whole()
    return JsonRead(value, tuple(reader.problems[:MAX_PROBLEMS]), not reader.is_over)


def inner(text: nodes.Text) -> Span:
    """Return the span of the characters between a string's quotes."""
    span = text.span
    return replace(span, start=span.start + 1, end=max(span.start + 1, span.end - 1))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # that of a group of `_TOKEN`; `end` behind the last
    text: str
    span: Span


_TOKEN = re.compile(
    r"""[ \t\r\n]+
    | (?P<text>"(?:\\[^\n]|[^"\\\n])*"?)
    | (?P<mark>[{}\[\]:,=])
    | (?P<word>[-+.\w]+)
    | (?P<comment>//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<quoted>'(?:\\[^\n]|[^'\\\n])*')
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LIKE_NUMBER = re.compile(r"[-+.]*[0-9][-+.\w]*|[-+]?(?:NaN|Inf(?:inity)?)", re.IGNORECASE)
_WORDS = {"true": "true", "false": "false", "null": "null", "none": "null", "nil": "null"}
_NAMES = {"true": "true", "false": "false", "null": "none"}
_CLOSERS = {"{": "}", "[": "]"}
_ESCAPE = re.compile(
    r'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})'
    r"|(?P<bad>(?P<half>\\u[0-9a-fA-F]{4})|\\.|[\x00-\x1f])"
)


class _Reader:
    """Reads from token to token; `token` is the next one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.is_over = False  # the rest is not read
        self.depth = 0
        self.end = 0  # of the token before
        self.tokens = self._tokens()
        self.token = next(self.tokens)

    def _tokens(self) -> Iterator[_Token]:
        for match in _TOKEN.finditer(self.source.text):
            if len(self.problems) > MAX_PROBLEMS:
                break
            span = Span(self.source, *match.span())
            if match.lastgroup == "comment":
                self._report(span, "comment", advice='JSON has no comments: use `"about"`', replacement="")
            elif match.lastgroup:
                yield _Token(match.lastgroup, match[0], span)
        yield _Token("end", "", self.source.span(len(self.source.text), len(self.source.text)))

    def _advance(self) -> _Token:
        """Take the next token."""
        taken = self.token
        self.end = taken.span.end
        self.token = next(self.tokens, taken)
        if len(self.problems) > MAX_PROBLEMS:
            self._stop()
        return taken

    def _stop(self) -> None:
        self.is_over = True
        self.token = _Token("end", "", self.source.span(self.end, self.end))

    def whole(self) -> Json:
        """Read the text."""
        if self.token.kind == "end":
            self._report(self.source.span(0, 0), "", "`{`")
            self._stop()
        value = self._value()
        if isinstance(value, JsonBroken):
            self._stop()
        elif self.token.kind != "end":
            self._refuse("the end of the text")
        return value

    def _value(self) -> Json:
        token = self.token
        if token.text in _CLOSERS:
            return self._container()
        if token.kind == "word":
            return self._word(self._advance())
        if token.kind in ("text", "quoted"):
            return self._text(self._advance())
        if token.text in ("}", "]", ","):
            self._report(token.span, f"`{token.text}`", "a value")
        elif token.kind != "end":
            self._refuse("a value")
        return JsonBroken(token.span)

    def _container(self) -> Json:
        """Read an array or an object, its brackets with it; the one reader that calls itself."""
        opener = self._advance()
        closer, is_object = _CLOSERS[opener.text], opener.text == "{"
        keys: list[nodes.Text] = []
        items: list[Json] = []
        comma: Span | None = None
        if self.depth >= MAX_DEPTH:
            self.problems.append(TooDeep(span=opener.span, limit=MAX_NESTING))
            self._stop()
            return JsonBroken(opener.span)
        self.depth += 1
        while self._has_member(closer, comma):
            value: Json = JsonBroken(self._gap())
            if not is_object or self._name(keys):
                value = self._container() if self.token.text in _CLOSERS else self._value()
            if isinstance(value, JsonBroken) and self.token.kind == "end":
                break
            items.append(value)
            comma = self._comma(closer)
        self._close(opener, closer)
        self.depth -= 1
        span = self.source.span(opener.span.start, self.end)
        return JsonObject(tuple(zip(keys, items, strict=False)), span) if is_object else JsonList(tuple(items), span)

    def _has_member(self, closer: str, comma: Span | None) -> bool:
        """Whether a member begins here, behind a comma too many; none does before the closer, where a comma is one."""
        while self.token.text == ",":
            self._report(self.token.span, "`,`", advice="there is one comma between two members", replacement="")
            self._advance()
        if self.token.text in ("}", "]") and self.token.text != closer:
            self._refuse(f"`{closer}`")
        if self.token.text != closer:
            return self.token.kind != "end"
        if comma is not None:
            self._report(comma, "`,`", advice=f"there is no comma before `{closer}`", replacement="")
        return False

    def _name(self, keys: list[nodes.Text]) -> bool:
        """Take a member's name and its colon; false where no value follows."""
        if self.token.kind not in ("text", "word", "quoted"):
            self._refuse("a name in double quotes", "`}`")
            return False
        keys.append(self._text(self._advance()))
        token = self.token
        if token.text == ":":
            self._advance()
        elif token.text == "=":
            self._report(
                token.span, "`=`", "`:`", advice="a name and its value have a `:` between them", replacement=":"
            )
            self._advance()
        elif token.kind != "end":
            self._report(self._gap(), f"`{_short(token.text)}`", "`:`", replacement=":")
        return token.text not in ("}", "]", ",")

    def _comma(self, closer: str) -> Span | None:
        """Take the comma behind a member; None where there is none."""
        token = self.token
        if token.text == ",":
            return self._advance().span
        if token.text != closer and (token.text in _CLOSERS or token.kind in ("text", "word", "quoted")):
            advice = "a comma goes between two members"
            self._report(self._gap(), f"`{_short(token.text)}`", "`,`", advice=advice, replacement=",")
        elif token.text != closer and token.kind != "end":
            self._refuse("`,`", f"`{closer}`")
        return None

    def _close(self, opener: _Token, closer: str) -> None:
        if self.token.text == closer:
            self._advance()
        elif self.token.kind == "end" and not self.is_over:
            self.problems.append(JsonUnclosed(span=opener.span, what=f"`{opener.text}`", closer=closer))
            self._stop()

    # --- scalars -----------------------------------------------------------------------------

    def _word(self, token: _Token) -> Json:
        text, span = token.text, token.span
        if _NUMBER.fullmatch(text):
            number = nodes.Number(float(text.lstrip("-")), None, span)
            return nodes.Negative(number, span) if text.startswith("-") else number
        word = _WORDS.get(text.lower())
        if word is not None:
            if word != text:
                self._report(span, f"`{text}`", advice=f"write `{word}`", replacement=word)
            return nodes.Name(_NAMES[word], span)
        if _LIKE_NUMBER.fullmatch(text):
            self.problems.append(JsonNumber(span=span, found=_short(text)))
            return JsonBroken(span)
        return self._text(token)

    def _text(self, token: _Token) -> nodes.Text:
        """Return a string; a bare word or one in single quotes is reported, and taken as the string it was meant as."""
        text, span = token.text, token.span
        if token.kind != "text":
            meant = text[1:-1] if token.kind == "quoted" else text
            advice = f"write it in double quotes: `{json.dumps(_short(meant))}`"
            self._report(span, f"`{_short(text)}`", advice=advice, replacement=json.dumps(meant, ensure_ascii=False))
            return nodes.Text(meant, span)
        if not _STRING.fullmatch(text):
            self.problems.append(JsonUnclosed(span=span, what="string", closer='"'))
            self._stop()
            return nodes.Text(text[1:], span)
        return nodes.Text(self._decoded(text, span) if _ESCAPE.search(text) else text[1:-1], span)

    def _decoded(self, text: str, span: Span) -> str:
        """Return what a string with escapes says, without those that are wrong; they are reported."""
        for match in _ESCAPE.finditer(text):
            if match["bad"]:
                inner = self.source.span(span.start + match.start(), span.start + match.end())
                self.problems.append(JsonEscape(span=inner, found=match[0], is_half=match["half"] is not None))
        decoded: str = json.loads(_ESCAPE.sub(lambda match: "" if match["bad"] else match[0], text))
        return decoded

    # --- what is wrong -----------------------------------------------------------------------

    def _gap(self) -> Span:
        """Return the place behind the token before, where one is missing."""
        return self.source.span(self.end, self.end)

    def _refuse(self, *expected: str) -> None:
        """Report the next token, behind which nothing sensible can follow."""
        if not self.is_over:
            self._report(self.token.span, f"`{_short(self.token.text)}`", *expected)
        self._stop()

    def _report(self, span: Span, found: str, *expected: str, advice: str = "", replacement: str | None = None) -> None:
        self.problems.append(
            JsonSyntax(span=span, found=found, expected=expected, advice=advice, replacement=replacement)
        )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
