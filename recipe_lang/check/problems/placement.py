"""What stands at the wrong place, E212 and E4, or not at all; and what has no use, W70."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Edit, Problem
from recipe_lang.source import Span
from recipe_lang.suggest import instead
from recipe_lang.words import listed, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHere(Problem):
    """Some names can only be used when a top-level field has a particular value."""

    code: ClassVar[str] = "E212"
    name: str
    noun: str
    conditions: tuple[tuple[str, str], ...]  # fields and their words, of which one would do
    word: str  # what the first of these fields is
    place: Span | None  # where it says so
    options: tuple[str, ...]

    def message(self) -> str:
        return belonging(self.name, self.noun, self.conditions)

    def label(self) -> str:
        return f"the {self.conditions[0][0]} here is {self.word}"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.place, f"the {self.conditions[0][0]}"),) if self.place else ()

    def help(self) -> str:
        use = "use one of" if len(self.options) > 1 else "use"
        others = f", or {use} {quoted(self.options, 20)}" if self.options else ""
        return f"write {_listed(self.conditions)}{others}"


def belonging(name: str, noun: str, conditions: Iterable[tuple[str, str]]) -> str:
    """Say with which words a name can be used: "`steam` is a heat for `dish = rice`"."""
    return f"`{name}` is {noun} for {_listed(conditions)}"


def _listed(conditions: Iterable[tuple[str, str]]) -> str:
    return listed(tuple(f"`{field} = {word}`" for field, word in conditions))


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingField(Problem):
    """A field without a default must be written."""

    code: ClassVar[str] = "E402"
    name: str
    where: str
    doc: str

    def message(self) -> str:
        return f"{self.where} has no `{self.name}`"

    def help(self) -> str:
        return f"add `{self.name} = …`: {self.doc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingArgument(Problem):
    """An argument without a default must be written."""

    code: ClassVar[str] = "E403"
    name: str
    call: str
    doc: str

    def message(self) -> str:
        return f"`{self.call}` needs `{self.name}`"

    def help(self) -> str:
        return f"add `{self.name} = …`: {self.doc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBlock(Problem):
    """Some blocks are required in every recipe."""

    code: ClassVar[str] = "E404"
    name: str
    header: str
    doc: str

    def message(self) -> str:
        return f"the recipe has no block `{self.name}`"

    def help(self) -> str:
        return f"add {self.header} … `}}`: {self.doc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadTitle(Problem):
    """A stage has a title in quotes, so that reports can name it; the other blocks have none."""

    code: ClassVar[str] = "E405"
    kind: str
    needed: bool

    def message(self) -> str:
        return f"a `{self.kind}` block {'needs a title' if self.needed else 'has no title'}"

    def help(self) -> str:
        return f"write `{self.kind}{' ' + chr(34) + '…' + chr(34) if self.needed else ''} {{`"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedParam(Problem):
    """A parameter that is used nowhere as `$name` changes nothing, and neither does `--set`."""

    code: ClassVar[str] = "W701"
    name: str

    def message(self) -> str:
        return f"the parameter `{self.name}` is not used"

    def help(self) -> str:
        return f"write `${self.name}` where it is needed, or remove it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcusesNothing(Problem):
    """A comment `# allow: W710` silences that advice on its own line; one without such advice is a leftover."""

    code: ClassVar[str] = "W702"
    name: str
    is_other_form: bool = False  # such as `# allow W710`

    def message(self) -> str:
        if self.is_other_form:
            return "this comment silences nothing: it does not have the right form"
        return f"this comment silences nothing: there is no {self.name} on this line"

    def help(self) -> str:
        if self.is_other_form:
            return f"write `# allow: {self.name}`"
        if not self.name.startswith("W"):
            return "only advice can be silenced, and its codes begin with W"
        return "remove it, or write it on the line that the advice points to"

    def edits(self) -> tuple[Edit, ...]:
        return instead(self.span, f"# allow: {self.name}") if self.is_other_form else ()
