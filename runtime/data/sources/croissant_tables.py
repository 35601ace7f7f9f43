"""What a Croissant description's records come from, each as a table: files, CSV, parquet, and rows in the description.

A table has `texts`, a value of a column or of a file for each row, and where it holds images these.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from runtime.data.sources.croissant_description import Description, Origin
from runtime.data.sources.croissant_files import File, Files, texts_of
from runtime.data.sources.parquet import opened_parquet
from runtime.data.sources.skipped import ending_of
from runtime.data.sources.tables import column_of, read_table

if TYPE_CHECKING:
    from runtime.data.listing import ImageRef

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_PARQUET = (".parquet",)


class Table(Protocol):
    """Rows with their columns; `id_of_resource` is what they are from."""

    @property
    def id_of_resource(self) -> str:
        """What the description calls it."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def id(self, row: int) -> str:
        """Return the id of a row."""

    def file(self, row: int) -> File:
        """Return the file that a row is of."""

    def texts(self, origin: Origin) -> list[str]:
        """Return what an origin says of each row."""

    def classes(self, column: str) -> tuple[str, ...] | None:
        """Return the classes that a column declares."""

    def images(self, column: str, rows: Sequence[int]) -> list[ImageRef] | None:
        """Return the images of a column; None where it does not hold their bytes."""


def table_of(about: Description, files: Files, origin: Origin) -> Table:
    """Return what an origin's values are from.

    Raises:
        RecipeError: it is nothing that can be read, or its files are not there.
    """
    records = about.record_sets.get(origin.resource)
    if records is not None and records.rows is not None:
        return _Rows(about, records.id, records.rows)
    found = files.of(origin.resource, origin.place)
    if not origin.column and origin.json_path:
        raise about.bad(origin.place, "values of JSON files are not read", "read are columns of CSV and of parquet")
    if all(ending_of(each.name) in _PARQUET for each in found):
        return _Parquet(about, origin.resource, found)
    if all(ending_of(each.name) in _TABLES for each in found):
        return _Csv(about, origin.resource, found)
    if origin.column:
        raise about.bad(origin.place, f"`{found[0].name}` has no columns: read are CSV and parquet")
    return _Images(about, origin.resource, found)


@dataclass(slots=True)
class _OfFiles:
    """Rows that lie in files, so many in each."""

    about: Description
    id_of_resource: str
    files: Sequence[File]
    _columns: dict[str, list[str]] = field(default_factory=dict)
    _sizes: list[int] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(self.sizes)

    @property
    def sizes(self) -> list[int]:
        """How many rows each file has."""
        if not self._sizes:
            self._sizes = [self.size_of(each) for each in self.files]
        return self._sizes

    @property
    def starts(self) -> list[int]:
        """The number of the first row of each file."""
        if not self._starts:
            self._starts = [0, *accumulate(self.sizes[:-1])]
        return self._starts

    def size_of(self, file: File) -> int:  # noqa: ARG002
        return 1

    def column(self, file: File, name: str) -> list[str]:
        raise self.about.bad("", f"`{file.name}` has no columns")

    def id(self, row: int) -> str:
        start, file = self._at(row)
        return f"{file.path}/{row - start:06}"

    def file(self, row: int) -> File:
        return self._at(row)[1]

    def _at(self, row: int) -> tuple[int, File]:
        """Return the file that a row lies in, and the number of its first row."""
        number = bisect_right(self.starts, row) - 1
        return self.starts[number], self.files[number]

    def texts(self, origin: Origin) -> list[str]:
        if origin.column:
            if origin.column not in self._columns:
                self._columns[origin.column] = [
                    each for file in self.files for each in self.column(file, origin.column)
                ]
            found = self._columns[origin.column]
            return found if origin.pattern is None else [_taken(self.about, origin, (each,)) for each in found]
        names = [_property(self.about, origin, each) for each in self.files]
        return [each for each, size in zip(names, self.sizes, strict=True) for _ in range(size)]

    def classes(self, column: str) -> tuple[str, ...] | None:  # noqa: ARG002
        return None

    def images(self, column: str, rows: Sequence[int]) -> list[ImageRef] | None:
        return None


def _property(about: Description, origin: Origin, file: File) -> str:
    match origin.file_property:
        case "filename":
            return _taken(about, origin, (file.name,))
        case "fullpath":
            return _taken(about, origin, (file.path, f"{file.within}/{file.path}"))
    raise about.bad(origin.place, f"`{origin.file_property or 'nothing'}` of a file is no text", "extract `fullpath`")


def _taken(about: Description, origin: Origin, texts: Sequence[str]) -> str:
    """Return what an expression takes out of the first text that it fits; empty where it fits none.

    Raises:
        RecipeError: a text is longer than what the expression is matched with.
    """
    if origin.pattern is None:
        return texts[0]
    for text in texts:
        if len(text) > origin.longest:
            reason = f"the expression is matched with up to {origin.longest:,} characters, and a text has {len(text):,}"
            raise about.bad(origin.place, reason, "an expression with fewer repeats may be matched with longer texts")
        found = origin.pattern.match(text)
        if found is not None:
            return next((each for each in found.groups() if each is not None), "")
    return ""


class _Images(_OfFiles):
    def id(self, row: int) -> str:
        several = len({each.within for each in self.files}) > 1
        return f"{self.files[row].within}/{self.files[row].path}" if several else self.files[row].path

    def file(self, row: int) -> File:
        return self.files[row]


class _Csv(_OfFiles):
    def size_of(self, file: File) -> int:
        return len(read_table(file.on_disk()).rows)

    def column(self, file: File, name: str) -> list[str]:
        table = read_table(file.on_disk(), (name,))
        return table.cells(column_of(table, name))


class _Parquet(_OfFiles):
    def size_of(self, file: File) -> int:
        with opened_parquet(file.on_disk()) as content:
            return content.count

    def column(self, file: File, name: str) -> list[str]:
        with opened_parquet(file.on_disk()) as content:
            return list(content.labels(name))

    def classes(self, column: str) -> tuple[str, ...] | None:
        with opened_parquet(self.files[0].on_disk()) as content:
            return content.classes(column)

    def images(self, column: str, rows: Sequence[int]) -> list[ImageRef] | None:
        with opened_parquet(self.files[0].on_disk()) as content:
            if not content.has_images(column):
                return None
        found: dict[int, ImageRef] = {}
        start, wanted = 0, set(rows)
        for file, size in zip(self.files, self.sizes, strict=True):
            if not wanted.isdisjoint(range(start, start + size)):
                with opened_parquet(file.on_disk()) as content:
                    found.update(enumerate(content.images(column), start))
            start += size
        return [found[row] for row in rows]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows that the description holds."""

    about: Description
    id_of_resource: str
    rows: Sequence[Any]

    @property
    def count(self) -> int:
        return len(self.rows)

    def id(self, row: int) -> str:
        return f"{self.id_of_resource}/{row:06}"

    def file(self, row: int) -> File:
        raise self.about.bad(self.about.record_sets[self.id_of_resource].place, f"row {row} is no image file")

    def texts(self, origin: Origin) -> list[str]:
        found = [each.get(origin.column, each.get(origin.column.rpartition("/")[2])) for each in self.rows]
        return [_taken(self.about, origin, (each,)) for each in texts_of(found)]

    def classes(self, column: str) -> tuple[str, ...] | None:  # noqa: ARG002
        return None

    def images(self, column: str, rows: Sequence[int]) -> list[ImageRef] | None:
        return None
