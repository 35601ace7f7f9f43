"""Which columns of a table name images and their targets: `survey_table(path)`.

In goes a CSV file; out comes the source that a recipe would name, with its images listed, and what was guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import Value
from recipe_lang.problem import RecipeError
from recipe_lang.words import listed
from runtime.data.formats import IMAGE_ENDINGS
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.sources.catalog import SOURCES
from runtime.data.sources.files import folders_in
from runtime.data.sources.label_sources import COLUMNS
from runtime.data.sources.set_names import ROLES
from runtime.data.sources.skipped import ending_of
from runtime.data.sources.table_labels import SEPARATORS, separator_of, split
from runtime.data.sources.tables import Table, is_number, read_table
from runtime.data.targets import CLASS, LABELS, NUMBERS, TargetKind
from runtime.tasks.catalog import TASKS
from runtime.workflows.new.problems import NoImageColumn, NoLabelColumn

_LABELS = frozenset(
    (
        *("label", "labels", "label_name", "class", "classes", "class_name", "classname", "category", "categories"),
        *("category_name", "target", "y", "species", "breed", "diagnosis", "dx", "kind", "type"),
    )
)
_TAGS = frozenset(("labels", "tags", "classes", "categories", "genres", "keywords", "findings", "finding_labels"))
_MEASURES = ("target", "value", "score", "probability", "rating", "age", "weight", "y")
_CODES = re.compile(r"(label|class|classes|category|species|breed|diagnosis)(_?(id|idx|index|code|no|number))?s?")
_COUNTS = frozenset(("id", "index", "no", "nr", "number", "row", "unnamed:_0"))
_GROUPS = re.compile(
    r"(patient|subject|person|participant|individual|animal|plant|specimen|donor|lesion|study|slide|session|scene|video"
    r"|clip|sequence|burst|camera|location|site)(_?(id|idx|no|nr|number|name|code))?"
)
_WEIGHTS = re.compile(r"(sample|image|loss|example|instance|row)_?weights?")
_LEAST_GROUPS = 10
_ALONE = 0.9  # groups to images, above which hardly any has two
_PROBED = 20  # rows that tell whether a column names images
_MANY_NUMBERS = 10  # different ones, below which they are classes unless regression is asked for
_MOST_CODES = 20  # different whole numbers, above which they measure or count something unless they are called classes


class Bare(str):
    """An argument that a recipe writes without quotes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A source as a recipe writes it: its call and arguments, the first without its name; its images; and its task.

    `by` is the column of what images belong together by, such as a patient; empty where none is called so.
    """

    call: str
    args: Mapping[str, Any]
    listing: Listing
    task: str
    by: str = ""


def survey_table(path: Path, roots: Sequence[Path] = (), task: str = "") -> tuple[Found, tuple[str, ...]]:
    """Find the columns and the folder of a table's images; return the source, and notes on what was guessed.

    `roots` are further folders that the images' paths may start from, besides the table's own and those in it. `task`
    is the one that is asked for; where it is empty, the columns decide.

    Raises:
        RecipeError: the table cannot be read or used, or its columns cannot be told.
    """
    table = read_table(path)
    image, root = _image_column(table, (path.parent, *roots, *_folders(path.parent)))
    columns = _Columns(table, image)
    kind = TASKS[task].target if task else columns.likely
    args: dict[str, Any] = {"file": path, "image": table.columns[image]}
    if kind == LABELS:
        told, notes = columns.labels()
        args.update(told)
    else:
        target, others = columns.chosen(kind)
        args[COLUMNS[kind]] = table.columns[target]
        notes = list(_notes(columns, kind, target, others))
    if weights := columns.weights(args):
        args["weights"] = weights
        notes = [*notes, f"Column {quoted(weights)} says how much an image counts in training: `weights` takes it."]
    if root != path.parent:
        args["root"] = root
    task = task or next(name for name, each in TASKS.items() if each.target == kind)
    return Found("csv", args, listing_of(args), task, columns.grouping(args)), tuple(notes)


def listing_of(args: Mapping[str, Any], training: bool = True) -> Listing:
    """List the images of a table by the arguments that a recipe writes."""
    given = {name: tuple(map(Value, each)) if isinstance(each, list) else each for name, each in args.items()}
    others = dict.fromkeys((*COLUMNS.values(), "boxes", "weights", "root"))
    return SOURCES["csv"].load({**others, "separator": ",", **given}, training)


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


class _Columns:
    """The columns of a table beside that of the images, by what they can hold."""

    def __init__(self, table: Table, image: int) -> None:
        self.table, self.image = table, image
        self.others = [column for column in range(len(table.columns)) if column != image and table.columns[column]]
        self.numbers = sorted(filter(self._holds_numbers, self.others), key=self._measures)
        self.classes = sorted(filter(self._holds_classes, self.others), key=self._class_rank)

    def whole(self, column: int) -> int:
        """Return how many different whole numbers a column has; 0 where it holds something else, too."""
        values = self._values(column)
        return len(values) if all(is_number(value) and float(value).is_integer() for value in values) else 0

    @property
    def likely(self) -> TargetKind:
        """The kind of targets that the table has, if it has any: classes where both are there."""
        if self._separated() or (self._flags() and not self._one_hot() and set(self.classes) <= set(self._flags())):
            return LABELS
        return NUMBERS if self.numbers and not self.classes and not self._one_hot() else CLASS

    def labels(self) -> tuple[dict[str, Any], list[str]]:
        """Return the arguments that name the labels of images, and what to say of the choice.

        Raises:
            RecipeError: no column has several labels in a cell, and there are no columns of 0 and 1.
        """
        if separated := self._separated():
            column, separator = separated[0]
            said = [f"The labels are those of column {self.name(column)}, with `{separator}` between them."]
            others = ", ".join(self.name(other) for other, _ in separated[1:6])
            said += [f"Other columns could be meant: {others}."] * bool(others)
            return {"labels": self.table.columns[column], "separator": separator}, said
        flags = self._flags()
        if not flags:
            called = [column for column in self.others if self._called(column) in _TAGS | _LABELS]
            if called:
                return {"labels": self.table.columns[called[0]]}, []
            wanted = "one must hold several labels with `,` or `|` between them, or several must hold 0 and 1"
            raise self._none(what="the images' labels", wanted=wanted)
        names = listed(tuple(map(self.name, flags[:5])), "and") if len(flags) <= 5 else f"{len(flags)} columns"
        return {"labels": [self.table.columns[column] for column in flags]}, [
            f"The labels are {names}, of 0 and 1: leave out of `labels` what is none."
        ]

    def _separated(self) -> list[tuple[int, str]]:
        """Return the columns with several labels in a cell, and what separates them; what is called labels first."""
        found = []
        for column in self.others:
            is_called = self._called(column) in _TAGS | _LABELS
            separator = separator_of(self.table.cells(column))
            usual = SEPARATORS[:3] if self._called(column) not in _TAGS else SEPARATORS
            names = {label for cell in self.table.cells(column) for label in split(cell, separator or ",")}
            if is_called and separator in usual and not all(map(is_number, names)):
                found.append((column, separator))
        return found

    def _flags(self) -> list[int]:
        """Return the columns of 0 and 1, where there are several."""
        flags = [column for column in self.others if self._values(column) == {"0", "1"}]
        return flags if len(flags) > 1 else []

    def chosen(self, kind: TargetKind) -> tuple[int, list[int]]:
        """Return the column of the targets, and others that might be meant.

        Raises:
            RecipeError: there is none.
        """
        return self._number_column() if kind == NUMBERS else self._class_column()

    def _number_column(self) -> tuple[int, list[int]]:
        few = [
            column
            for column in self.others
            if column not in self.numbers and all(map(is_number, self._values(column))) and not self._counts(column)
        ]
        candidates = self.numbers or sorted(few, key=self._measures)
        if not candidates:
            raise self._none(what="the images' numbers", wanted="one must hold a number in each row")
        return candidates[0], candidates[1:]

    def _class_column(self) -> tuple[int, list[int]]:
        flags = [] if any(map(self._is_called_label, self.others)) else self._one_hot()
        if flags:
            names = ", ".join(self.name(column) for column in flags[:5])
            more = f" and {len(flags) - 5} more" if len(flags) > 5 else ""
            put = "put a column `label` with the class's name in their place"
            raise self._none(hint=f"each row has a single 1 in {names}{more}: {put}")
        called = filter(self._is_called_label, self.others)
        candidates = self.classes or sorted(called) or list(filter(self.repeats, self.numbers))
        if not candidates:
            hint = (
                f"{self.name(self.numbers[0])} holds numbers: `--task regression` learns them" if self.numbers else ""
            )
            raise self._none(hint=hint)
        return candidates[0], candidates[1:]

    def _none(self, **fields: Any) -> RecipeError:
        return RecipeError(NoLabelColumn(path=str(self.table.path), columns=self.table.columns, **fields))

    def grouping(self, used: Mapping[str, Any]) -> str:
        """Return the column that tells which images belong together; empty where none is called and filled so."""
        for column in self.others:
            name, count = self.table.columns[column], len(self._values(column))
            repeats = _LEAST_GROUPS <= count <= len(self.table.rows) * _ALONE
            if name not in used.values() and _GROUPS.fullmatch(self._called(column)) and repeats:
                return name if all(self.table.cells(column)) else ""
        return ""

    def weights(self, used: Mapping[str, Any]) -> str:
        """Return the column of how much images count; empty where none is called so and holds numbers above 0."""
        for column in self.others:
            name, values = self.table.columns[column], self._values(column)
            is_called = name not in used.values() and _WEIGHTS.fullmatch(self._called(column))
            if is_called and len(values) > 1 and all(is_number(each) and float(each) > 0 for each in values):
                return name
        return ""

    def name(self, column: int) -> str:
        """Return a column's name, as it is shown."""
        return quoted(self.table.columns[column])

    def _values(self, column: int) -> set[str]:
        return set(self.table.cells(column))

    def _called(self, column: int) -> str:
        return self.table.columns[column].lower().replace(" ", "_")

    def _is_called_label(self, column: int) -> bool:
        return self._called(column) in _LABELS

    def _holds_classes(self, column: int) -> bool:
        values = self._values(column)
        return self.repeats(column) and not _is_split(values) and not (column in self.numbers and self._measure(column))

    def _measure(self, column: int) -> bool:
        """Whether numbers are none of classes: they have fractions, or are too many and are not called classes."""
        values = self._values(column)
        whole = all(float(value).is_integer() for value in values)
        return not whole or (len(values) > _MOST_CODES and not _CODES.fullmatch(self._called(column)))

    def repeats(self, column: int) -> bool:
        """Whether each value stands in two rows on average."""
        return 2 <= len(self._values(column)) <= max(2, len(self.table.rows) // 2)

    def _class_rank(self, column: int) -> tuple[bool, bool, int]:
        values = self._values(column)
        return not self._is_called_label(column), all(value.isdigit() for value in values), len(values)

    def _holds_numbers(self, column: int) -> bool:
        """Whether a column holds numbers, rather than codes of classes, and counts no rows."""
        values = self._values(column)
        return len(values) >= _MANY_NUMBERS and all(map(is_number, values)) and not self._counts(column)

    def _measures(self, column: int) -> int:
        """Rank a column of numbers: what is called a target goes first."""
        called = self._called(column)
        return _MEASURES.index(called) if called in _MEASURES else len(_MEASURES)

    def _counts(self, column: int) -> bool:
        """Whether a column numbers the rows."""
        called, cells = self._called(column), self.table.cells(column)
        if len(set(cells)) < len(cells) or not all(map(str.isdecimal, cells)):
            return False
        if called in _COUNTS or called.endswith("_id"):
            return True
        numbers = sorted(map(int, cells))
        return numbers[-1] - numbers[0] == len(numbers) - 1

    def _one_hot(self) -> list[int]:
        """Return the columns of 0 and 1 that are one for each class, of which each row has one; empty if none are."""
        flags = self._flags()
        return flags if all(row.count("1") == 1 for row in zip(*map(self.table.cells, flags), strict=True)) else []


def _is_split(values: set[str]) -> bool:
    return {value.lower() for value in values} <= set(ROLES)


def _notes(columns: _Columns, kind: TargetKind, target: int, others: Sequence[int]) -> Iterator[str]:
    if others:
        names = ", ".join(map(columns.name, others[:5]))
        yield f"The {kind.plural} are those of column {columns.name(target)}; other columns could be meant: {names}."
    other = "regression" if kind == CLASS else "classification"
    learns = f"`ftr new … --task {other} --force` learns"
    count, name = columns.whole(target), columns.name(target)
    repeated = columns.classes or [each for each in (target, *others) if columns.repeats(each)]
    if kind == CLASS and count > 2:
        yield f"Column {name} has {count} different whole numbers, taken for classes: {learns} them as numbers."
    elif kind == CLASS and columns.numbers:
        yield f"Column {columns.name(columns.numbers[0])} holds numbers: {learns} them."
    elif kind == NUMBERS and target in repeated and count:
        yield f"Column {name} has {count} different whole numbers: {learns} them as classes."
    elif kind == NUMBERS and repeated:
        yield f"Column {columns.name(repeated[0])} can be classes: {learns} them."
    for column in columns.others:
        if column != target and _is_split(set(columns.table.cells(column))):
            named = columns.name(column)
            yield f"Column {named} splits the images and is not used: for this split, make a table of each set."
