"""What is wrong with a recipe's syntax, or with its file: E1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Edit, Problem
from recipe_lang.source import Span
from recipe_lang.suggest import instead
from recipe_lang.words import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexpected(Problem):
    """The text does not follow the grammar: every statement is `name = value` or a block, one a line."""

    code: ClassVar[str] = "E101"
    found: str
    expected: tuple[str, ...]
    advice: str = ""
    fix: tuple[Edit, ...] = ()

    def message(self) -> str:
        if self.found and not self.found.isprintable():
            return f"unexpected character U+{ord(self.found[0]):04X}"
        return f"unexpected `{self.found}`" if self.found else "the statement is not complete"

    def label(self) -> str:
        return f"expected {listed(self.expected)}" if 0 < len(self.expected) <= 5 else ""

    def help(self) -> str:
        return self.advice

    def edits(self) -> tuple[Edit, ...]:
        return self.fix


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclosedString(Problem):
    """A string begins with a double quote and ends with one on the same line."""

    code: ClassVar[str] = "E102"

    def message(self) -> str:
        return "this string has no end"

    def help(self) -> str:
        return 'close it with `"` on the same line; write `\\n` for a new line and `\\"` for a quote'


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclosedBracket(Problem):
    """A bracket is closed by its partner; inside it a line breaks only after the opener or a comma."""

    code: ClassVar[str] = "E103"
    bracket: str

    def message(self) -> str:
        return f"this `{self.bracket}` is not closed"

    def help(self) -> str:
        closer = {"(": ")", "[": "]", "{": "}"}[self.bracket]
        return f"add `{closer}`; a line may break only after `{self.bracket}` or a comma"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclosedBlock(Problem):
    """A block ends with `}`."""

    code: ClassVar[str] = "E104"
    kind: str

    def message(self) -> str:
        return f"the block `{self.kind}` is not closed"

    def help(self) -> str:
        return "add `}` on a line of its own after its last field"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayBrace(Problem):
    """A `}` closes a block; here none is open."""

    code: ClassVar[str] = "E105"

    def message(self) -> str:
        return "this `}` closes nothing"

    def help(self) -> str:
        return "remove it, or look for a block above that was closed too early"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEscape(Problem):
    r"""A string knows the escapes `\"`, `\\`, `\n`, `\t` and `\uXXXX`.

    Paths have `/` between their parts, also those of Windows: in `"data\train"` a backslash and a `t` are a tab.
    """

    code: ClassVar[str] = "E106"
    escape: str
    string: Span

    def message(self) -> str:
        return f"unknown escape `{self.escape}`"

    def help(self) -> str:
        path = f"if it is a path, write `{self._path}`; else " if self._path else ""
        return path + 'write `\\\\` for a backslash; the others are `\\"`, `\\n`, `\\t`, `\\uXXXX`'

    def edits(self) -> tuple[Edit, ...]:
        return instead(self.string, self._path) if self._path else ()

    @property
    def _path(self) -> str:
        """The string with `/` for its backslashes; empty where they can be meant otherwise."""
        is_other = self.escape.startswith("\\u") or '\\"' in self.string.text
        return "" if is_other else re.sub(r"\\+", "/", self.string.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TooDeep(Problem):
    """Brackets and blocks nest at most 32 levels deep."""

    code: ClassVar[str] = "E107"
    limit: int

    def message(self) -> str:
        return f"brackets nest deeper than {self.limit} levels"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotText(Problem):
    """A recipe is UTF-8 text."""

    code: ClassVar[str] = "E108"
    path: str
    offset: int
    encoding: str = ""  # what it seems to be instead

    def message(self) -> str:
        if self.encoding:
            return f"{self.path} is {self.encoding}, a recipe is UTF-8 text"
        return f"{self.path} is not UTF-8 text (byte {self.offset})"

    def help(self) -> str:
        return "save it as UTF-8 in your editor"


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLong(Problem):
    """A recipe file has at most 1 MB."""

    code: ClassVar[str] = "E109"
    path: str
    limit: int

    def message(self) -> str:
        return f"{self.path} is longer than {self.limit:,} bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Problem):
    """The file is not there, or may not be read."""

    code: ClassVar[str] = "E110"
    path: str
    reason: str
    near: str = ""  # a file that may be meant

    def message(self) -> str:
        return f"cannot read {self.path}: {self.reason}"

    def help(self) -> str:
        if re.search(r"(^|/)[a-z]+:/", self.path):
            return "a recipe is a file on this machine: save it beside yours and name that file"
        return f"did you mean {self.near}?" if self.near else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoVersion(Problem):
    """The first line of a recipe that is not blank or a comment names the version of the language."""

    code: ClassVar[str] = "E111"
    version: int
    is_recipe: bool = True  # the rest of the text says so

    def message(self) -> str:
        begins = "begins with the version of the language"
        return f"a recipe {begins}" if self.is_recipe else f"this text is not a recipe, which {begins}"

    def help(self) -> str:
        return f"write `ftr {self.version}` as the first line"

    def edits(self) -> tuple[Edit, ...]:
        if self.span is None or not self.is_recipe:
            return ()
        line = self.span.start - self.span.column + 1
        return instead(self.span.source.span(line, line), f"ftr {self.version}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVersion(Problem):
    """This program reads one version of the language; a newer recipe needs a newer program."""

    code: ClassVar[str] = "E112"
    found: str
    version: int

    def message(self) -> str:
        return f"this recipe is written in version {self.found} of the language"

    def help(self) -> str:
        return f"this program reads version {self.version}: write `ftr {self.version}`, or use another ftr"

    def edits(self) -> tuple[Edit, ...]:
        return instead(self.span, f"ftr {self.version}") if float(self.found) == self.version else ()
