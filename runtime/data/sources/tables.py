"""Tables of images: `read_table(path)` gives the columns and rows of a CSV file; others, the images that they name.

A table is UTF-8 text. Its first line names the columns, and a comma, semicolon, tab or `|` separates them: the one
under which the first line has the names that are asked for, else the most names. What cannot be meant is refused with
its line; nothing is dropped but white space around a cell, blank rows, and blank cells behind the last column.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import counted
from runtime.data import problems
from runtime.data.listing import Listing, Sample
from runtime.data.problems import quoted
from runtime.data.similar_labels import NUMBER, alike, seen
from runtime.data.sources.files import existing, meant_path
from runtime.system.files import nearest

_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not blank: the line that it begins in, and a cell for each column at least."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The columns' names and the rows of a CSV file, without white space around them."""

    path: Path
    separator: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def cells(self, column: int) -> list[str]:
        """Return the cells of a column by its position."""
        return [row.cells[column] for row in self.rows]


def read_table(path: Path, wanted: Collection[str] = ()) -> Table:
    """Read a table; `wanted` are columns that it should have.

    Raises:
        RecipeError: it is not there, or no table that can be read.
    """
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _of_json_lines(existing(path, "file"))
    lines = list(io.StringIO(_text(existing(path, "file")), newline=""))
    told = re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE) if lines else None  # Excel's own line
    head = lines[1:2] if told else lines[:1]
    separator = told[1] if told else max(_SEPARATORS, key=lambda each: _names(head, each, wanted))
    (_, columns), *rows = [*_rows(path, lines, separator, 1 if told else 0)] or [(1, [])]
    while columns and not columns[-1]:
        columns.pop()
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if not rows or not columns:
        fault = "it has no rows" if columns else "its first line is blank" if rows else "it is empty"
        raise _unreadable(path, fault)
    filled = (Row(line, (*cells, *[""] * (len(columns) - len(cells)))) for line, cells in rows)
    return Table(path, separator, tuple(columns), tuple(filled))


