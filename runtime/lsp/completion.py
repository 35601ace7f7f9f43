"""What can be written at a place: `complete(reading, offset) -> suggestions`, from the vocabulary's tables.

Works on half-typed lines: where the place is comes from the text before it, what is there already from the statements
that can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.check import vocabulary as v
from recipe_lang.check.describe import describe, fits
from recipe_lang.check.quantities import quantity_text
from recipe_lang.syntax import nodes
from runtime.lsp.cursor import Cursor, cursor
from runtime.lsp.documentation import argument_doc, entry_doc, part_doc
from runtime.lsp.expected import Expected, expected
from runtime.lsp.reading import Reading, base, blocks, params, values, vocabulary
from runtime.tasks.catalog import METRICS
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to write at a place, instead of the characters from `start` on.

    `text` goes before the cursor and `tail` behind it; `kind` is field, block, argument, call, word, param, metric,
    part, unit, operator, keyword, name (of a network), file or folder. `doc` is Markdown.
    """

    label: str
    kind: str
    text: str
    start: int
    tail: str = ""
    detail: str = ""
    doc: str = ""


def complete(reading: Reading, offset: int, *, after_blank: bool = False) -> list[Suggestion]:
    """Return what can be written at a place of a text, the most likely first; prefixes are left to the editor.

    `after_blank` says that nobody asked, only a blank was typed: a blank begins a value, and no statement.
    """
    if reading.source.is_json:  # editors have its schema
        return []
    position = cursor(reading.source.text, offset)
    if position.in_comment or (after_blank and not position.statement):
        return []
    wanted = expected(position)
    if position.in_string:
        return list(_in_string(reading, position, wanted))
    if not position.statement:
        return list(_statements(reading, position, wanted))
    if position.behind_value:
        return list(_behind_bound(position) if _in_claims(position) else _behind_value(position, wanted))
    found = [
        *_arguments(reading, position, wanted),
        *_values(reading, position, wanted),
        *_references(reading, position, wanted),
    ]
    return list({(each.label, each.kind): each for each in found}.values())


# --- the beginning of a statement -------------------------------------------------------------


def _statements(reading: Reading, position: Cursor, wanted: Expected) -> Iterator[Suggestion]:
    if _in_claims(position):
        yield from _metrics(reading, position, VOCABULARY.sets, claim=True)
        return
    written = _written(reading, position)
    equal = "" if _follows(reading, position, r"\s*=") else " = "
    for name, arg in (wanted.names or {}).items():
        if name not in written:
            detail = describe(arg.type, VOCABULARY)
            yield Suggestion(name, "field", name + equal, position.start, detail=detail, doc=argument_doc(arg))
    if position.block is None:
        yield from _headers(reading, position)
    around = VOCABULARY.blocks.get(position.block.kind) if position.block else None
    for name, kind in around.inside.items() if around else ():
        yield Suggestion(name, "block", f"{name} ", position.start, " {\n    \n  }", "block", kind.doc)


def _in_claims(position: Cursor) -> bool:
    block = VOCABULARY.blocks.get(position.block.kind) if position.block else None
    return block is not None and block.claims


def _headers(reading: Reading, position: Cursor) -> Iterator[Suggestion]:
    written = {item.kind for item in reading.recipe.items if isinstance(item, nodes.Block)}
    for name, kind in VOCABULARY.blocks.items():
        if kind.repeated or name not in written:
            text, tail = (f'{name} "', '" {\n  \n}') if kind.titled else (f"{name} {{\n  ", "\n}")
            yield Suggestion(name, "block", text, position.start, tail, "block", kind.doc)
    has = {type(item) for item in reading.recipe.items}
    if nodes.Version not in has:
        yield Suggestion(
            "ftr", "keyword", f"ftr {VOCABULARY.version}", position.start, doc="The version of the language."
        )
    if nodes.Extends not in has:
        doc = "Builds on another recipe: fields that are written here replace those of the parent."
        yield Suggestion("extends", "keyword", 'extends "', position.start, '"', doc=doc)
    doc = "Declares a parameter that `--set` and a search can change, used as `$name`."
    yield Suggestion("param", "keyword", "param ", position.start, " = ", doc=doc)
    if reading.recipe.parent is not None:
        doc = "Removes a block of the parent."
        yield Suggestion("drop", "keyword", 'drop stage "', position.start, '"', doc=doc)


