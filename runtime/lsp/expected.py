"""What the vocabulary expects at a cursor: `expected(cursor) -> Expected`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recipe_lang.check import vocabulary as v
from runtime.lsp.cursor import Bracket, Cursor
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Expected:
    """What may stand at a place.

    `names` are the fields, or the arguments of the call `of`, whose name may begin here; `types` those that a value may
    have (alternatives side by side). All are empty where the vocabulary does not say.
    """

    types: tuple[v.Type, ...] = ()
    names: Mapping[str, v.Arg] | None = None
    of: str = ""


NOTHING = Expected()


def fields(kind: str | None) -> Mapping[str, v.Arg]:
    """Return the fields that a block takes, or the recipe itself (None); none for an unknown block."""
    if kind is None:
        return VOCABULARY.fields
    block = VOCABULARY.every_block().get(kind)
    if block is None:
        return {}
    return VOCABULARY.blocks[block.defaults_for].fields if block.defaults_for else block.fields


def expected(cursor: Cursor) -> Expected:
    """Return what the vocabulary expects at a place."""
    kind = cursor.block.kind if cursor.block else None
    match cursor.statement:
        case ():
            return Expected(names=fields(kind), of=kind or "")
        case [word, sign, *_] if word.kind == "word" and sign.text == "=":
            arg = fields(kind).get(word.text)
            outer = Expected(_alternatives(arg.type) if arg else ())
        case [word, *_] if word.text == "param" and any(token.text == "=" for token in cursor.statement):
            outer = NOTHING
        case _:
            return NOTHING
    for bracket in cursor.brackets:
        outer = _inside(bracket, outer.types)
    return outer


def _alternatives(type_: v.Type) -> tuple[v.Type, ...]:
    if isinstance(type_, v.Either):
        return tuple(each for option in type_.options for each in _alternatives(option))
    return (type_,)


def entry(name: str, types: tuple[v.Type, ...]) -> tuple[v.Family, v.Entry] | None:
    """Return the call of this name that one of the types takes, else any of that name."""
    wanted = [family for type_ in types if isinstance(type_, v.CallOf) for family in type_.families]
    for family in (*(VOCABULARY.families[each] for each in wanted), *VOCABULARY.families.values()):
        if name in family.entries:
            return family, family.entries[name]
    return None


def _inside(bracket: Bracket, types: tuple[v.Type, ...]) -> Expected:
    match bracket.opener:
        case "(" if not bracket.name:
            return Expected(types)
        case "(":
            return _argument(bracket, types)
        case "[":
            return Expected(tuple(_items(types)))
    maps = [type_ for type_ in types if isinstance(type_, v.MapOf)]
    return Expected(tuple(each for m in maps for each in _alternatives(m.value if bracket.has_equal else m.key)))


def _items(types: tuple[v.Type, ...]) -> Iterator[v.Type]:
    for type_ in types:
        if isinstance(type_, v.ListOf):
            yield from _alternatives(type_.item)
        elif isinstance(type_, v.Select):
            yield type_


def _argument(bracket: Bracket, types: tuple[v.Type, ...]) -> Expected:
    if bracket.name == "matching" and any(isinstance(type_, v.Select) for type_ in types):
        return Expected((v.Text(),))
    found = entry(bracket.name, types)
    if found is None:
        return NOTHING
    call = found[1]
    table = {arg.name: arg for arg in call.args}
    if bracket.has_equal:
        arg = table.get(bracket.argument)
        return Expected(_alternatives(arg.type) if arg else ())
    positional = bracket.before < call.positional and not bracket.given
    first = list(table.values())[bracket.before : bracket.before + 1] if positional else []
    taken = set(bracket.given) | set(list(table)[: bracket.before - len(bracket.given)])
    left = {} if bracket.item else {name: arg for name, arg in table.items() if name not in taken}
    return Expected(tuple(each for arg in first for each in _alternatives(arg.type)), left, call.name)
