"""CheckedRecipe to text: every value written out, defaults included, parameters replaced by their values.

The text checks to the same values again (paths are made absolute), so a run folder keeps it as what was run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Metric, Quantity, Selection, Value, parts
from recipe_lang.check.conditions import vocabulary_of
from recipe_lang.source import Span


def print_recipe(recipe: CheckedRecipe, vocabulary: v.Vocabulary, places: bool = False) -> str:
    """Return a checked recipe as recipe text; with `places`, each value says the file and line that it comes from."""
    lines = [f"ftr {vocabulary.version}", ""]
    if places and recipe.params:
        lines += [*(f"# param {p.name} = {p.value}  # {_line(p.span)}" for p in recipe.params), ""]
    lines += _fields(recipe.fields, vocabulary.fields, vocabulary, "", places)
    for block in recipe.blocks:
        title = f" {_string(block.title)}" if vocabulary.blocks[block.kind].titled else ""
        lines += ["", f"{block.kind}{title} {{"]
        lines += _fields(block.fields, vocabulary.blocks[block.kind].fields, vocabulary, "  ", places)
        for inner in block.inside:
            kind = vocabulary.blocks[block.kind].inside[inner.kind]
            lines += [f"  {inner_header(inner, vocabulary)} {{"]
            lines += [*_fields(inner.fields, kind.fields, vocabulary, "    ", places), "  }"]
        lines += ["}"]
    if recipe.claims:
        claims = [
            f"  {c.metric} {c.operator} {_number(c.number)}"
            + (f" over {c.seeds} seeds" if c.seeds else "")
            + (f"  # {_line(c.span)}" if places else "")
            for c in recipe.claims
        ]
        home = next(name for name, kind in vocabulary.blocks.items() if kind.claims)
        lines += ["", f"{home} {{", *claims, "}"]
    return "\n".join(lines) + "\n"


def values_with_places(recipe: CheckedRecipe, vocabulary: v.Vocabulary) -> Iterator[dict[str, str]]:
    """Yield each value of a checked recipe: its block (empty at the top), field, text, and where it comes from."""
    tables = [("", recipe.fields, vocabulary.fields)]
    for block in recipe.blocks:
        name = f"{block.kind} {_string(block.title)}" if block.title else block.kind
        kind = vocabulary.blocks[block.kind]
        tables.append((name, block.fields, kind.fields))
        for each in block.inside:
            tables.append((f"{name}, {inner_header(each, vocabulary)}", each.fields, kind.inside[each.kind].fields))
    for where, fields, table in tables:
        for name, value in fields.items():
            text = value_text(value.value, table[name].type, vocabulary)
            yield {"block": where, "field": name, "value": text, "from": place_text(value)}


def changed_values(recipe: CheckedRecipe, vocabulary: v.Vocabulary) -> Iterator[tuple[CheckedBlock | None, str, str]]:
    """Yield each value that is not the default: its block (None at the top), field, and text without defaults.

    Of a block inside another one these are all that it writes.
    """
    vocabulary = vocabulary_of(recipe, vocabulary)
    for block, fields in [(None, recipe.fields), *((block, block.fields) for block in recipe.blocks)]:
        table = vocabulary.blocks[block.kind].fields if block else vocabulary.fields
        for name, value in fields.items():
            default = table[name].default
            if value.span is not None and value.value != default:
                text = value_text(_without_defaults(value, vocabulary).value, table[name].type, vocabulary)
                if not (isinstance(default, v.Default) and text == default.text):
                    yield block, name, text
        for inner in block.inside if block else ():
            for name, value in inner.fields.items():
                yield inner, name, value_text(_without_defaults(value, vocabulary).value, table[name].type, vocabulary)


def inner_header(block: CheckedBlock, vocabulary: v.Vocabulary) -> str:
    """Return how a block inside another one begins: `from 8 epochs`."""
    begins = vocabulary.every_block()[block.kind].begins
    assert begins is not None
    assert block.begins is not None
    return f"{block.kind} {value_text(block.begins.value, begins, vocabulary)}"


def _without_defaults(value: Value, vocabulary: v.Vocabulary) -> Value:
    """Return a value whose calls have only the arguments that are not the default."""
    match value.value:
        case CallValue() as call:
            table = {arg.name: arg.default for arg in vocabulary.families[call.family].entries[call.name].args}
            given = {name: arg for name, arg in call.args.items() if arg.span and arg.value != table[name]}
            kept = {name: _without_defaults(arg, vocabulary) for name, arg in given.items()}
            return replace(value, value=replace(call, args=kept))
        case tuple() as items:
            shorter = (_without_defaults(item, vocabulary) if isinstance(item, Value) else item for item in items)
            return replace(value, value=tuple(shorter))
    return value


def brief_text(value: Value, type_: v.Type, vocabulary: v.Vocabulary) -> str:
    """Return a checked value as recipe text, its calls without arguments that are the default."""
    return value_text(_without_defaults(value, vocabulary).value, type_, vocabulary)


def place_text(value: Value) -> str:
    """Say where a value is written: its file and line, and those of its parts that are written elsewhere."""
    if value.span is None:
        return "default"
    own = value.span
    elsewhere = dict.fromkeys(
        _line(part.span)
        for part in parts(value)
        if part.span and not (part.span.source is own.source and own.start <= part.span.start < own.end)
    )
    return ", ".join(dict.fromkeys((_line(own), *elsewhere)))


def _line(span: Span) -> str:
    return f"{span.source.name}:{span.line}"


_NOTE = 60  # column of the places, where the values are not longer


def _fields(
    fields: Mapping[str, Value], table: Mapping[str, v.Arg], vocabulary: v.Vocabulary, indent: str, places: bool
) -> Iterator[str]:
    written = {
        name: value_text(value.value, table[name].type, vocabulary)
        for name, value in fields.items()
        if not left_out(value, table[name])
    }
    width = max(map(len, written), default=0)
    for name, text in written.items():
        line = f"{indent}{name:<{width}} = {text}"
        yield f"{line:<{_NOTE}}  # {place_text(fields[name])}" if places else line


def left_out(value: Value, arg: v.Arg) -> bool:
    """Whether a default stays unwritten: one that `none` does not write, or of an argument that old forms have not."""
    options = arg.type.options if isinstance(arg.type, v.Either) else (arg.type,)
    is_nothing = value.value is None and not any(isinstance(option, v.NothingType) for option in options)
    return is_nothing or (bool(arg.since) and value.span is None)


def value_text(value: Any, type_: v.Type, vocabulary: v.Vocabulary) -> str:
    """Return a checked value as recipe text."""
    match value, type_:
        case None, _:
            return "none"
        case _, v.Either(options):
            return value_text(value, _option(value, options), vocabulary)
        case bool(), _:
            return "true" if value else "false"
        case Quantity(number, "stages"), _:
            return str(value) if float(str(value)[:-1]) / 100 == number else _number(number)
        case Quantity(number, unit), _:
            return f"{_number(number)}{_unit(number, unit)}"
        case Metric(), _:
            return str(value)
        case Selection(), _:
            return _selection(value)
        case Path(), _:
            return _string(str(value.absolute()))
        case CallValue(), _:
            return _call(value, vocabulary)
        case str(), v.Word():
            return value
        case str(), _:
            return _string(value)
        case (low, high), v.RangeOf(item):
            return f"{value_text(low, item, vocabulary)} .. {value_text(high, item, vocabulary)}"
        case tuple(), v.CallOf():
            return " then ".join(_call(each.value, vocabulary) for each in value)
        case tuple(), v.ListOf(item):
            return f"[{', '.join(value_text(each.value, item, vocabulary) for each in value)}]"
        case tuple(), v.MapOf(key, item):
            pairs = (
                f"{value_text(k.value, key, vocabulary)} = {value_text(each.value, item, vocabulary)}"
                for k, each in value
            )
            return f"{{ {', '.join(pairs)} }}"
        case _, v.Number(unit=unit):
            return f"{_number(value)}{_unit(value, unit)}"
    raise AssertionError(f"{value!r} is no {type_!r}")


def _unit(number: float, unit: str | None) -> str:
    if unit is None or unit == "px":
        return unit or ""
    return f" {unit.removesuffix('s') if number == 1 else unit}"


def _option(value: Any, options: tuple[v.Type, ...]) -> v.Type:
    """Return the first type of a choice that can have made a value."""
    for option in options:
        match option, value:
            case (
                (v.Number(), int() | float())
                | (v.CallOf(), CallValue())
                | (v.Text() | v.OneOfStrings() | v.HexDigits(), str())
                | (v.FilePath(), Path())
                | (v.RangeOf(), tuple())
                | (v.MetricOf(), Metric())
                | (v.Duration(), Quantity())
                | (v.Select(), Selection())
            ):
                return option
            case (v.MapOf() | v.ListOf(), tuple()) if _has_pairs(value) == isinstance(option, v.MapOf) or not value:
                return option
            case v.Word(words), str() if value in words:
                return option
    raise AssertionError(f"{value!r} is none of {options!r}")


def _has_pairs(value: tuple[Any, ...]) -> bool:
    return any(isinstance(each, tuple) for each in value)


def _call(call: CallValue, vocabulary: v.Vocabulary) -> str:
    table = {arg.name: arg for arg in vocabulary.families[call.family].entries[call.name].args}
    args = [
        f"{name} = {value_text(value.value, table[name].type, vocabulary)}"
        for name, value in call.args.items()
        if not left_out(value, table[name])
    ]
    return f"{call.name}({', '.join(args)})" if args else call.name


def _selection(selection: Selection) -> str:
    whole = [*selection.parts, *(f"matching({_string(pattern)})" for pattern in selection.patterns)]
    text = f"[{', '.join(whole)}]"
    if selection.without:
        gone = ", ".join(f"matching({_string(pattern)})" for pattern in selection.without)
        text += f" except [{gone}]"
    return text


def _number(value: float) -> str:
    text = repr(value)
    if "e" in text or "." in text:
        mantissa, _, exponent = text.partition("e")
        mantissa = mantissa.removesuffix(".0") if mantissa.endswith(".0") else mantissa
        return f"{mantissa}e{exponent}" if exponent else mantissa
    return text


def _string(text: str) -> str:
    """Quote a string; JSON's other escapes are written as `\\uXXXX`."""
    quoted = json.dumps(text, ensure_ascii=False)
    for escape, code in (("\\b", "\\u0008"), ("\\f", "\\u000c"), ("\\r", "\\u000d")):
        parts = quoted.split("\\\\")  # an escaped backslash is no start of an escape
        quoted = "\\\\".join(part.replace(escape, code) for part in parts)
    return quoted
