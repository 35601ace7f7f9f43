"""The checked recipe: every value typed, in range, with its place; defaults filled in.

These are the language's own nouns. What they mean for training is the compiler's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recipe_lang.check.domains import Domain
from recipe_lang.problem import Problem
from recipe_lang.source import Source, Span
from recipe_lang.syntax.nodes import Recipe


@dataclass(frozen=True, slots=True)
class Value:
    """A checked value and where it is written; `span` is None for the language's default.

    The Python value is an int or float, bool, str (a string or a word), None, `Path`, `Quantity`, `CallValue`,
    `Metric`, `Selection`, a pair of numbers (range), a tuple of `Value` (list) or of pairs of them (map).
    """

    value: Any
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A length of training in `epochs` or `steps`, or, in `stages`, a share of its stage."""

    number: float
    unit: str

    def __str__(self) -> str:
        if self.unit == "stages":
            return f"{100 * self.number:.15g}%"
        unit = self.unit[:-1] if self.number == 1 else self.unit
        return f"{self.number:.15g} {unit}"

    def steps(self, steps_per_epoch: int, stage_steps: int = 0) -> int:
        """Return the length in steps, rounded to the nearest."""
        return round(self.number * {"epochs": steps_per_epoch, "stages": stage_steps}.get(self.unit, 1))

    def within(self, stage: Quantity) -> Quantity:
        """Return a share of a stage of this length in the stage's own unit; any other length as it is."""
        return Quantity(self.number * stage.number, stage.unit) if self.unit == "stages" else self


@dataclass(frozen=True, slots=True)
class CallValue:
    """A call of a family's entry with all its arguments, defaults included."""

    family: str
    name: str
    args: Mapping[str, Value]
    span: Span | None = field(default=None, compare=False)

    def __getitem__(self, name: str) -> Any:
        return self.args[name].value


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric on a set."""

    set: str
    name: str

    def __str__(self) -> str:
        return f"{self.set}.{self.name}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Parts of the network, in order (`base.stem` … `head`), and raw patterns over parameter names.

    `patterns` are those of `matching("…")`; `without` are patterns that an `except` takes away.
    """

    parts: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """One line of `expect`; `seeds` is over how many it is, 0 where it is of a single run."""

    metric: Metric
    operator: str
    number: float
    seeds: int
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class CheckedBlock:
    """A block's fields, all of them, in the vocabulary's order.

    One of the blocks `inside` it has those that it writes, and `begins` with what its header says.
    """

    kind: str
    title: str
    fields: Mapping[str, Value]
    span: Span | None = field(default=None, compare=False)
    head_span: Span | None = field(default=None, compare=False)
    begins: Value | None = None
    inside: tuple[CheckedBlock, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.fields[name].value

    def span_of(self, name: str) -> Span | None:
        """Return where a field is written, else the block's header."""
        return self.fields[name].span or self.head_span

    def phases(self) -> Iterator[CheckedBlock]:
        """Yield the block as it begins, and as each of those inside it leaves it."""
        now = replace(self, inside=())
        yield now
        for each in self.inside:
            now = replace(now, fields={**now.fields, **each.fields}, begins=each.begins, head_span=each.head_span)
            yield now


@dataclass(frozen=True, slots=True)
class CheckedParam:
    """A parameter's value (the default's or `--set`'s) as recipe text, whether it was set, and what else it may be."""

    name: str
    value: str
    was_set: bool
    span: Span = field(compare=False)
    domain: Domain | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CheckedRecipe:
    """A recipe that makes sense: ready to be compiled. `written` is what it was checked from, parents and all."""

    source: Source
    fields: Mapping[str, Value]
    blocks: tuple[CheckedBlock, ...]
    params: tuple[CheckedParam, ...]
    claims: tuple[CheckedClaim, ...]
    written: Recipe = field(compare=False, repr=False)
    advice: tuple[Problem, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.fields[name].value

    def block(self, kind: str) -> CheckedBlock:
        """Return the one block of a kind.

        Raises:
            KeyError: the recipe has none.
        """
        for block in self.blocks:
            if block.kind == kind:
                return block
        raise KeyError(kind)

    def all(self, kind: str) -> Iterator[CheckedBlock]:
        """Yield the blocks of a kind, in order."""
        return (block for block in self.blocks if block.kind == kind)

    def phases(self, kind: str) -> Iterator[CheckedBlock]:
        """Yield each block of a kind as it begins, and as each of those inside it leaves it."""
        return (phase for block in self.all(kind) for phase in block.phases())

    def all_values(self, kind: str, name: str) -> Iterator[Value]:
        """Yield what blocks of a kind have in a field, each with what those inside it write there."""
        for block in self.all(kind):
            yield from (each.fields[name] for each in (block, *block.inside) if name in each.fields)

    def values(self) -> Iterator[Value]:
        """Yield every value of the recipe, and those inside of values, at any depth."""
        every = [each for block in self.blocks for each in (block, *block.inside)]
        for fields in (self.fields, *(block.fields for block in every)):
            for value in fields.values():
                yield from (value, *parts(value))


def parts(value: Value) -> Iterator[Value]:
    """Yield the values inside a value, at any depth."""
    match value.value:
        case CallValue(args=args):
            inner: list[Any] = list(args.values())
        case tuple() as items:
            inner = [part for item in items for part in (item if isinstance(item, tuple) else (item,))]
        case _:
            inner = []
    for part in inner:
        if isinstance(part, Value):
            yield part
            yield from parts(part)
