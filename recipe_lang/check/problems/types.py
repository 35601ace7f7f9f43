"""Values of the wrong kind, and numbers out of range: E3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Edit, Problem
from recipe_lang.source import Span
from recipe_lang.suggest import instead

_SHORT = 70  # characters; a longer label repeats too much of the message


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongType(Problem):
    """A value of one kind is given where another kind is expected."""

    code: ClassVar[str] = "E301"
    what: str
    expected: str
    found: str
    hint: str = ""
    meant: str = ""  # the right text, where there is no doubt

    def message(self) -> str:
        return f"{self.what} takes {self.expected}, not {self.found}"

    def label(self) -> str:
        return f"expected {self.expected}" if len(self.expected) <= _SHORT else ""

    def help(self) -> str:
        return self.hint

    def edits(self) -> tuple[Edit, ...]:
        return instead(self.span, self.meant) if self.meant else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfRange(Problem):
    """A number lies outside the range that makes sense here."""

    code: ClassVar[str] = "E302"
    what: str
    found: str
    allowed: str
    hint: str = ""

    def message(self) -> str:
        return f"{self.what} is {self.found}; it must be {self.allowed}"

    def help(self) -> str:
        return self.hint


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongUnit(Problem):
    """A number's unit is missing, unknown, or belongs to another kind of quantity."""

    code: ClassVar[str] = "E303"
    what: str
    found: str
    expected: str
    example: str
    is_plain: bool = False  # the example is what was meant

    def message(self) -> str:
        if self.found:
            return f"{self.what} takes {self.expected}, not `{self.found}`"
        return f"{self.what} takes {self.expected}; this number has no unit"

    def help(self) -> str:
        return f"write `{self.example}`" if self.example else ""

    def edits(self) -> tuple[Edit, ...]:
        return instead(self.span, self.example) if self.is_plain and self.example else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyArguments(Problem):
    """Only the first arguments of a call may be positional."""

    code: ClassVar[str] = "E304"
    call: str
    limit: int
    options: tuple[str, ...]

    def message(self) -> str:
        if not self.options:
            return f"`{self.call}` takes no arguments"
        count = {0: "no argument", 1: "one argument"}.get(self.limit, f"{self.limit} arguments")
        return f"`{self.call}` takes {count} by position"

    def help(self) -> str:
        return f"name it: {', '.join(f'`{name} = …`' for name in self.options)}" if self.options else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionalAfterNamed(Problem):
    """Positional arguments come before named ones."""

    code: ClassVar[str] = "E305"

    def message(self) -> str:
        return "a positional argument follows a named one"

    def help(self) -> str:
        return "name it, or put it first"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideDomain(Problem):
    """A parameter's value, its default or the one from `--set`, lies in the domain that it declares."""

    code: ClassVar[str] = "E306"
    name: str
    found: str
    domain: str
    domain_span: Span

    def message(self) -> str:
        return f"parameter `{self.name}` is {self.found}, outside its domain {self.domain}"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.domain_span, "the domain"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadArithmetic(Problem):
    """Arithmetic takes numbers; a sum takes numbers of one unit, nothing divides by zero."""

    code: ClassVar[str] = "E307"
    reason: str

    def message(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFew(Problem):
    """A list has fewer values than this place needs."""

    code: ClassVar[str] = "E308"
    what: str
    least: int

    def message(self) -> str:
        return f"{self.what} needs at least {self.least} value{'s' if self.least > 1 else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWhole(Problem):
    """This place counts things: it takes a whole number."""

    code: ClassVar[str] = "E309"
    what: str
    found: str
    near: str = ""  # the whole numbers below and above it

    def message(self) -> str:
        return f"{self.what} takes a whole number, not {self.found}"

    def help(self) -> str:
        return f"write {self.near}" if self.near else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackwardRange(Problem):
    """A range goes from the lower to the higher end; parts go in the order of the network."""

    code: ClassVar[str] = "E310"
    low: str
    high: str

    def message(self) -> str:
        return f"this range runs backwards: {self.low} comes after {self.high}"

    def help(self) -> str:
        return f"write `{self.high} .. {self.low}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadHash(Problem):
    """A hash is the first 8 to 64 hex digits of the file's SHA-256."""

    code: ClassVar[str] = "E311"

    def message(self) -> str:
        return "a hash has 8 to 64 hex digits"

    def help(self) -> str:
        return "copy it from `sha256sum FILE`"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptySelection(Problem):
    """A selector selects at least one part."""

    code: ClassVar[str] = "E312"

    def message(self) -> str:
        return "this selector selects nothing"

    def help(self) -> str:
        return "select at least one part, such as `head`"
