"""The types that describe a vocabulary: what names exist and what may stand where.

The language itself knows no optimizer and no field. It is given a `Vocabulary`: blocks with
fields, families of calls with typed arguments, all plain values. One table row (`Entry`, `Arg`) feeds
the checker, the defaults, the documentation and the suggestions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_lang.suggest import folded, habit_of

if TYPE_CHECKING:
    from recipe_lang.check.checked import CallValue, CheckedRecipe
    from recipe_lang.problem import Problem


class Required:
    """The default of an argument or field that must be written."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = Required()


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`, in `unit` where it has one. A plain one takes `20%` for 0.2."""

    low: float | None = None
    high: float | None = None
    above: bool = False  # `low` itself is excluded
    below: bool = False  # `high` itself is excluded
    whole: bool = False
    unit: str | None = None
    unit_optional: bool = False


SEEDS = Number(2, 1000, whole=True, unit="seeds")
"""Over how many seeds a claim is: of a single one no interval can be said."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of training, `3 epochs` or `500 steps`; checks to a `Quantity`."""

    whole: bool = True
    zero: bool = False
    share: bool = False  # `10%` of the stage is a length as well
    in_epochs: bool = False  # every other tool counts it in epochs: what a number without a unit means


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path in a string, relative to the file that writes it."""


@dataclass(frozen=True, slots=True)
class HexDigits:
    """The first 8 to 64 hex digits of a SHA-256, in a string."""


@dataclass(frozen=True, slots=True)
class NothingType:
    """The word `none`."""


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few bare names; each with its documentation."""

    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OneOfStrings:
    """A string out of a long list of names, such as a zoo's models."""

    noun: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallOf:
    """A call of an entry of one of these families; a bare name is a call without arguments.

    With `then` it may be several calls that follow each other, which check to a tuple of `Value`.
    """

    families: tuple[str, ...]
    then: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of at least `least` values, and at most `most` where that is said."""

    item: Type
    least: int = 1
    most: int | None = None


@dataclass(frozen=True, slots=True)
class RangeOf:
    """`low .. high`, both of the item's type."""

    item: Number


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{ key = value, … }`."""

    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class Select:
    """Parts of the network: `head`, `base.block3 .. head`, lists of these, `except`, `matching("…")`."""


@dataclass(frozen=True, slots=True)
class MetricOf:
    """A metric on a set, such as `valid.accuracy`."""

    sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """The first of these types whose form the value has."""

    options: tuple[Type, ...]


Type = (
    Number
    | Duration
    | Truth
    | Text
    | FilePath
    | HexDigits
    | NothingType
    | Word
    | OneOfStrings
    | CallOf
    | ListOf
    | RangeOf
    | MapOf
    | Select
    | MetricOf
    | Either
)


Condition = tuple[str, str]
"""A top field that takes a `Word`, and a word of it: what holds where the recipe says `field = word`."""


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of an entry, or one field of a block.

    `default` is the Python value that the checked recipe holds when nothing is written: a number, a
    word, None; a call's default is written as recipe text in a `Default`. `by` has other defaults for where a
    condition holds. `examples` are of a field: each one or more statements of its block (an argument is shown by its
    entry's).

    An argument that is newer than its call names the release, `since`: while it is a default the resolved form leaves
    it out, so that the form that an old lock holds stays what it was.
    """

    name: str
    type: Type
    doc: str
    default: Any = REQUIRED
    identity: bool = True  # whether the value is part of the recipe's hash
    examples: tuple[str, ...] = ()
    by: Mapping[Condition, Any] = field(default_factory=dict)
    since: str = ""

    @property
    def must_be_written(self) -> bool:
        """Whether no recipe has a default for it, whatever its words."""
        return all(default is REQUIRED for default in (self.default, *self.by.values()))


@dataclass(frozen=True, slots=True)
class Default:
    """A default that is written in the language itself, such as `cosine`."""

    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A name that can be called: an optimizer, a source, a layer; where `only` has conditions, if one of them holds.

    `formula` is its definition, a line for each equation, the first line saying what the letters are. `examples` are
    statements for the place of its family; together they show every argument that no recipe of ours shows.
    """

    name: str
    doc: str
    args: tuple[Arg, ...] = ()
    source: str = ""
    positional: int = 1
    formula: str = ""
    examples: tuple[str, ...] = ()
    only: frozenset[Condition] = frozenset()


@dataclass(frozen=True, slots=True)
class MetricWord:
    """A name of a metric; where `only` has conditions, if one of them holds."""

    doc: str
    only: frozenset[Condition] = frozenset()


@dataclass(frozen=True, slots=True)
class Family:
    """Entries of one kind, with the noun for messages (`an optimizer`)."""

    name: str
    noun: str
    entries: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class BlockType:
    """A block: its fields, whether it has a title, how often it may stand. `examples` are whole blocks.

    `inside` are blocks that may stand in it, any number of each, and change some of its fields: of each, `begins` is
    what its header says in place of a title, and a field that it does not write stays as it was.
    """

    name: str
    doc: str
    fields: Mapping[str, Arg] = field(default_factory=dict)
    titled: bool = False
    repeated: bool = False
    required: bool = False
    claims: bool = False
    defaults_for: str | None = None  # `defaults` gives the fields of every `stage`
    begins: Type | None = None
    inside: Mapping[str, BlockType] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All that a recipe may say.

    `parts` gives a base's parts in order, without `base.` and without the head (None when unknown),
    and the name that messages use for it. `rules` look at a whole checked recipe for what no
    single value shows; `claim_rules` look at the claims alone, so that they hold whatever else is wrong. `later` are
    the codes of advice that only the data shows. `habits` maps words of other tools to ours, or to a sentence of
    advice, the words folded; those of `renamings` mean the very same, so that `ftr fix` writes ours.
    """

    version: int
    fields: Mapping[str, Arg]
    blocks: Mapping[str, BlockType]
    families: Mapping[str, Family]
    metrics: Mapping[str, MetricWord]
    sets: tuple[str, ...]
    parts: Callable[[CallValue], tuple[tuple[str, ...], str] | None]
    rules: tuple[Callable[[CheckedRecipe], Iterable[Problem]], ...] = ()
    later: frozenset[str] = frozenset()
    claim_rules: tuple[Callable[[CheckedRecipe], Iterable[Problem]], ...] = ()
    habits: Mapping[str, str] = field(default_factory=dict)
    renamings: frozenset[str] = frozenset()

    def every_block(self) -> dict[str, BlockType]:
        """Return all blocks by name, those inside of others as well."""
        return {
            name: kind for block in self.blocks.values() for name, kind in {block.name: block, **block.inside}.items()
        }

    def renames(self, word: str, name: str) -> bool:
        """Whether a word is known to be another tool's name for just what `name` is."""
        return folded(word) in self.renamings and " " not in name and name in habit_of(word, self.habits).split("|")


def table(*rows: Arg) -> dict[str, Arg]:
    """Return fields by name, in order."""
    return {row.name: row for row in rows}


def family(name: str, noun: str, *rows: Entry) -> Family:
    """Return a family of entries by name, in order."""
    return Family(name, noun, {row.name: row for row in rows})
