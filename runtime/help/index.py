"""Where in a recipe the names of the vocabulary can stand: read from its tables, for documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from recipe_lang.check import vocabulary as v
from runtime.vocabulary import VOCABULARY


def field_tables() -> dict[str, Mapping[str, v.Arg]]:
    """Return the tables of fields by where they stand, in words such as "the recipe"."""
    blocks = {f"`{name}`": block.fields for name, block in VOCABULARY.blocks.items() if block.fields}
    return {"the recipe": VOCABULARY.fields, **blocks}


def entries() -> Iterator[tuple[v.Family, v.Entry]]:
    """Yield what can be called, each with its family."""
    for family in VOCABULARY.families.values():
        for entry in family.entries.values():
            yield family, entry


def arguments() -> Iterator[tuple[str, v.Arg]]:
    """Yield all fields and arguments, each with where it stands, in words."""
    for where, fields in field_tables().items():
        yield from ((where, arg) for arg in fields.values())
    for _, entry in entries():
        yield from ((f"`{entry.name}`", arg) for arg in entry.args)


def shared_arguments() -> list[tuple[v.Arg, list[str]]]:
    """Return the arguments of calls, each once with the calls that take it: the same name, type and default."""
    kinds: list[tuple[v.Arg, list[str]]] = []
    named: dict[str, list[tuple[v.Arg, list[str]]]] = {}
    for _, entry in entries():
        for arg in entry.args:
            same = named.setdefault(arg.name, [])
            calls = next((calls for kind, calls in same if kind == arg), None)
            if calls is None:
                same.append((arg, [entry.name]))
                kinds.append(same[-1])
            else:
                calls.append(entry.name)
    return kinds


def words() -> Iterator[tuple[str, v.Arg, str, str]]:
    """Yield the words that stand in a place of their own: the place, what takes it, the word and its meaning."""
    for where, arg in arguments():
        for options in words_of(arg.type):
            yield from ((where, arg, word, doc) for word, doc in options.items())


def words_of(type_: v.Type) -> Iterator[Mapping[str, str]]:
    """Yield the words that a type takes, each with its meaning."""
    if isinstance(type_, v.Word):
        yield type_.options
    for inner in _inside(type_):
        yield from words_of(inner)


def uses(family: str) -> tuple[str, ...]:
    """Return where calls of a family stand, in words: the field or argument, and what it belongs to."""
    return tuple(f"`{arg.name}` of {where}" for where, arg in arguments() if family in _called(arg.type))


def _called(type_: v.Type) -> tuple[str, ...]:
    own = type_.families if isinstance(type_, v.CallOf) else ()
    return (*own, *(name for inner in _inside(type_) for name in _called(inner)))


def _inside(type_: v.Type) -> tuple[v.Type, ...]:
    match type_:
        case v.Either(types):
            return types
        case v.ListOf(item) | v.MapOf(_, item):
            return (item,)
    return ()
