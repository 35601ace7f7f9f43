"""Which records and fields of a Croissant description are meant, and where their values come from in the end."""

from __future__ import annotations

from dataclasses import dataclass, replace

from recipe_lang.suggest import suggest
from recipe_lang.words import a_few
from runtime.data.sources.croissant_description import Description, Origin, RecordField, RecordSet

_SPLIT, ENUMERATION = frozenset(("Split", "Q3985153")), frozenset(("Enumeration",))
_LABEL = frozenset(("Label", "ClassLabel"))
_LABELS = (
    "label",
    "class",
    "category",
    "target",
    "species",
    "breed",
    "diagnosis",
    "labels",
    "class_name",
    "label_name",
)
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records count, where the description leaves it open: names of a record set, its fields, and a split."""

    records: str | None = None
    image: str | None = None
    label: str | None = None
    split: str | None = None


def _is_image(field: RecordField) -> bool:
    return "ImageObject" in field.types


def record_set_of(about: Description, wanted: Wanted) -> RecordSet:
    """Return the record set that has images, or the one that is named."""
    all_sets = about.record_sets.values()
    if wanted.records is not None:
        found = [each for each in all_sets if wanted.records in (each.id, each.name)]
        if not found:
            there = tuple(each.name for each in all_sets)
            hint = (
                f"did you mean `{near}`?" if (near := suggest(wanted.records, there)) else f"there are {a_few(there)}"
            )
            raise about.bad("recordSet", f"no record set is called `{wanted.records}`", hint)
        return found[0]
    found = [each for each in all_sets if any(map(_is_image, each.fields.values()))]
    if not found and wanted.image is not None:
        found = [each for each in all_sets if any(wanted.image in (it.id, it.name) for it in each.fields.values())]
    if len(found) == 1:
        return found[0]
    if not all_sets:
        raise about.bad(
            "recordSet", "it describes files and no records", 'name the folder of its images: `folder("…")`'
        )
    if found:
        raise about.bad(
            "recordSet",
            f"several record sets have images: {a_few(tuple(each.name for each in found))}",
            f'name one: `records = "{found[0].name}"`',
        )
    told = tuple(it.name for each in all_sets for it in each.fields.values())
    raise about.bad(
        "recordSet",
        "no field is of the type `sc:ImageObject`",
        f"name the one with images: `image = …`, of {a_few(told)}",
    )


def field_of(about: Description, records: RecordSet, name: str | None, what: str) -> RecordField:
    """Return the field that is named, or the one that there is of its kind."""
    fields = records.fields.values()
    if name is not None:
        found = [each for each in fields if name in (each.id, each.name) or each.id.endswith(f"/{name}")]
    elif what == "image":
        found = [each for each in fields if _is_image(each)]
    else:
        found = _labels_among(about, records)
    if len(found) == 1 or found and name is not None:
        return found[0]
    there = tuple(_short(each, records) for each in found or fields)
    if name is not None:
        raise about.bad(records.place, f"no field is called `{name}`", _meant(name, there))
    reason = f"several fields may be the {what}: {a_few(there)}" if found else f"no field is known to be the {what}"
    raise about.bad(records.place, reason, f'name one: `{what} = "{(*there, "…")[0]}"`')


def _short(field: RecordField, records: RecordSet) -> str:
    return field.name.removeprefix(f"{records.id}/")


def _labels_among(about: Description, records: RecordSet) -> list[RecordField]:
    """Return the fields that may be the class: those that say so, else those called so."""
    others = [each for each in records.fields.values() if not _is_image(each) and not is_split(about, each)]
    told = [each for each in others if each.types & _LABEL]
    listed = [each for each in others if (it := referred(about, each)) is not None and it.types & ENUMERATION]
    called = [each for each in others if each.id.rpartition("/")[2].lower() in _LABELS]
    return told or listed or called


def _meant(name: str, there: tuple[str, ...]) -> str:
    return f"did you mean `{near}`?" if (near := suggest(name, there)) else f"there are {a_few(there)}"


def is_split(about: Description, field: RecordField) -> bool:
    """Whether a field says which split a record is of."""
    told = referred(about, field)
    types = field.types if told is None else field.types | told.types
    return bool(types & _SPLIT) or field.id.rpartition("/")[2] == "split"


def referred(about: Description, field: RecordField) -> RecordSet | None:
    """Return the record set that a field's values refer to."""
    return None if field.references is None else about.set_of.get(field.references.of_field)


def resolved(about: Description, origin: Origin | None, place: str) -> Origin:
    """Return where values come from in the end: of a reference to another field, the origin of that."""
    for _ in range(_DEEPEST):
        if origin is None:
            raise about.bad(place, "the field has no `source`")
        if origin.unread:
            hint = "read are `regex`, and `jsonPath` of images"
            raise about.bad(origin.place, f"the transform `{origin.unread}` is not read", hint)
        if not origin.of_field and not origin.resource:
            raise about.bad(
                origin.place, "it names neither a `fileObject` nor a `fileSet`", "as Croissant 1.0 has them"
            )
        if not origin.of_field:
            return origin
        if origin.of_field in about.resources:
            return replace(origin, of_field="", resource=origin.of_field)
        owner = about.set_of.get(origin.of_field)
        if owner is None:
            raise about.bad(origin.place, f"no field is called `{origin.of_field}`")
        field = owner.fields[origin.of_field]
        if field.origin is None and owner.rows is not None:
            return Origin(field.place, resource=owner.id, column=field.id)
        origin = field.origin
    raise about.bad(place, "its sources refer to one another in a circle")


def origin_of(about: Description, records: RecordSet, field: RecordField) -> Origin:
    """Return where a field's values come from in the end: without a source, the rows of its record set."""
    if field.origin is None and records.rows is not None:
        return Origin(field.place, resource=records.id, column=field.id)
    return resolved(about, field.origin, field.place)
