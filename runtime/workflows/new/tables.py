"""Which columns of a table name images and their classes: `survey_table(path)`.

In goes a CSV file; out comes the source that a recipe would name, with its images listed, and what was guessed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.problem import RecipeError
from runtime.data.formats import IMAGE_ENDINGS
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.sources.files import folders_in
from runtime.data.sources.set_names import ROLES
from runtime.data.sources.skipped import ending_of
from runtime.data.sources.tables import Table, csv_classes, is_number, read_table
from runtime.workflows.new.problems import NoImageColumn, NoLabelColumn

_LABELS = frozenset(
    (
        *("label", "labels", "label_name", "class", "classes", "class_name", "classname", "category", "categories"),
        *("category_name", "target", "y", "species", "breed", "diagnosis", "dx", "kind", "type"),
    )
)
_PROBED = 20  # rows that tell whether a column names images
_MANY_NUMBERS = 10  # different ones, below which they may as well be classes


@dataclass(frozen=True, slots=True)
class Found:
    """A source as a recipe writes it: its call and arguments, the first without its name; and its images."""

    call: str
    args: dict[str, Path | str]
    listing: Listing


def survey_table(path: Path, roots: Sequence[Path] = ()) -> tuple[Found, tuple[str, ...]]:
    """Find the columns and the folder of a table's images; return the source, and notes on what was guessed.

    `roots` are further folders that the images' paths may start from, besides the table's own and those in it.

    Raises:
        RecipeError: the table cannot be read or used, or its columns cannot be told.
    """
    table = read_table(path)
    image, root = _image_column(table, (path.parent, *roots, *_folders(path.parent)))
    label, others = _label_column(table, image)
    args: dict[str, Path | str] = {"file": path, "image": table.columns[image], "label": table.columns[label]}
    if root != path.parent:
        args["root"] = root
    listing = csv_classes(path, table.columns[image], table.columns[label], root)
    return Found("csv", args, listing), tuple(_notes(table, label, others))


def _folders(place: Path) -> list[Path]:
    try:
        return [place / name for name in folders_in(place)]
    except OSError:
        return []


def _image_column(table: Table, roots: Sequence[Path]) -> tuple[int, Path]:
    """Return the column whose cells name most files, and the folder that these start from."""
    if any(map(_is_image, table.columns)):
        hint = "its first line holds an image: put a line with the columns' names above it, such as image,label"
        raise RecipeError(NoImageColumn(path=str(table.path), columns=table.columns, hint=hint))
    probed = {column: _probe(table.cells(column)) for column in range(len(table.columns))}
    hits = {
        (column, root): sum(os.path.isfile(root / cell) for cell in cells)
        for root in dict.fromkeys(roots)
        for column, cells in probed.items()
    }
    best = max(hits, key=lambda place: hits[place])
    if hits[best]:
        return best
    named = max(probed, key=lambda column: sum(map(_is_image, probed[column])))
    if any(map(_is_image, probed[named])):
        return named, table.path.parent  # the images are missing, which the source says best
    hint = _hint(table, roots, probed)
    raise RecipeError(NoImageColumn(path=str(table.path), columns=table.columns, hint=hint))


def _probe(cells: Sequence[str]) -> list[str]:
    step = max(1, len(cells) // _PROBED)
    return [cell for cell in cells[::step][:_PROBED] if cell]


def _is_image(cell: str) -> bool:
    return ending_of(cell) in IMAGE_ENDINGS


def _hint(table: Table, roots: Sequence[Path], probed: dict[int, list[str]]) -> str:
    """Say what the cells lack, where files would be found with it."""
    for column, cells in probed.items():
        for root in roots:
            for ending in sorted(IMAGE_ENDINGS):
                if cells and os.path.isfile(root / (cells[0] + ending)):
                    name = quoted(table.columns[column])
                    return f"add {ending} to each cell of column {name}: {quoted(cells[0] + ending)} is there"
    return ""


def _label_column(table: Table, image: int) -> tuple[int, list[int]]:
    """Return the column of the classes, and others that might be meant."""

    def rank(column: int) -> tuple[bool, bool, int]:
        values = set(table.cells(column))
        return not is_known(column), all(value.isdigit() for value in values), len(values)

    def is_known(column: int) -> bool:
        return table.columns[column].lower().replace(" ", "_") in _LABELS

    def can_be(column: int) -> bool:
        values = set(table.cells(column))
        return 2 <= len(values) <= max(2, len(table.rows) // 2) and not _is_split(values)

    others = [column for column in range(len(table.columns)) if column != image and table.columns[column]]
    flags = [] if any(map(is_known, others)) else _one_hot(table, others)
    if flags:
        names = ", ".join(quoted(table.columns[column]) for column in flags[:5])
        more = f" and {len(flags) - 5} more" if len(flags) > 5 else ""
        hint = f"each row has a single 1 in {names}{more}: put a column `label` with the class's name in their place"
        raise RecipeError(NoLabelColumn(path=str(table.path), columns=table.columns, hint=hint))
    candidates = sorted(filter(can_be, others), key=rank) or sorted(filter(is_known, others))
    if not candidates:
        numbers = next((table.columns[column] for column in others if _is_numbers(table.cells(column))), "")
        hint = ""
        if numbers:
            source = f'csv("{table.path.name}", image = "{table.columns[image]}", target = "{numbers}")'
            hint = f"{quoted(numbers)} holds numbers, which `task = regression` learns: `train = {source}`"
        raise RecipeError(NoLabelColumn(path=str(table.path), columns=table.columns, hint=hint))
    return candidates[0], candidates[1:]


def _one_hot(table: Table, columns: Sequence[int]) -> list[int]:
    """Return the columns of 0 and 1 that are one for each class, of which each row has one; empty where none are."""
    flags = [column for column in columns if set(table.cells(column)) == {"0", "1"}]
    rows = zip(*map(table.cells, flags), strict=True)
    return flags if len(flags) > 1 and all(row.count("1") == 1 for row in rows) else []


def _is_numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers that are no codes of classes, and count no rows."""
    values = set(cells)
    return (
        len(values) >= _MANY_NUMBERS
        and all(map(is_number, values))
        and (len(values) < len(cells) or any(not value.isdigit() for value in values))
    )


def _is_split(values: set[str]) -> bool:
    return {value.lower() for value in values} <= set(ROLES)


def _notes(table: Table, label: int, others: Sequence[int]) -> Iterator[str]:
    if others:
        names = ", ".join(quoted(table.columns[column]) for column in others[:5])
        yield f"The classes are those of column {quoted(table.columns[label])}; other columns could be meant: {names}."
    for column, name in enumerate(table.columns):
        values = set(table.cells(column))
        if column != label and _is_split(values):
            yield f"Column {quoted(name)} splits the images and is not used: for this split, make a table of each set."
