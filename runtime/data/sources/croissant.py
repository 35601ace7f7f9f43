"""Images with classes that a Croissant description tells of: `croissant(path, wanted)`.

The files lie beside the description, in folders or archives. A record is an image file, or a row of a table, of parquet
or of the description itself; its class and its split are a column, a part of its path, or in another table that a key
joins. The classes of an enumeration are in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data.problems import UnreadableData
from runtime.data.sources.class_numbers import listing_of_classes
from runtime.data.sources.croissant_description import Description, Origin, RecordField, RecordSet, read_description
from runtime.data.sources.croissant_fields import (
    ENUMERATION,
    Wanted,
    field_of,
    is_split,
    origin_of,
    record_set_of,
    referred,
    resolved,
)
from runtime.data.sources.croissant_files import File, Files, by_name
from runtime.data.sources.croissant_tables import Table, table_of
from runtime.data.sources.files import existing
from runtime.data.sources.problems import NoSuchSplit

if TYPE_CHECKING:
    from runtime.data.listing import ImageRef, Listing


def croissant(
    path: Path,
    wanted: Wanted = Wanted(),  # noqa: B008
    root: Path | None = None,
    names: Sequence[str] | None = None,
    training: bool = True,  # noqa: B008
) -> Listing:
    """List the images of a description, whose files lie below `root`, by default its own folder.

    Raises:
        RecipeError: the description, a file or a label cannot be used.
    """
    try:
        records = _opened(path, wanted, root)
        rows = records.chosen(wanted.split)
        labels, own = records.labels(rows)
        images = records.images(rows)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    ids = [records.table.id(row) for row in rows]
    return listing_of_classes(
        path, ids, labels, images, own if names is None else names, training, lambda number: f"record {ids[number]}"
    )


def splits_of(path: Path, root: Path | None = None) -> tuple[str, ...]:
    """Return the splits that a description's records have, in their order; none where it has no splits.

    Raises:
        RecipeError: the description cannot be used.
        OSError: a file cannot be read.
    """
    records = _opened(path, Wanted(), root)
    return tuple(dict.fromkeys(each for each in records.splits() if each))


def _opened(path: Path, wanted: Wanted, root: Path | None) -> _Records:
    about = read_description(path)
    chosen = record_set_of(about, wanted)
    image = field_of(about, chosen, wanted.image, "image")
    files = Files(about, path.parent if root is None else existing(root, "folder"))
    origin = origin_of(about, chosen, image)
    return _Records(about, files, chosen, image, origin, wanted.label, table_of(about, files, origin))


@dataclass(frozen=True, slots=True)
class _Records:
    """The records of a set: their table is the one that holds the images."""

    about: Description
    files: Files
    fields: RecordSet
    image: RecordField
    origin: Origin
    label: str | None
    table: Table

    def chosen(self, split: str | None) -> list[int]:
        """Return the rows of a split, or all where there is but one."""
        found = self.splits()
        there = tuple(dict.fromkeys(each for each in found if each))
        if split is None and len(there) < 2:
            return list(range(self.table.count))
        rows = [row for row, own in enumerate(found) if own == split]
        if split is None or not rows:
            near = suggest(split or "", there)
            raise RecipeError(NoSuchSplit(path=str(self.about.path), split=split or "", there=there, nearest=near))
        return rows

    def splits(self) -> list[str]:
        """Return the split of each row; empty where it has none."""
        found = [each for each in self.fields.fields.values() if is_split(self.about, each)]
        return self._texts(found[0]) if found else []

    def labels(self, rows: Sequence[int]) -> tuple[list[str], tuple[str, ...] | None]:
        """Return the classes of rows, and all classes where they are listed."""
        field = field_of(self.about, self.fields, self.label, "label")
        texts = self._texts(field)
        for row in rows:
            if texts[row] in ("", "-1"):
                reason = f"record {self.table.id(row)} has no class, or none that its expression finds"
                raise self.about.bad(field.place, reason, "has this part of the set labels? `split = …` names another")
        names = self._named(field)
        own = origin_of(self.about, self.fields, field)
        declared = self.table.classes(own.column) if own.resource == self.table.id_of_resource else None
        found = [names.get(texts[row], texts[row]) for row in rows] if names else [texts[row] for row in rows]
        return found, tuple(dict.fromkeys(names.values())) if names else declared

    def images(self, rows: Sequence[int]) -> list[ImageRef]:
        """Return the image of each row."""
        if not self.origin.column:
            return [self.table.file(row).content for row in rows]
        if (held := self.table.images(self.origin.column, rows)) is not None:
            return held
        texts = self._texts(self.image)
        known = by_name(self._held())
        found: list[ImageRef] = []
        for row in rows:
            name = texts[row].removeprefix("./")
            names = [each for each in (name, name.rpartition("/")[2]) if each in known]
            file = next((it for each in names if (it := known[each])), None)
            if file is None:
                reason = f"{'several files are' if names else 'no file is'} called `{name}`"
                hint = f"files are looked for below `{self.files.root}`"
                raise self.about.bad(self.image.place, f"record {self.table.id(row)}: {reason}", hint)
            found.append(file.content)
        return found

    def _held(self) -> list[File]:
        """Return the files that the image's names are of: those that they refer to, or all."""
        if (told := self.image.references) is not None:
            held = resolved(self.about, told, told.place).resource
            if held in self.about.resources:
                return self.files.of(held)
        return [*self.files.all()]

    def _texts(self, field: RecordField) -> list[str]:
        """Return what a field says of each row; empty where it says nothing."""
        origin = origin_of(self.about, self.fields, field)
        if origin.resource == self.table.id_of_resource:
            return self.table.texts(origin)
        other = table_of(self.about, self.files, origin)
        for key in self.fields.fields.values():
            if key.references is None or key.origin is None:
                continue
            there = resolved(self.about, key.references, key.references.place)
            own = resolved(self.about, key.origin, key.place)
            if there.resource == origin.resource and own.resource == self.table.id_of_resource:
                values = dict(zip(other.texts(there), other.texts(origin), strict=True))
                return [values.get(each, "") for each in self.table.texts(own)]
        hint = "a field with `references` to a column there joins the two"
        raise self.about.bad(origin.place, f"`{origin.resource}` is not joined with the images", hint)

    def _named(self, field: RecordField) -> dict[str, str]:
        """Return the names of an enumeration's values, in its order; empty where the field refers to none."""
        listed = referred(self.about, field)
        if listed is None or field.references is None or not listed.types & ENUMERATION:
            return {}
        key = resolved(self.about, field.references, field.references.place)
        name = next((each for each in listed.fields.values() if each.id.rpartition("/")[2] == "name"), None)
        table = table_of(self.about, self.files, key)
        keys = table.texts(key)
        if name is None:
            return dict(zip(keys, keys, strict=True))
        told = Origin(name.place, of_field=name.id)
        return dict(zip(keys, table.texts(resolved(self.about, told, name.place)), strict=True))
