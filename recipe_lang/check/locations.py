"""Where a recipe says something, or would: `how_to_write(recipe, name, text, vocabulary)`.

For messages about what belongs into the recipe and was said elsewhere: with `--set`, or as an option of a command. In
goes the name of a field or an argument (`batch`, `lr`), out comes what to write, and on which line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from recipe_lang.check import vocabulary as v
from recipe_lang.check.conditions import narrowed, written_words
from recipe_lang.check.hints import holder_of
from recipe_lang.compose.merge import merge
from recipe_lang.source import Span
from recipe_lang.suggest import suggest_name
from recipe_lang.syntax import nodes
from recipe_lang.words import listed


@dataclass(frozen=True, slots=True)
class FieldLocation:
    """A field, or an argument of the call of that name: its type, its value where it is written, and its place."""

    type: v.Type
    value: nodes.Node | None
    span: Span
    call: str = ""


def spots(recipe: nodes.Recipe, name: str, vocabulary: v.Vocabulary) -> list[FieldLocation]:
    """Return where a recipe writes a field of this name; else the calls that take such an argument."""
    written = [(field, table) for field, table in _fields(merge(recipe).items, vocabulary)]
    first = next((table[name].type for table in _tables(vocabulary).values() if name in table), None)
    if first is not None:  # `train` is a field of `data` before it is one of a stage
        fields = [field for field, table in written if field.name == name and table[name].type == first]
        return [FieldLocation(first, field.value, field.span) for field in fields]
    calls = [call for field, _ in written for call in _calls(field.value)]
    return [spot for call in calls for spot in _argument(call, name, vocabulary)]


def _tables(vocabulary: v.Vocabulary) -> dict[str, Mapping[str, v.Arg]]:
    """Return the fields by the block that has them; those outside of all blocks come first."""
    return {"": vocabulary.fields, **{kind.name: kind.fields for kind in vocabulary.blocks.values()}}


def _argument(call: nodes.Call, name: str, vocabulary: v.Vocabulary) -> Iterator[FieldLocation]:
    entry = next(
        (family.entries[call.name] for family in vocabulary.families.values() if call.name in family.entries), None
    )
    for index, arg in enumerate(entry.args if entry else ()):
        if arg.name == name:
            of_it = (
                each for at, each in enumerate(call.arguments) if each.name in (name, None if at == index else name)
            )
            given = next(of_it, None)
            value, span = (given.value, given.span) if given else (None, call.span)
            yield FieldLocation(arg.type, value, span, call.name)


def _fields(items: Iterable[nodes.Item], vocabulary: v.Vocabulary) -> Iterator[tuple[nodes.Field, Mapping[str, v.Arg]]]:
    """Yield all fields that are right in their place, each with the fields that there are there."""
    for item in items:
        if isinstance(item, nodes.Field) and item.name in vocabulary.fields:
            yield item, vocabulary.fields
        elif isinstance(item, nodes.Block) and item.kind in vocabulary.blocks:
            kind = vocabulary.blocks[item.kind]
            table = vocabulary.blocks[kind.defaults_for].fields if kind.defaults_for else kind.fields
            inner = (field for field in item.items if isinstance(field, nodes.Field))
            yield from ((field, table) for field in inner if field.name in table)


def _calls(node: nodes.Node) -> Iterator[nodes.Call]:
    match node:
        case nodes.Name(name):
            yield nodes.Call(name, (), node.span, node.span)
        case nodes.Call(_, arguments):
            yield node
            yield from (call for argument in arguments for call in _calls(argument.value))
        case nodes.List(items):
            yield from (call for item in items for call in _calls(item))


def parameter_of(recipe: nodes.Recipe, name: str, vocabulary: v.Vocabulary) -> str:
    """Return the parameter that gives a field or an argument its value, or is called like it; empty where none does."""
    declared = [item.name for item in merge(recipe).items if isinstance(item, nodes.Param)]
    if name in declared:
        return name
    used = (spot.value.name for spot in spots(recipe, name, vocabulary) if isinstance(spot.value, nodes.Reference))
    return next((each for each in used if each in declared), "")


def how_to_write(recipe: nodes.Recipe, name: str, text: str, vocabulary: v.Vocabulary) -> str:
    """Say what gives a field or an argument the value that `text` means; empty where nothing is called so."""
    vocabulary = narrowed(vocabulary, written_words(merge(recipe).items, {}, vocabulary))
    found = spots(recipe, name, vocabulary)
    written = [spot for spot in found if spot.value is not None]
    if written:
        return f"`{name} = {_value(text, written[0].type, vocabulary)}` in {_lines(written, recipe)}"
    if found:
        calls = tuple(dict.fromkeys(f"`{spot.call}(…)`" for spot in found))
        value = _value(text, found[0].type, vocabulary)
        return f"`{name} = {value}` in {listed(calls, 'and')}, {_lines(found, recipe)}"
    return _unwritten(name, text, vocabulary)


def _lines(found: list[FieldLocation], recipe: nodes.Recipe) -> str:
    numbers = tuple(dict.fromkeys(str(spot.span.line) for spot in found if spot.span.source == found[0].span.source))
    source = found[0].span.source
    where = f" of {source.name}" if source != recipe.source else ""
    return f"line{'s' * (len(numbers) > 1)} {listed(numbers, 'and')}{where}"


def _unwritten(name: str, text: str, vocabulary: v.Vocabulary) -> str:
    """Say where a field stands that a recipe does not write, or the field whose default has such an argument."""
    tables = _tables(vocabulary)
    for block, table in tables.items():
        if name in table:
            return f"`{name} = {_value(text, table[name].type, vocabulary)}` {_home(block, vocabulary)}"
    for block, table in tables.items():
        for field in table.values():
            call = field.default.text if isinstance(field.default, v.Default) else ""
            for family in field.type.families if isinstance(field.type, v.CallOf) else ():
                entry = vocabulary.families[family].entries.get(call)
                for arg in entry.args if entry else ():
                    if arg.name == name:
                        value = _value(text, arg.type, vocabulary)
                        return f"`{field.name} = {call}({name} = {value})` {_home(block, vocabulary)}"
    return ""


def _home(block: str, vocabulary: v.Vocabulary) -> str:
    if not block:
        return "at the top, outside the blocks"
    return f"in a {block}" if vocabulary.blocks[block].repeated else f"in the block `{block}`"


def _value(text: str, type_: v.Type, vocabulary: v.Vocabulary) -> str:
    """Return what was typed as a value of a type: with its unit, in quotes, as the call that is meant."""
    if not text or text[:1] in '$"':
        return text or "…"
    options = type_.options if isinstance(type_, v.Either) else (type_,)
    for option in options:
        match option:
            case v.Number(unit="px") if text.isdecimal():
                return f"{text}px"
            case v.Duration() if text.isdecimal():
                return f"{text} epoch{'s' * (text != '1')}"
            case v.Text() | v.FilePath():
                return f'"{text}"'
            case v.CallOf(families) if "source" in families:
                return f'folder("{text}")'
            case v.CallOf(families):
                names = [name for family in families for name in vocabulary.families[family].entries]
                near = suggest_name(text, names, vocabulary.habits)
                return near or holder_of(text, option, vocabulary).removeprefix("write `").removesuffix("`") or text
    return text
