"""Names that do not exist: E2, each with what was meant where that can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Edit, Problem
from recipe_lang.suggest import instead, renamed
from recipe_lang.words import listed, quoted, suggested


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownField(Problem):
    """Each block has a fixed set of fields; an unknown one is never silently dropped."""

    code: ClassVar[str] = "E201"
    name: str
    where: str
    options: tuple[str, ...]
    suggestion: str
    taken: bool = False  # what is suggested stands there already
    is_plain: bool = False  # the suggestion is another tool's name for the same

    def message(self) -> str:
        return f"unknown field `{self.name}` in {self.where}"

    def help(self) -> str:
        return suggested(self.suggestion, f"it has {quoted(self.options, 20)}")

    def edits(self) -> tuple[Edit, ...]:
        return () if self.taken else renamed(self.span, self.name, self.suggestion, self.is_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownBlock(Problem):
    """The blocks of a recipe are those of the language's reference."""

    code: ClassVar[str] = "E202"
    name: str
    options: tuple[str, ...]
    suggestion: str

    def message(self) -> str:
        return f"unknown block `{self.name}`"

    def help(self) -> str:
        return suggested(self.suggestion, f"the blocks are {quoted(self.options)}")

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEntry(Problem):
    """No optimizer, schedule, source, layer … of this name exists."""

    code: ClassVar[str] = "E203"
    name: str
    noun: str
    options: tuple[str, ...]
    suggestion: str
    is_plain: bool = False  # it is another tool's name for the same

    def message(self) -> str:
        return f"unknown {self.noun.split(' ', 1)[-1]} `{self.name}`"

    def label(self) -> str:
        return f"not {self.noun}"

    def help(self) -> str:
        return suggested(self.suggestion, f"there is {quoted(self.options)}")

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion, self.is_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownPart(Problem):
    """A selector names parts of this base (`base.stem`, `base.block1` ..), `base`, `head` or `all`."""

    code: ClassVar[str] = "E204"
    name: str
    base: str
    parts: tuple[str, ...]
    suggestion: str

    def message(self) -> str:
        if not self.parts:
            return f"selector `{self.name}` matches no part of any base"
        has = f"{self.parts[0]}, {self.parts[1]} .. {self.parts[-1]}" if len(self.parts) > 1 else "stem"
        return f"selector `{self.name}` matches nothing in {self.base}: it has {has}"

    def help(self) -> str:
        return suggested(self.suggestion, "write `base.NAME`, `base`, `head` or `all`")

    def edits(self) -> tuple[Edit, ...]:
        if self.suggestion == f"base.{self.name}":
            return instead(self.span, self.suggestion)
        return renamed(self.span, self.name, self.suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownParam(Problem):
    """`$name` stands for a parameter that the recipe declares with `param name = …`."""

    code: ClassVar[str] = "E205"
    name: str
    options: tuple[str, ...]
    suggestion: str

    def message(self) -> str:
        return f"unknown parameter `${self.name}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `${self.suggestion}`?"
        if self.options:
            return f"the recipe declares {quoted(self.options)}"
        return f"declare it above: `param {self.name} = …`"

    def edits(self) -> tuple[Edit, ...]:
        fits = self.suggestion and renamed(self.span, self.name, self.suggestion)
        return instead(self.span, f"${self.suggestion}") if fits else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownArgument(Problem):
    """Each call has a fixed set of arguments."""

    code: ClassVar[str] = "E206"
    name: str
    call: str
    options: tuple[str, ...]
    suggestion: str
    taken: bool = False  # what is suggested stands there already
    is_plain: bool = False  # the suggestion is another tool's name for the same

    def message(self) -> str:
        return f"`{self.call}` has no argument `{self.name}`"

    def help(self) -> str:
        some = f"it takes {quoted(self.options)}" if self.options else "it takes no arguments"
        return suggested(self.suggestion, some)

    def edits(self) -> tuple[Edit, ...]:
        return () if self.taken else renamed(self.span, self.name, self.suggestion, self.is_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMetric(Problem):
    """A metric is named with its set: `valid.accuracy`, `test.f1`."""

    code: ClassVar[str] = "E207"
    name: str
    sets: tuple[str, ...]
    metrics: tuple[str, ...]
    suggestion: str
    is_plain: bool = False  # it is another tool's name for the same
    is_of_test: bool = False  # it exists, for a set that does not choose

    def message(self) -> str:
        return f"`{self.name}` cannot be used here" if self.is_of_test else f"unknown metric `{self.name}`"

    def help(self) -> str:
        sets = listed(tuple(f"`{name}`" for name in self.sets))
        return suggested(self.suggestion, f"write {sets}, a dot, and one of {quoted(self.metrics, 20)}")

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion, self.is_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWord(Problem):
    """Where one of a few words is expected, there is another."""

    code: ClassVar[str] = "E208"
    name: str
    options: tuple[str, ...]
    suggestion: str
    is_plain: bool = False  # it is another tool's name for the same

    def message(self) -> str:
        return f"unknown word `{self.name}`"

    def label(self) -> str:
        return f"expected {listed(tuple(f'`{word}`' for word in self.options))}"

    def help(self) -> str:
        return suggested(self.suggestion)

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion, self.is_plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownString(Problem):
    """A string must name one of a known list, such as a zoo's models."""

    code: ClassVar[str] = "E209"
    name: str
    noun: str
    suggestion: str

    def message(self) -> str:
        return f'unknown {self.noun} "{self.name}"'

    def help(self) -> str:
        return f'did you mean "{self.suggestion}"?' if self.suggestion else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSetting(Problem):
    """`--set NAME=VALUE` replaces the value of a parameter that the recipe declares, nothing else."""

    code: ClassVar[str] = "E210"
    name: str
    options: tuple[str, ...]
    suggestion: str
    use: str = ""  # where the parameter would stand: "`lr = $lr` in line 7"

    def message(self) -> str:
        return f"the recipe declares no parameter `{self.name}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        name = self.name.rpartition(".")[2]
        use = f"write {self.use}" if self.use else f"use `${name}` where it is needed"
        add = f"add `param {name} = …` to the recipe and {use}"
        only = "only parameters can be set: " if "." in self.name else ""
        return only + (f"it declares {quoted(self.options)}; for another one {add}" if self.options else add)
