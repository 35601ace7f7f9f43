"""A Croissant description of a data set, as values: `read_description(path)`.

In goes the JSON-LD of versions 1.0 and 1.1 (docs.mlcommons.org/croissant); out come its files, its record sets and
where their fields come from. Keys count without their prefix (`cr:includes`, `includes`), and whatever concerns no file
and no record is passed over. What makes no sense is refused with its place in the JSON. Nothing is fetched.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.data.problems import UnreadableData
from runtime.data.sources.backtracking import longest_text
from runtime.data.sources.files import existing
from runtime.data.sources.problems import BadDescription

_LARGEST = 1 << 26  # bytes
_LONGEST_PATTERN = 1000
_NOT_READ = ("replace", "separator", "delimiter", "readLines", "format")
VERSIONS = ("croissant/1.0", "croissant/1.1")


@dataclass(frozen=True, slots=True)
class Resource:
    """A FileObject, or where `is_set` a FileSet: `within` are the ids of what holds it, `place` where it stands."""

    id: str
    place: str
    is_set: bool
    name: str = ""
    url: str = ""
    within: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the values of a field come from: a column or a property of a resource, or another field, by their ids.

    `pattern` is matched with texts up to `longest`, for which that takes bounded time. `unread` is a transform that is
    not known here: it matters where the field is asked for.
    """

    place: str
    resource: str = ""
    of_field: str = ""
    column: str = ""
    file_property: str = ""
    json_path: str = ""
    pattern: re.Pattern[str] | None = None
    unread: str = ""
    longest: int = 0


@dataclass(frozen=True, slots=True)
class RecordField:
    """A field: its types by their last part (`ImageObject`, `Label`), its origin, and what its values refer to."""

    id: str
    name: str
    place: str
    types: frozenset[str]
    origin: Origin | None
    references: Origin | None


@dataclass(frozen=True, slots=True)
class RecordSet:
    """Records: their fields by id, and those that the description holds itself."""

    id: str
    name: str
    place: str
    types: frozenset[str]
    fields: Mapping[str, RecordField]
    rows: tuple[Mapping[str, Any], ...] | None


@dataclass(frozen=True, slots=True)
class Description:
    """A description; `set_of` is the record set of each field."""

    path: Path
    resources: Mapping[str, Resource]
    record_sets: Mapping[str, RecordSet]
    set_of: Mapping[str, RecordSet] = field(default_factory=dict)

    def bad(self, place: str, reason: str, hint: str = "") -> RecipeError:
        """Return the error for something that cannot be used."""
        return bad_description(self.path, place, reason, hint)


def bad_description(path: Path, place: str, reason: str, hint: str = "") -> RecipeError:
    """Return the error for something in a description that cannot be used."""
    return RecipeError(BadDescription(path=str(path), place=place, reason=reason, hint=hint))


