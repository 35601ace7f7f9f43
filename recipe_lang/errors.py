"""The problems that the text of a recipe alone shows: E1 syntax, E2 names, E3 types, E4 rules.

One class for each, with its wording. The docstring is the text of `ftr explain CODE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.diagnostics import Edit, Problem
from recipe_lang.source import Span
from recipe_lang.suggest import is_close


def listed(words: tuple[str, ...], last: str = "or") -> str:
    """Join words as a sentence does: `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def quoted(words: tuple[str, ...], limit: int = 12) -> str:
    """List names in backticks, the first `limit` of them."""
    shown = ", ".join(f"`{word}`" for word in words[:limit])
    return f"{shown}, … ({len(words)} in all)" if len(words) > limit else shown


def suggested(suggestion: str, fallback: str = "") -> str:
    """Turn a suggestion into help: a name becomes a question, a sentence stands as it is."""
    if " " in suggestion:
        return suggestion
    return f"did you mean `{suggestion}`?" if suggestion else fallback


def instead(span: Span | None, text: str) -> tuple[Edit, ...]:
    """Return the edit that puts a text in the place of a span."""
    return () if span is None else (Edit(span, text),)


def renamed(span: Span | None, name: str, suggestion: str) -> tuple[Edit, ...]:
    """Return the edit from a name to the suggested one, where that is close enough to be no guess."""
    return instead(span, suggestion) if is_close(name, suggestion) else ()


_SHORT = 70  # characters; a longer label repeats too much of the message

# --- E1: syntax ------------------------------------------------------------------------------


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
    """A bracket is closed by its partner; inside it a line breaks after the opener or a comma only."""

    code: ClassVar[str] = "E103"
    bracket: str

    def message(self) -> str:
        return f"this `{self.bracket}` is not closed"

    def help(self) -> str:
        closer = {"(": ")", "[": "]", "{": "}"}[self.bracket]
        return f"add `{closer}`; a line may break after `{self.bracket}` and after a comma only"


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
    r"""A string knows the escapes `\"`, `\\`, `\n`, `\t` and `\uXXXX`."""

    code: ClassVar[str] = "E106"
    escape: str

    def message(self) -> str:
        return f"unknown escape `{self.escape}`"

    def help(self) -> str:
        return 'write `\\\\` for a backslash; the others are `\\"`, `\\n`, `\\t`, `\\uXXXX`'

    def edits(self) -> tuple[Edit, ...]:
        return () if self.escape.startswith("\\u") else instead(self.span, f"\\{self.escape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TooDeep(Problem):
    """Brackets and blocks nest to 32 levels at most."""

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
    """A recipe file has 1 MB at most."""

    code: ClassVar[str] = "E109"
    path: str
    limit: int

    def message(self) -> str:
        return f"{self.path} is longer than {self.limit:,} bytes: that is no recipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Problem):
    """The file is not there, or may not be read."""

    code: ClassVar[str] = "E110"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot read {self.path}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoVersion(Problem):
    """The first line of a recipe that is not blank or a comment names the version of the language."""

    code: ClassVar[str] = "E111"
    version: int
    is_recipe: bool = True  # the rest of the text says so

    def message(self) -> str:
        return "a recipe begins with the version of the language"

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


# --- E2: names -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownField(Problem):
    """Each block has a fixed set of fields; an unknown one is never dropped in silence."""

    code: ClassVar[str] = "E201"
    name: str
    where: str
    options: tuple[str, ...]
    suggestion: str
    taken: bool = False  # what is suggested stands there already

    def message(self) -> str:
        return f"unknown field `{self.name}` in {self.where}"

    def help(self) -> str:
        return suggested(self.suggestion, f"it has {quoted(self.options, 20)}")

    def edits(self) -> tuple[Edit, ...]:
        return () if self.taken else renamed(self.span, self.name, self.suggestion)


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

    def message(self) -> str:
        return f"unknown {self.noun.split(' ', 1)[-1]} `{self.name}`"

    def label(self) -> str:
        return f"not {self.noun}"

    def help(self) -> str:
        return suggested(self.suggestion, f"there is {quoted(self.options)}")

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion)


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

    def message(self) -> str:
        return f"`{self.call}` has no argument `{self.name}`"

    def help(self) -> str:
        some = f"it takes {quoted(self.options)}" if self.options else "it takes no arguments"
        return suggested(self.suggestion, some)

    def edits(self) -> tuple[Edit, ...]:
        return () if self.taken else renamed(self.span, self.name, self.suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMetric(Problem):
    """A metric is named with its set: `valid.accuracy`, `test.f1`."""

    code: ClassVar[str] = "E207"
    name: str
    sets: tuple[str, ...]
    metrics: tuple[str, ...]
    suggestion: str

    def message(self) -> str:
        return f"unknown metric `{self.name}`"

    def help(self) -> str:
        sets = listed(tuple(f"`{name}`" for name in self.sets))
        return suggested(self.suggestion, f"write {sets}, a dot, and one of {quoted(self.metrics, 20)}")

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWord(Problem):
    """A place that takes one of a few words got another."""

    code: ClassVar[str] = "E208"
    name: str
    options: tuple[str, ...]
    suggestion: str

    def message(self) -> str:
        return f"unknown word `{self.name}`"

    def label(self) -> str:
        return f"expected {listed(tuple(f'`{word}`' for word in self.options))}"

    def help(self) -> str:
        return suggested(self.suggestion)

    def edits(self) -> tuple[Edit, ...]:
        return renamed(self.span, self.name, self.suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownString(Problem):
    """A string that names one of a known list (a zoo's model) names none of it."""

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

    def message(self) -> str:
        return f"the recipe declares no parameter `{self.name}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        if self.options:
            return f"it declares {quoted(self.options)}"
        return f"add `param {self.name} = …` to the recipe and use `${self.name}` where it counts"


# --- E3: types and ranges --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongType(Problem):
    """A value of one kind stands where another kind is expected."""

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
        return f"{self.what} is {self.found}, it must be {self.allowed}"

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
    """Only the first arguments of a call may stand without their names."""

    code: ClassVar[str] = "E304"
    call: str
    limit: int
    options: tuple[str, ...]

    def message(self) -> str:
        if not self.options:
            return f"`{self.call}` takes no arguments"
        count = {0: "no argument", 1: "one argument"}.get(self.limit, f"{self.limit} arguments")
        return f"`{self.call}` takes {count} without a name"

    def help(self) -> str:
        return f"name it: {', '.join(f'`{name} = …`' for name in self.options)}" if self.options else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionalAfterNamed(Problem):
    """Arguments without a name come first."""

    code: ClassVar[str] = "E305"

    def message(self) -> str:
        return "an argument without a name stands behind one with a name"

    def help(self) -> str:
        return "give it its name, or put it first"


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
        return "this selector leaves nothing"


# --- E4: rules across fields -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTwice(Problem):
    """A field, an argument, a parameter or a stage's title stands once."""

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
    """Some blocks must stand in every recipe."""

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
class Misplaced(Problem):
    """Each statement has its place: claims in `expect`, fields elsewhere, declarations at the top."""

    code: ClassVar[str] = "E406"
    what: str
    where: str
    hint: str = ""

    def message(self) -> str:
        return f"{self.what} cannot stand {self.where}"

    def help(self) -> str:
        return self.hint


# --- W7: advice ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedParam(Problem):
    """A parameter that stands nowhere as `$name` changes nothing, and neither does `--set`."""

    code: ClassVar[str] = "W701"
    name: str

    def message(self) -> str:
        return f"the parameter `{self.name}` is not used"

    def help(self) -> str:
        return f"write `${self.name}` where it counts, or remove it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcusesNothing(Problem):
    """A comment `# allow: W710` excuses that advice on its own line; one without such advice is a leftover."""

    code: ClassVar[str] = "W702"
    name: str

    def message(self) -> str:
        return f"this comment excuses nothing: there is no {self.name} on this line"

    def help(self) -> str:
        if not self.name.startswith("W"):
            return "only advice can be excused, and its codes begin with W"
        return "remove it, or write it on the line that the advice points at"
