"""What can be wrong with a recipe that is written as JSON: one class for each, with its wording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Edit, Problem
from recipe_lang.suggest import renamed
from recipe_lang.words import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSyntax(Problem):
    """A `.ftr.json` file is JSON as RFC 8259 defines it: no comments, no comma at the end, double quotes only."""

    code: ClassVar[str] = "E120"
    found: str  # in words or backticks; empty at the end of the text
    expected: tuple[str, ...]
    advice: str = ""
    replacement: str | None = None  # what stands in the place of the span when it is put right

    def message(self) -> str:
        return f"unexpected {self.found} in JSON" if self.found else "the JSON text is not complete"

    def label(self) -> str:
        return f"expected {listed(self.expected)}" if self.expected else ""

    def help(self) -> str:
        return self.advice

    def edits(self) -> tuple[Edit, ...]:
        if self.span is None or self.replacement is None:
            return ()
        return (Edit(self.span, self.replacement),)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonUnclosed(Problem):
    """Each bracket and each string of a JSON text is closed by its partner."""

    code: ClassVar[str] = "E121"
    what: str
    closer: str

    def message(self) -> str:
        return f"this {self.what} is not closed"

    def help(self) -> str:
        return f"add `{self.closer}` where it ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonEscape(Problem):
    r"""A JSON string knows the escapes `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t` and `\uXXXX`.

    What `\u` cannot say in four digits takes two of them, a pair of surrogates.
    """

    code: ClassVar[str] = "E122"
    found: str
    is_half: bool = False  # one half of a surrogate pair

    def message(self) -> str:
        if self.is_half:
            return f"`{self.found}` is half of a character"
        if self.found.startswith("\\"):
            return f"unknown escape `{self.found}`"
        return f"a string holds no raw character U+{ord(self.found):04X}"

    def help(self) -> str:
        if self.is_half:
            return "write both halves, such as `\\ud83d\\ude00`, or the character itself"
        if self.found.startswith("\\"):
            return "write `\\\\` for a backslash"
        return f"write `\\{'t' if self.found == chr(9) else f'u{ord(self.found):04x}'}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonNumber(Problem):
    """A JSON number is decimal: digits on both sides of a dot, no sign `+`, no zeros in front, no NaN or Infinity."""

    code: ClassVar[str] = "E123"
    found: str

    def message(self) -> str:
        return f"`{self.found}` is not a JSON number"

    def help(self) -> str:
        return "write it as `12`, `0.5` or `1e-4`"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonStatement(Problem):
    """Each member of a JSON recipe is a statement: its name says which, such as `"data"` or `"param lr"`."""

    code: ClassVar[str] = "E124"
    key: str
    advice: str = ""

    def message(self) -> str:
        return f"`{self.key}` is not a statement" if self.key else "a statement has a name"

    def help(self) -> str:
        return self.advice or (
            'a member is a field `"base"`, a block `"data"` or `"stage head"`, `"param lr"`, `"drop stage head"`, '
            'or in `"expect"` a claim `"test.accuracy >="`'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonShape(Problem):
    """A value of a JSON recipe has one of a few forms, such as `0.5`, `"text"`, `{"name": "adam"}`.

    A name is `{"name": "adam"}`, a quantity `{"number": 3, "unit": "epochs"}`, a call
    `{"call": "adam", "with": {"lr": 0.1}}`.
    """

    code: ClassVar[str] = "E125"
    what: str
    expected: str
    found: str

    def message(self) -> str:
        return f"{self.what} takes {self.expected}, not {self.found}"

    def label(self) -> str:
        return f"expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonMember(Problem):
    """An object that stands for a value has the members of its form: all that it needs, each once, and no others."""

    code: ClassVar[str] = "E126"
    name: str
    form: str
    wrong: str  # `missing`, `unknown` or `given twice`
    options: tuple[str, ...] = ()
    suggestion: str = ""

    def message(self) -> str:
        return f'"{self.name}" is {self.wrong} in {self.form}'

    def help(self) -> str:
        if self.suggestion:
            return f'did you mean `"{self.suggestion}"`?'
        return f"it has {listed(tuple(f'`{chr(34)}{name}{chr(34)}`' for name in self.options))}" if self.options else ""

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion)
