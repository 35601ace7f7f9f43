"""JSON text to values with their places: `read_json(source) -> JsonRead`.

A reader of our own, since the standard one knows no places, drops duplicate names, and stops at the first mistake.
It follows RFC 8259. Mistakes with one plain meaning (a comma too many or too few, `True`, single quotes, comments) are
reported and read as meant; others end the reading. Nesting is bounded, and nothing here recurses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace

from recipe_lang.json.problems import JsonEscape, JsonNumber, JsonSyntax, JsonUnclosed
from recipe_lang.problem import Problem
from recipe_lang.source import MAX_NESTING, Source, Span
from recipe_lang.syntax.problems import TooDeep

# A level of a recipe has up to twelve of JSON: the list and the object of each of `then`, a sum, a product, a call ..
MAX_DEPTH = 12 * MAX_NESTING + 16
MAX_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class JsonText:
    """A string; `span` has its quotes, `inner` is what stands between them."""

    value: str
    span: Span

    @property
    def inner(self) -> Span:
        """The place of the characters between the quotes."""
        return replace(self.span, start=self.span.start + 1, end=max(self.span.start + 1, self.span.end - 1))


@dataclass(frozen=True, slots=True)
class JsonDigits:
    """A number as it is written, never negative without a `-`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class JsonWord:
    """`true`, `false` or `null`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class JsonList:
    """An array."""

    items: tuple[Json, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object: its members in order, those of the same name too."""

    members: tuple[tuple[JsonText, Json], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class JsonBroken:
    """A value that could not be read; that has been reported."""

    span: Span


Json = JsonText | JsonDigits | JsonWord | JsonList | JsonObject | JsonBroken


@dataclass(frozen=True, slots=True)
class JsonRead:
    """What a text holds, and what is wrong with it; `complete` is false where the reading ended too early."""

    value: Json
    problems: tuple[Problem, ...]
    complete: bool


def read_json(source: Source) -> JsonRead:
    """Read a JSON text; what is wrong with it stands in the result's `problems`, 50 of them at most."""
    reader = _Reader(source)
    complete = reader.read()
    value = reader.root or JsonBroken(source.span(0, len(source.text)))
    return JsonRead(value, tuple(reader.problems[:MAX_PROBLEMS]), complete)


_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    | (?P<text>"(?:\\[^\n]|[^"\\\n])*"?)
    | (?P<mark>[{}\[\]:,=])
    | (?P<word>[-+.\w]+)
    | (?P<comment>//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<quoted>'(?:\\[^\n]|[^'\\\n])*')
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LIKE_NUMBER = re.compile(r"[-+.]*[0-9][-+.\w]*|[-+]?(?:NaN|Inf(?:inity)?)", re.IGNORECASE)
_WORDS = {"true": "true", "false": "false", "null": "null", "none": "null", "nil": "null"}
_CLOSERS = {"{": "}", "[": "]"}


@dataclass(slots=True)
class _Open:
    """A container that is being read; `key` waits for its value."""

    bracket: str
    start: int
    items: list[Json] = field(default_factory=list)
    keys: list[JsonText] = field(default_factory=list)

    @property
    def is_object(self) -> bool:
        return self.bracket == "{"

    def closed(self, span: Span) -> Json:
        if self.is_object:
            return JsonObject(tuple(zip(self.keys, self.items, strict=False)), span)
        return JsonList(tuple(self.items), span)


class _Reader:
    """Reads token by token; `wants` says what comes next: first, name, colon, value, item or comma.

    `first` is a name, an item or the closer behind an opener, `name` and `item` are what follows a comma.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.stack: list[_Open] = []
        self.root: Json | None = None
        self.wants = "value"
        self.comma = source.span(0, 0)  # the last one
        self.end = 0  # of the last token
        self.lost = False  # where the text goes on as text and where as JSON

    def read(self) -> bool:
        for match in _TOKEN.finditer(self.source.text):
            kind = match.lastgroup or ""
            if kind == "blank":
                continue
            goes_on = self._token(kind, match[0], Span(self.source, *match.span()))
            if not goes_on or self.lost or len(self.problems) > MAX_PROBLEMS:
                self._close_all()
                return False
            self.end = match.end()
        if self.stack:
            opener = self.stack[-1]
            span = self.source.span(opener.start, opener.start + 1)
            self.problems.append(JsonUnclosed(span=span, what=f"`{opener.bracket}`", closer=_CLOSERS[opener.bracket]))
            self._close_all()
            return False
        if self.root is None:
            self.problems.append(JsonSyntax(span=self.source.span(0, 0), found="", expected=("`{`",)))
        return self.root is not None

    def _close_all(self) -> None:
        while self.stack:
            self._close(self.end)

    # --- tokens ------------------------------------------------------------------------------

    def _token(self, kind: str, text: str, span: Span) -> bool:
        """Take one token; false when nothing sensible can follow."""
        if kind == "comment":
            self._report(span, "comment", (), 'JSON has no comments: use `"about"`', "")
            return True
        if self.root is not None:
            return self._report(span, f"`{_short(text)}`", ("the end of the text",))
        if self.wants == "colon":
            if text in (":", "="):
                if text == "=":
                    self._report(span, "`=`", ("`:`",), "a name and its value have a `:` between them", ":")
                self.wants = "value"
                return True
            gap = self.source.span(self.end, self.end)
            self._report(gap, f"`{_short(text)}`", ("`:`",), "", ":")
            if text in ("}", "]", ","):
                self._take(JsonBroken(gap))
            else:
                self.wants = "value"
        if self.wants == "comma":
            return self._after_value(kind, text, span)
        if self.wants in ("first", "name", "item") and text in ("}", "]", ","):
            return self._no_value(text, span)
        if self.wants in ("first", "name") and self.stack[-1].is_object:
            return self._name(kind, text, span)
        return self._value(kind, text, span)

    def _after_value(self, kind: str, text: str, span: Span) -> bool:
        opener = self.stack[-1]
        if text == ",":
            self.comma = span
            self.wants = "name" if opener.is_object else "item"
            return True
        if text == _CLOSERS[opener.bracket]:
            self._close(span.end)
            return True
        if text in ("}", "]"):
            return self._report(span, f"`{text}`", ("`,`", f"`{_CLOSERS[opener.bracket]}`"))
        if kind in ("mark", "other") and text not in _CLOSERS:
            return self._report(span, f"`{text}`", ("`,`", f"`{_CLOSERS[opener.bracket]}`"))
        gap = self.source.span(self.end, self.end)
        self._report(gap, f"`{_short(text)}`", ("`,`",), "a comma goes between two members", ",")
        self.wants = "name" if opener.is_object else "item"
        return self._token(kind, text, span)

    def _no_value(self, text: str, span: Span) -> bool:
        """Take a closer or a comma where a member should begin."""
        if text == ",":
            return self._report(span, "`,`", (), "there is one comma between two members", "") or True
        if text != _CLOSERS[self.stack[-1].bracket]:
            return self._report(span, f"`{text}`", (f"`{_CLOSERS[self.stack[-1].bracket]}`",))
        if self.wants != "first":
            self._report(self.comma, "`,`", (), f"there is no comma before `{text}`", "")
        self._close(span.end)
        return True

    def _name(self, kind: str, text: str, span: Span) -> bool:
        if kind not in ("text", "word", "quoted"):
            return self._report(span, f"`{text}`", ("a name in double quotes", "`}`"))
        self.stack[-1].keys.append(self._text(kind, text, span))
        self.wants = "colon"
        return True

    def _value(self, kind: str, text: str, span: Span) -> bool:
        if text in _CLOSERS:
            if len(self.stack) >= MAX_DEPTH:
                self.problems.append(TooDeep(span=span, limit=MAX_NESTING))
                return False
            self.stack.append(_Open(text, span.start))
            self.wants = "first"
            return True
        if kind in ("text", "quoted"):
            self._take(self._text(kind, text, span))
        elif kind == "word":
            self._take(self._word(text, span))
        elif text in ("}", "]", ","):
            self._report(span, f"`{text}`", ("a value",))
            self._take(JsonBroken(span))
            return self.root is None and self._token(kind, text, span)
        else:
            return self._report(span, f"`{text}`", ("a value",))
        return True

    def _close(self, end: int) -> None:
        opener = self.stack.pop()
        self._take(opener.closed(self.source.span(opener.start, end)))

    def _take(self, value: Json) -> None:
        if self.stack:
            self.stack[-1].items.append(value)
            self.wants = "comma"
        else:
            self.root = value

    # --- scalars -----------------------------------------------------------------------------

    def _word(self, text: str, span: Span) -> Json:
        if _NUMBER.fullmatch(text):
            return JsonDigits(text, span)
        word = _WORDS.get(text.lower())
        if word == text:
            return JsonWord(word, span)
        if word is not None:
            self._report(span, f"`{text}`", (), f"write `{word}`", word)
            return JsonWord(word, span)
        if _LIKE_NUMBER.fullmatch(text):
            self.problems.append(JsonNumber(span=span, found=_short(text)))
            return JsonBroken(span)
        return self._text("word", text, span)

    def _text(self, kind: str, text: str, span: Span) -> JsonText:
        """Return a string; a bare word or one in single quotes is reported, and taken as the string it was meant as."""
        if kind == "text":
            if len(text) < 2 or not text.endswith('"') or _ends_in_escape(text):
                self.problems.append(JsonUnclosed(span=span, what="string", closer='"'))
                self.lost = True
                return JsonText(text[1:], span)
            return JsonText(self._decoded(text, span), span)
        meant = text[1:-1] if kind == "quoted" else text
        self._report(
            span,
            f"`{_short(text)}`",
            (),
            f"write it in double quotes: `{json.dumps(_short(meant))}`",
            json.dumps(meant, ensure_ascii=False),
        )
        return JsonText(meant, span)

    def _decoded(self, text: str, span: Span) -> str:
        raw = text[1:-1]
        if not _SPECIAL.search(raw):
            return raw

        def decode(match: re.Match[str]) -> str:
            found = match[0]
            if found in _ESCAPES:
                return _ESCAPES[found]
            if match["high"]:
                return chr(0x10000 + ((int(match["high"], 16) & 0x3FF) << 10) + (int(match["low"], 16) & 0x3FF))
            if match["code"] and not 0xD800 <= int(match["code"], 16) <= 0xDFFF:
                return chr(int(match["code"], 16))
            start = span.start + 1 + match.start()
            place = self.source.span(start, start + len(found))
            self.problems.append(JsonEscape(span=place, found=found, is_half=bool(match["code"])))
            return ""

        return _SPECIAL.sub(decode, raw)

    def _report(
        self, span: Span, found: str, expected: tuple[str, ...], advice: str = "", replacement: str | None = None
    ) -> bool:
        """Report what does not belong here; false, for those who cannot go on."""
        self.problems.append(
            JsonSyntax(span=span, found=found, expected=expected, advice=advice, replacement=replacement)
        )
        return False


_SPECIAL = re.compile(
    r"\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u(?P<code>[0-9a-fA-F]{4})|\\.|[\x00-\x1f]"
)
_ESCAPES = {
    r"\"": '"',
    r"\\": "\\",
    r"\/": "/",
    r"\b": "\b",
    r"\f": "\f",
    r"\n": "\n",
    r"\r": "\r",
    r"\t": "\t",
}


def _ends_in_escape(text: str) -> bool:
    """Whether the last quote of a string's text is an escaped one."""
    body = text[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