def _written(reading: Reading, position: Cursor) -> set[str]:
    """Return the fields that the place's block has, but for one that is being written at the place."""
    items = reading.recipe.items
    if position.block is not None:
        start = position.block.start
        outer = [item for item in items if isinstance(item, nodes.Block)]
        every = [*outer, *(item for block in outer for item in block.items if isinstance(item, nodes.Block))]
        items = next((block.items for block in every if block.head_span.start == start), ())
    return {
        item.name
        for item in items
        if isinstance(item, nodes.Field | nodes.Broken) and not item.span.start <= position.offset <= item.span.end
    }


def _follows(reading: Reading, position: Cursor, pattern: str) -> bool:
    return re.compile(pattern).match(reading.source.text, position.offset) is not None


# --- values -----------------------------------------------------------------------------------


def _arguments(reading: Reading, position: Cursor, wanted: Expected) -> Iterator[Suggestion]:
    equal = "" if _follows(reading, position, r"\s*=") else " = "
    for name, arg in (wanted.names or {}).items():
        detail = describe(arg.type, VOCABULARY)
        yield Suggestion(name, "argument", name + equal, position.start, detail=detail, doc=argument_doc(arg))


def _values(reading: Reading, position: Cursor, wanted: Expected) -> Iterator[Suggestion]:
    if position.before is not None and position.before.text in ("+", "-", "*", "/"):
        return
    for type_ in wanted.types:
        match type_:
            case v.Word(options):
                for word, doc in options.items():
                    yield Suggestion(word, "word", word, position.start, doc=doc)
            case v.Truth():
                yield from (Suggestion(word, "word", word, position.start) for word in ("true", "false"))
            case v.NothingType():
                yield Suggestion("none", "word", "none", position.start)
            case v.CallOf(families):
                yield from _calls(reading, position, families)
            case v.MetricOf(sets):
                yield from _metrics(reading, position, sets)
            case v.Select():
                yield from _parts(reading, position)
            case v.OneOfStrings(_, options):
                yield from (Suggestion(f'"{name}"', "name", f'"{name}"', position.start) for name in options)


def _calls(reading: Reading, position: Cursor, families: tuple[str, ...]) -> Iterator[Suggestion]:
    opened = _follows(reading, position, r"\w*\s*\(")
    here = vocabulary(reading.recipe)
    for family in (here.families[name] for name in families):
        for entry in family.entries.values():
            text, tail = entry.name, ""
            if entry.args and not opened:
                first = entry.args[0]
                quote = '"' if entry.positional and isinstance(first.type, _STRINGS) else ""
                text, tail = f"{entry.name}({quote}", f"{quote})"
            yield Suggestion(entry.name, "call", text, position.start, tail, family.noun, entry_doc(entry))


_STRINGS = (v.Text, v.FilePath, v.OneOfStrings, v.HexDigits)


def _metrics(reading: Reading, position: Cursor, sets: tuple[str, ...], *, claim: bool = False) -> Iterator[Suggestion]:
    for label in (f"{set_}.{name}" for set_ in sets for name in vocabulary(reading.recipe).metrics):
        metric = METRICS[label.rpartition(".")[2]]
        operator = f" {'>=' if metric.higher_is_better else '<='} " if claim else ""
        yield Suggestion(label, "metric", label + operator, position.start, doc=metric.doc)


def _parts(reading: Reading, position: Cursor) -> Iterator[Suggestion]:
    parts, name = base(reading.recipe)
    for part in ("head", *(f"base.{part}" for part in parts), "base", "all"):
        yield Suggestion(part, "part", part, position.start, doc=part_doc(part, parts, name))
    doc = "Parameters whose names match a pattern."
    yield Suggestion("matching", "call", 'matching("', position.start, '")', doc=doc)


def _references(reading: Reading, position: Cursor, wanted: Expected) -> Iterator[Suggestion]:
    """Suggest the parameters whose value has the form of a type that is wanted."""
    known = values(reading.recipe)
    first = position.statement[0]
    own = first.text == "param" and len(position.statement) > 1
    for name, param in params(reading.recipe).items():
        value = known.get(name)
        is_later = own and param.span.source is reading.source and param.span.start >= first.start
        if not is_later and (not wanted.types or value is None or any(_takes(type_, value) for type_ in wanted.types)):
            detail = "" if value is None else quantity_text(value)
            yield Suggestion(f"${name}", "param", f"${name}", position.start, detail=detail, doc=f"`{param.span.text}`")


def _takes(type_: v.Type, value: nodes.Node) -> bool:
    if isinstance(type_, v.Number) and isinstance(value, nodes.Number):
        return value.unit == type_.unit or (value.unit is None and type_.unit_optional)
    return fits(value, type_, VOCABULARY)


