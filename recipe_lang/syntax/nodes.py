"""The AST: what a recipe says, each node with the place where it is said.

Nodes know nothing of the vocabulary. Every node is frozen and carries its `Span`; two nodes are compared
without their spans, so that layout never counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recipe_lang.source import Source, Span

if TYPE_CHECKING:
    from recipe_lang.problem import Problem


def _span() -> Span:
    return field(compare=False, repr=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Number:
    """A number; `unit` as written (`epochs`, `px`, `%`) or None."""

    value: float
    unit: str | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Text:
    """A string, its escapes resolved."""

    value: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Name:
    """A bare or a dotted name."""

    value: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Reference:
    """`$name`."""

    name: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; `name` is None for a positional one."""

    name: str | None
    value: Node
    span: Span = _span()
    name_span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`."""

    name: str
    arguments: tuple[Argument, ...]
    span: Span = _span()
    name_span: Span = _span()


@dataclass(frozen=True, slots=True)
class List:
    """`[a, b]`."""

    items: tuple[Node, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Map:
    """`{ key = value }`."""

    entries: tuple[tuple[Node, Node], ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Range:
    """`low .. high`."""

    low: Node
    high: Node
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Except:
    """`whole except without`."""

    whole: Node
    without: Node
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Then:
    """`a then b then c`."""

    items: tuple[Node, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`first`, then operators with their operands, from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Negative:
    """`-value`."""

    value: Node
    span: Span = _span()


Node = Number | Text | Name | Reference | Call | List | Map | Range | Except | Then | Arithmetic | Negative


@dataclass(frozen=True, slots=True)
class Version:
    """`ftr 1`."""

    number: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Extends:
    """`extends "base.ftr"`."""

    path: Text
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Param:
    """`param name = default in domain`."""

    name: str
    default: Node
    domain: Node | None
    span: Span = _span()
    name_span: Span = _span()


@dataclass(frozen=True, slots=True)
class Drop:
    """`drop stage "title"`."""

    kind: str
    title: Text
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Field:
    """`name = value`."""

    name: str
    value: Node
    span: Span = _span()
    name_span: Span = _span()


@dataclass(frozen=True, slots=True)
class Claim:
    """`set.metric >= number`, and behind it `over 5 seeds` or nothing."""

    metric: Name
    operator: str
    value: Node
    seeds: Number | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Block:
    """`kind title { items }`."""

    kind: str
    title: Text | Number | None
    items: tuple[Item, ...]
    span: Span = _span()
    kind_span: Span = _span()
    head_span: Span = _span()


@dataclass(frozen=True, slots=True)
class Broken:
    """A statement that could not be read; `name` is its first word, so that nothing more is said of it."""

    name: str
    span: Span = _span()


Item = Version | Extends | Param | Drop | Field | Claim | Block | Broken


@dataclass(frozen=True, slots=True)
class Recipe:
    """A parsed file: its statements in order, what was wrong with its syntax, and the recipe that it extends."""

    source: Source
    items: tuple[Item, ...]
    problems: tuple[Problem, ...] = ()
    parent: Recipe | None = None


def references(node: Node) -> Iterator[Reference]:
    """Yield the parameters that a value names, at any depth."""
    match node:
        case Reference():
            yield node
        case Call():
            yield from (each for argument in node.arguments for each in references(argument.value))
        case List() | Then():
            yield from (each for item in node.items for each in references(item))
        case Map():
            yield from (each for entry in node.entries for part in entry for each in references(part))
        case Range(first, second) | Except(first, second):
            yield from references(first)
            yield from references(second)
        case Arithmetic(first, rest):
            yield from (each for part in (first, *(operand for _, operand in rest)) for each in references(part))
        case Negative(value):
            yield from references(value)
