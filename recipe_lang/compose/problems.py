"""What can be wrong where a recipe builds on another one: one class for each, with its wording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from recipe_lang.source import Span
from recipe_lang.words import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentOutside(Problem):
    """A parent lies in the folder of the recipe or below it, so that a recipe from somebody else reads no other files.

    `--allow-outside` allows others.
    """

    code: ClassVar[str] = "E114"
    path: str
    folder: str

    def message(self) -> str:
        return f"{self.path} lies outside of the recipe's folder {self.folder}"

    def help(self) -> str:
        return "move the parent beside the recipe, or say `--allow-outside` if you trust it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentCycle(Problem):
    """A recipe cannot build on itself, directly or through its parents."""

    code: ClassVar[str] = "E115"
    path: tuple[str, ...]

    def message(self) -> str:
        return f"the recipes extend each other in a circle: {' -> '.join(self.path)}"

    def help(self) -> str:
        return "remove one of these `extends` lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyParents(Problem):
    """A chain of parents has at most a few links: nobody can follow a longer one."""

    code: ClassVar[str] = "E116"
    limit: int

    def message(self) -> str:
        return f"a recipe builds on at most {self.limit} others"

    def help(self) -> str:
        return "`ftr show --flat` writes a recipe with its parents as one"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoParents(Problem):
    """`extends` and `drop` need the file that they name; a text that is read alone has no parents."""

    code: ClassVar[str] = "E117"
    what: str

    def message(self) -> str:
        return f"`{self.what}` has no meaning here: this text is read alone"

    def help(self) -> str:
        return "use the recipe's own file, or write it as one with `ftr show --flat`"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownDrop(Problem):
    """`drop` takes away a block that a parent has; its kind and title are the parent's."""

    code: ClassVar[str] = "E211"
    what: str
    options: tuple[str, ...]
    suggestion: str

    def message(self) -> str:
        return f"the parent has no {self.what}"

    def help(self) -> str:
        if self.suggestion:
            return f'did you mean "{self.suggestion}"?'
        return f"it has {quoted(self.options)}" if self.options else "remove the line"


@dataclass(frozen=True, slots=True, kw_only=True)
class WiderDomain(Problem):
    """A recipe can narrow the domain of a parent's parameter, not widen it."""

    code: ClassVar[str] = "E313"
    name: str
    domain: str
    domain_span: Span

    def message(self) -> str:
        return f"the domain of `{self.name}` goes beyond that of the parent, {self.domain}"

    def help(self) -> str:
        return "stay inside it, or declare a parameter of another name"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.domain_span, "the parent's domain"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTwice(Problem):
    """A field, an argument, a parameter or a stage's title is given once."""

    code: ClassVar[str] = "E401"
    what: str
    first: Span

    def message(self) -> str:
        return f"{self.what} is given twice"

    def label(self) -> str:
        return "the second time"

    def related(self) -> tuple[tuple[Span, str], ...]:
        return ((self.first, "the first time"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misplaced(Problem):
    """Each statement has its place: claims in `expect`, fields elsewhere, declarations at the top."""

    code: ClassVar[str] = "E406"
    what: str
    where: str
    hint: str = ""

    def message(self) -> str:
        return f"{self.what} does not belong {self.where}"

    def help(self) -> str:
        return self.hint