@dataclass(frozen=True, slots=True)
class _Node:
    """A value of JSON with its place, such as `recordSet[1].field[0]`."""

    path: Path
    place: str
    value: Any

    def bad(self, reason: str, hint: str = "") -> RecipeError:
        return bad_description(self.path, self.place, reason, hint)

    def all(self, name: str) -> list[_Node]:
        """Return the values of a key; a single one need not be in a list."""
        if not isinstance(self.value, dict):
            raise self.bad("it is no JSON object")
        key = next((each for each in self.value if _local(each) == name), None)
        if key is None or self.value[key] is None:
            return []
        place, found = f"{self.place}.{name}".removeprefix("."), self.value[key]
        if not isinstance(found, list):
            return [_Node(self.path, place, found)]
        return [_Node(self.path, f"{place}[{number}]", each) for number, each in enumerate(found)]

    def one(self, name: str) -> _Node | None:
        """Return the value of a key that has one at most."""
        found = self.all(name)
        if len(found) > 1:
            raise found[1].bad(f"there are several, and one `{name}` is possible")
        return found[0] if found else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a key; of references their ids."""
        return tuple(each.text() for each in self.all(name))

    def text(self) -> str:
        value = self.value.get("@id") if isinstance(self.value, dict) else self.value
        if not isinstance(value, str):
            raise self.bad('it is neither text nor a reference such as `{"@id": "…"}`')
        return value

    def text_of(self, name: str) -> str:
        return "" if (found := self.one(name)) is None else found.text()

    @property
    def id(self) -> str:
        return self.text_of("@id") or self.text_of("name")

    @property
    def types(self) -> frozenset[str]:
        return frozenset(_local(each) for name in ("@type", "dataType") for each in self.texts(name))


def _local(key: str) -> str:
    """Return a name without its prefix: `includes` of `cr:includes`, or of an address that ends so."""
    return re.split(r"[:/#]", key)[-1] if isinstance(key, str) else ""


def read_description(path: Path) -> Description:
    """Read a description.

    Raises:
        RecipeError: it is not there, no Croissant of version 1, or makes no sense.
    """
    top = _Node(path, "", _json(path))
    if not isinstance(top.value, dict) or not (top.all("distribution") or top.all("recordSet")):
        raise top.bad("it is no Croissant description: it has neither `distribution` nor `recordSet`")
    conforms = top.texts("conformsTo")
    if conforms and not any("croissant/1." in each for each in conforms):
        raise bad_description(path, "conformsTo", f"it is {conforms[0]}", f"read are {' and '.join(VERSIONS)}")
    resources = _by_id(_resource(each) for each in top.all("distribution"))
    record_sets = _by_id(_record_set(each) for each in top.all("recordSet"))
    set_of = {id: each for each in record_sets.values() for id in each.fields}
    return Description(path, resources, record_sets, set_of)


def _json(path: Path) -> Any:
    try:
        if existing(path, "file").stat().st_size > _LARGEST:
            raise bad_description(path, "", f"it has more than {_LARGEST:,} bytes")
        return json.loads(path.read_bytes())
    except OSError as fault:
        raise RecipeError(UnreadableData(path=str(path), reason=fault.strerror or str(fault))) from fault
    except (ValueError, RecursionError) as fault:
        reason = str(fault) if isinstance(fault, json.JSONDecodeError) else "it is nested too deeply, or no UTF-8 text"
        raise bad_description(path, "", f"it is no JSON: {reason}") from None


def _by_id(found: Iterator[Any]) -> dict[str, Any]:
    return {each.id: each for each in found}


def _resource(node: _Node) -> Resource:
    if not node.id:
        raise node.bad("it has neither `@id` nor `name`")
    is_set = "FileSet" in node.types
    within = tuple(_holder(each) for each in node.all("containedIn"))
    texts = {name: node.texts(name) for name in ("includes", "excludes")}
    if is_set and not texts["includes"]:
        raise node.bad("a FileSet needs `includes`")
    name, url, digest = (node.text_of(key) for key in ("name", "contentUrl", "sha256"))
    formats = node.texts("encodingFormat")
    return Resource(node.id, node.place, is_set, name, url, within, **texts, formats=formats, sha256=digest)


def _holder(node: _Node) -> str:
    """Return the id of what holds a resource, which may stand in a source of its own."""
    inner = isinstance(node.value, dict) and (node.one("fileObject") or node.one("fileSet"))
    return inner.text() if inner else node.text()


def _record_set(node: _Node) -> RecordSet:
    if not node.id:
        raise node.bad("it has neither `@id` nor `name`")
    fields = {found.id: found for each in node.all("field") for found in _fields(each)}
    rows = node.all("data")
    for each in rows:
        if not isinstance(each.value, dict):
            raise each.bad("it is no JSON object")
    return RecordSet(
        node.id,
        node.text_of("name") or node.id,
        node.place,
        node.types,
        fields,
        tuple(each.value for each in rows) if rows else None,
    )


def _fields(node: _Node) -> Iterator[RecordField]:
    """Yield a field, and those in it."""
    if not node.id:
        raise node.bad("it has neither `@id` nor `name`")
    origin, references = (_origin(found) if (found := node.one(key)) else None for key in ("source", "references"))
    yield RecordField(node.id, node.text_of("name") or node.id, node.place, node.types, origin, references)
    for each in node.all("subField"):
        yield from _fields(each)


def _origin(node: _Node) -> Origin:
    if not isinstance(node.value, dict) or set(node.value) == {"@id"}:
        return Origin(node.place, of_field=node.text())
    resource = node.text_of("fileObject") or node.text_of("fileSet") or node.text_of("recordSet")
    extract = node.one("extract")
    column, file_property, json_path = (
        "" if extract is None else extract.text_of(key) for key in ("column", "fileProperty", "jsonPath")
    )
    pattern, unread, longest = None, "", 0
    for each in node.all("transform"):
        unread = next((name for name in _NOT_READ if each.all(name)), unread)
        json_path = json_path or each.text_of("jsonPath")
        pattern, longest = _pattern(found) if (found := each.one("regex")) else (pattern, longest)
    of_field = node.text_of("field")
    return Origin(node.place, resource, of_field, column, file_property, json_path, pattern, unread, longest)


def _pattern(node: _Node) -> tuple[re.Pattern[str], int]:
    """Return an expression, and how long a text may be that it is matched with."""
    text = node.text()
    if len(text) > _LONGEST_PATTERN:
        raise node.bad(f"the expression has more than {_LONGEST_PATTERN:,} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, longest = re.compile(text), longest_text(text)
    except (re.error, OverflowError, RecursionError) as fault:
        raise node.bad(f"it is no regular expression: {fault}") from None
    if not found.groups:
        raise node.bad("the expression has no group, which is what it takes out of the text", "such as `(train|test)/`")
    if not longest:
        hint = "write it without a repeat within a repeat, such as `(a+)+`, and with few repeats"
        raise node.bad("matching the expression could take years: it fits a text in too many ways", hint)
    return found, longest