def _of_json_lines(path: Path) -> Table:
    """Read lines of JSON, an object each, as a table: a column for each key, blank where an object lacks it."""
    found: list[tuple[int, dict[str, Any]]] = []
    for number, text in enumerate(_text(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            hint = 'write `{"file_name": "1.jpg", …}` on each line'
            raise _unreadable(path, f"line {number} is no JSON object", hint)
        found.append((number, row))
    columns = tuple(dict.fromkeys(key for _, row in found for key in row))
    if not columns:
        raise _unreadable(path, "it has no rows")
    rows = (Row(line, tuple(_cell(row.get(column)) for column in columns)) for line, row in found)
    return Table(path, ",", columns, tuple(rows))


def _cell(value: Any) -> str:
    """Return a value of JSON as a cell: text as it is, a list of texts as labels between commas."""
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool() | int() | float():
            return str(value).lower() if isinstance(value, bool) else str(value)
        case list() if all(isinstance(each, str | int) for each in value):
            return ",".join(map(str, value))
        case _:
            return json.dumps(value)


def _names(head: list[str], separator: str, wanted: Collection[str]) -> tuple[bool, int]:
    """Rank a separator by what the first line is with it."""
    try:
        names = [cell.strip() for cell in next(csv.reader(head, delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:  # said where the rows are read
        names = []
    return bool(wanted) and set(wanted) <= set(names), len(names)


def _rows(path: Path, lines: list[str], separator: str, passed: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line in which each row begins, and its cells."""
    reader = csv.reader(lines[passed:], delimiter=separator, skipinitialspace=True, strict=True)
    begin = 1 + passed
    try:
        for row in reader:
            yield begin, [cell.strip() for cell in row]
            begin = 1 + passed + reader.line_num
    except csv.Error as fault:
        end = passed + reader.line_num
        reason = str(fault)
        if "field larger" in reason:
            reason = f"a cell of line {begin} has more than {csv.field_size_limit():,} characters"
            raise _unreadable(path, reason, "is there a quote that does not close?") from fault
        if "unexpected end" in reason:
            reason = f"a quote that opens in line {begin} does not close"
        elif "expected after" in reason:
            reason = f"a quote that opens in line {begin} closes in line {end} in the middle of a cell"
        raise _unreadable(path, reason, 'close it, or write a quote that belongs to the text twice: `""`') from fault


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise RecipeError(problems.UnreadableData(path=str(path), reason=fault.strerror or str(fault))) from fault
    if content.startswith(b"PK\3\4"):
        raise _unreadable(path, "it is an Excel workbook or another zip archive")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(path, "it is UTF-16 text", _converted(path, "UTF-16"))
    if b"\0" in content:
        raise _unreadable(path, f"it is not text: line {_line(content, content.index(0))} holds a NUL byte")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = _line(fault.object, fault.start)  # both without the byte order mark, which is no line
        reason = f"it is not UTF-8 text: line {line} holds the byte {fault.object[fault.start]:#04x}"
        raise _unreadable(path, reason, f"if Windows wrote it: {_converted(path, 'WINDOWS-1252')}") from None


def _line(content: bytes, offset: int) -> int:
    return 1 + content.count(b"\n", 0, offset)


def _converted(path: Path, encoding: str) -> str:
    old, new = map(shlex.quote, (str(path), str(path.with_stem(f"{path.stem}-utf8"))))
    return f"save it as `CSV UTF-8`, or convert it: `iconv -f {encoding} -t UTF-8 {old} > {new}`"


def _unreadable(path: Path, reason: str, hint: str = "") -> RecipeError:
    return RecipeError(problems.UnreadableTable(path=str(path), reason=reason, hint=hint))


@dataclass(frozen=True, slots=True)
class Named:
    """What a row says: the path of an image as it is written, in POSIX form, and what it says of it, as text."""

    line: int
    image: str
    said: tuple[str, ...]

    @property
    def label(self) -> str:
        """What it says, as it is shown."""
        return ", ".join(self.said)


def csv_classes(path: Path, image: str, label: str, root: Path | None = None, training: bool = True) -> Listing:
    """List the images that a table names, with their classes: `image` and `label` are columns of its first line.

    Classes are the labels as text, sorted by value where all are numbers, else by code points. For a set that only
    evaluates (`training` false) one class is enough. Paths and ids are as `images_of` has them.
    """
    table, base, named, bad = images_of(path, image, {"label": label}, root)
    labels = list(dict.fromkeys(each.label for each in named))
    classes = tuple(sorted(labels, key=_by_value if all(map(NUMBER.fullmatch, labels)) else None))
    raise_all([*bad, *_unlike_labels(table, named)])
    if training and len(classes) == 1:
        raise RecipeError(problems.OneClass(path=str(path), name=classes[0]))
    position = {name: index for index, name in enumerate(classes)}
    return listing_of_rows(base, named, [position[each.label] for each in named], classes)


def csv_numbers(path: Path, image: str, columns: Sequence[str], root: Path | None = None) -> Listing:
    """List the images that a table names, with the numbers in some of its columns. Paths and ids are as for classes."""
    table, base, named, bad = images_of(path, image, {quoted(name): name for name in columns}, root)
    bad += [
        problems.BadRow(
            path=str(path), line=each.line, reason=f"{quoted(name)} is {quoted(cell)}, no number", hint=hint
        )
        for each in named
        for name, cell in zip(columns, each.said, strict=True)
        if (hint := _no_number(cell)) is not None
    ]
    raise_all(bad)
    return listing_of_rows(base, named, [tuple(map(float, each.said)) for each in named], tuple(columns))


_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number, as a target may be."""
    return _FLOAT.fullmatch(cell.strip()) is not None and isfinite(float(cell))


def _no_number(cell: str) -> str | None:
    """Return what to do about a cell that is not a number; None where it is one."""
    if is_number(cell):
        return None
    point = cell.replace(",", ".", 1)
    return f"write a decimal point: {point}" if _FLOAT.fullmatch(point.strip()) else "complete or remove the row"


def listing_of_rows(base: Path, named: Sequence[Named], targets: Sequence[Any], names: tuple[str, ...]) -> Listing:
    """Return the listing of what rows say, with a target for each."""
    ids = ids_of(base, [each.image for each in named])
    rows = zip(ids, targets, named, strict=True)
    return Listing(tuple(Sample(id, target, base / each.image) for id, target, each in rows), names)


def images_of(
    path: Path,
    image: str,
    columns: Mapping[str, str],
    root: Path | None,
    *,
    may_be_blank: bool = False,
    may_repeat: bool = False,
) -> tuple[Table, Path, list[Named], list[Problem]]:
    """Read a table; return it, the folder of its images, what its rows say in some columns, and what is wrong with it.

    The columns are called as in messages; where they may be blank, an image of them still has a name.

    Image paths are relative to `root`, by default the table's own folder. Where one is absolute, ids are relative to
    the folder that all images have in common, so that they are the same wherever it lies.
    """
    table = read_table(path, (image, *columns.values()))
    base = path.parent if root is None else existing(root, "folder")
    indices = {what: column_of(table, column) for what, column in columns.items()}
    named, bad = _named(table, column_of(table, image), indices, may_be_blank)
    repeated = () if may_repeat else _repeated(table, base, named, "label" not in columns)
    return table, base, named, [*bad, *_missing(table, base, named), *repeated]


def _by_value(text: str) -> tuple[float, str]:
    return float(text), text


def column_of(table: Table, name: str) -> int:
    """Return the position of a column."""
    indices = [index for index, column in enumerate(table.columns) if column == name]
    if len(indices) == 1:
        return indices[0]
    path, columns = str(table.path), table.columns
    if indices:
        raise RecipeError(problems.RepeatedColumn(path=path, column=name, indices=tuple(indices)))
    near = suggest(name, columns)
    raise RecipeError(problems.MissingColumn(path=path, column=name, columns=columns, nearest=near))


def _named(
    table: Table, image: int, indices: Mapping[str, int], may_be_blank: bool
) -> tuple[list[Named], list[Problem]]:
    """Return what each row says, and problems with those that are not as the first line says, or lack something."""
    named, bad = [], []
    for row in table.rows:
        fault = _fault(
            table, row.cells, {"image": image, **indices}, ("image",) if may_be_blank else ("image", *indices)
        )
        if fault:
            bad.append(problems.BadRow(path=str(table.path), line=row.line, reason=fault[0], hint=fault[1]))
        else:
            said = tuple(row.cells[column] for column in indices.values())
            named.append(Named(row.line, Path(os.path.normpath(row.cells[image])).as_posix(), said))
    return named, bad


def raise_all(found: Sequence[Problem]) -> None:
    """Raise problems, of bad rows the first few and how many more there are."""
    rows = [problem for problem in found if problem.kind is problems.BadRow]
    if len(rows) > _SHOWN:
        rows[_SHOWN - 1 :] = [rows[_SHOWN - 1].replace(more=len(rows) - _SHOWN)]
    if found:
        raise RecipeError([*rows, *(problem for problem in found if problem.kind is not problems.BadRow)])


_SHOWN = 5
_NO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"


def _fault(
    table: Table, cells: Sequence[str], indices: Mapping[str, int], filled: Collection[str]
) -> tuple[str, str] | None:
    """Return what is wrong with a row, and what to do about it; the cells of `filled` must not be blank."""
    if any(cells[len(table.columns) :]):
        reason = f"it has {len(cells)} cells, and the first line names {counted(len(table.columns), 'column')}"
        mark = "a tab" if table.separator == "\t" else f"`{table.separator}`"
        return reason, f'put a cell that holds {mark} in quotes, as `"cat, tabby"`, or name the further columns'
    for name, cell in ((name, cells[column]) for name, column in indices.items()):
        if name in filled and not cell.strip(_NO_WIDTH):
            return f"the {name} is empty", "complete or remove the row"
        if "\n" in cell or "\r" in cell:
            return f"the {name} continues on the next line", "close its quote in the line where it opens"
    return None


def _missing(table: Table, base: Path, named: Sequence[Named]) -> Iterator[Problem]:
    missing = [each for each in named if not os.path.isfile(base / each.image)]
    if missing:
        first = missing[0]
        yield problems.MissingImages(
            path=str(table.path),
            root=str(base),
            names=tuple(each.image for each in missing[:_SHOWN]),
            line=first.line,
            total=len(missing),
            nearest=nearest(base / first.image),
            hint=meant_path(Path(first.image), base),
        )


def _repeated(table: Table, base: Path, named: Sequence[Named], numbers: bool) -> Iterator[Problem]:
    rows: dict[str, list[Named]] = {}
    for each in named:
        rows.setdefault(os.path.abspath(base / each.image), []).append(each)
    repeated = [group for group in rows.values() if len(group) > 1]
    if repeated:
        unlike = [group for group in repeated if len({each.label for each in group}) > 1]
        example = (unlike or repeated)[0]
        yield problems.RepeatedRows(
            path=str(table.path),
            images=len(repeated),
            rows=sum(map(len, repeated)) - len(repeated),
            unlike=len(unlike),
            name=example[0].image,
            lines=tuple((each.line, each.label) for each in example),
            numbers=numbers,
        )


def _unlike_labels(table: Table, named: Sequence[Named]) -> Iterator[Problem]:
    lines: dict[str, int] = {}
    for each in named:
        lines.setdefault(each.label, each.line)
    counts = Counter(each.label for each in named)
    for group in alike(lines, seen):
        where = tuple(f"in {counted(counts[name], 'row')} from line {lines[name]}" for name in group)
        yield problems.LabelsAlike(path=str(table.path), names=group, where=where)


def ids_of(base: Path, names: Sequence[str]) -> Sequence[str]:
    """Return the names, or where one is absolute, the paths below the folder that all have in common."""
    if not any(map(os.path.isabs, names)):
        return names
    whole = [os.path.abspath(base / name) for name in names]
    top = os.path.commonpath([os.path.dirname(name) for name in whole])
    return [Path(name).relative_to(top).as_posix() for name in whole]