# --- behind a value ---------------------------------------------------------------------------


def _behind_value(position: Cursor, wanted: Expected) -> Iterator[Suggestion]:
    before = position.before
    if before is None or len(position.statement) < 2:
        return
    blank = " " if before.end == position.start else ""
    is_param = position.statement[0].text == "param" and not position.brackets
    if before.kind == "number":
        types = _ANY_UNIT if is_param else wanted.types
        for unit in _units(types, before.text == "1"):
            yield Suggestion(unit, "unit", unit if unit in ("%", "px") else blank + unit, position.start)
    if is_param and not any(token.text == "in" for token in position.statement):
        doc = "The domain that `--set` and a search stay inside."
        yield Suggestion("in", "operator", f"{blank}in ", position.start, doc=doc)
    if before.kind != "number" and any(isinstance(type_, v.Select) for type_ in wanted.types):
        yield Suggestion("..", "operator", f"{blank}.. ", position.start, doc="Parts from here to there, in order.")
        yield Suggestion("except", "operator", f"{blank}except ", position.start, doc="All of these but those.")


def _behind_bound(position: Cursor) -> Iterator[Suggestion]:
    """Suggest what stands behind the number of a claim."""
    before = position.before
    if before is None or not any(token.text in (">=", ">", "<=", "<") for token in position.statement):
        return
    blank = " " if before.end == position.start else ""
    if any(token.text == "over" for token in position.statement):
        if before.kind == "number":
            yield Suggestion("seeds", "unit", f"{blank}seeds", position.start)
        return
    if before.kind == "number":
        yield Suggestion("%", "unit", "%", position.start)
    doc = "The mean of several runs, with the interval that their seeds leave; `ftr run --seeds` tests it."
    yield Suggestion("over", "operator", f"{blank}over ", position.start, tail="5 seeds", doc=doc)


_ANY_UNIT = (v.Duration(), v.Number(unit="px"), v.Number(high=1))


def _units(types: tuple[v.Type, ...], is_one: bool) -> Iterator[str]:
    for type_ in types:
        match type_:
            case v.Duration(share=share):
                yield from ("epoch", "step") if is_one else ("epochs", "steps")
                yield from ("%",) * share
            case v.Number(unit=str(unit)):
                yield unit[:-1] if is_one and unit.endswith("s") else unit
            case v.Number(high=1) | v.RangeOf(v.Number(high=1)):
                yield "%"


# --- inside a string --------------------------------------------------------------------------


def _in_string(reading: Reading, position: Cursor, wanted: Expected) -> Iterator[Suggestion]:
    start = position.start + 1
    match position.statement:
        case [word] if word.text == "extends":
            yield from _files(reading, position, (".ftr", ".ftr.json"))
        case [word, kind] if word.text == "drop":
            yield from (_titles(reading, kind.text, start))
        case [word] if word.text in VOCABULARY.blocks:
            yield from _titles(reading, word.text, start)
    for type_ in wanted.types:
        if isinstance(type_, v.OneOfStrings):
            yield from (Suggestion(name, "name", name, start, detail=type_.noun) for name in type_.options)
        elif isinstance(type_, v.FilePath):
            yield from _files(reading, position, ("",))


def _titles(reading: Reading, kind: str, start: int) -> Iterator[Suggestion]:
    """Suggest the titles of the parents' blocks."""
    for (found, title), block in blocks(reading.recipe).items():
        if found == kind and title:
            yield Suggestion(title, "name", title, start, detail=f"{kind} of {Path(block.span.source.name).name}")


MAX_FILES = 200


def _files(reading: Reading, position: Cursor, endings: tuple[str, ...]) -> Iterator[Suggestion]:
    """Suggest the files and folders beside what is typed of a path, relative to the file that writes it."""
    typed = position.prefix[1:]
    folder, _, name = typed.rpartition("/")
    root = Path(reading.source.name).parent / (f"{folder}/" if folder or typed.startswith("/") else "")
    try:
        found = sorted(root.iterdir(), key=lambda path: (not path.is_dir(), path.name))
    except (OSError, ValueError):
        return
    shown = [path for path in found if path.name.startswith(".") == name.startswith(".")]
    start = position.offset - len(name)
    for path in shown[:MAX_FILES]:
        if path.is_dir():
            yield Suggestion(f"{path.name}/", "folder", f"{path.name}/", start)
        elif path.name.endswith(endings):
            yield Suggestion(path.name, "file", path.name, start)
