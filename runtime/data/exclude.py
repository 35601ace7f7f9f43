"""The list that `exclude` names: which images a recipe does not use, and why.

In go a text file and the listings of a recipe's sources; out come the listings without those images. One id a line; a
line that begins with `#` is a comment; `[train]`, `[valid]` and `[test]` begin a part that concerns the source of that
field only. `./` before an id that begins with one of these signs or a space keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.suggest import suggest
from runtime.data.listing import Listing
from runtime.data.problems import ExcludesNothing, UnreadableData
from runtime.data.sources.files import existing

FIELDS = ("train", "valid", "test")
_PARTS = tuple(f"[{field}]" for field in FIELDS)
_LARGEST = 64_000_000  # bytes: a million ids
_COMPARED = 5000  # ids that are looked through for one that was meant


@dataclass(frozen=True, slots=True)
class Excluded:
    """An image that a list leaves out: of the source of a field, or of all where `field` is empty."""

    line: int
    field: str
    id: str


def read_excluded(path: Path) -> tuple[Excluded, ...]:
    """Read a list.

    Raises:
        RecipeError: it is not there, cannot be read, or is no text.
    """
    file = existing(path, "file")
    try:
        content = file.read_bytes() if file.stat().st_size <= _LARGEST else b"\0"
    except OSError as fault:
        raise RecipeError(UnreadableData(path=str(file), reason=fault.strerror or str(fault))) from fault
    if b"\0" in content:
        raise RecipeError(UnreadableData(path=str(file), reason="it is not a list of images, one per line"))
    # Names of files need not be UTF-8; they are to come back as Python has them.
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    found, field = [], ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        name = line.strip()
        if name in _PARTS:
            field = name[1:-1]
        elif name and not name.startswith("#"):
            found.append(Excluded(number, field, name.removeprefix("./")))
    return tuple(found)


def without(listings: Mapping[str, Listing], path: Path) -> dict[str, Listing]:
    """Return the listings of the sources, by field, less the images that a list names.

    Raises:
        RecipeError: the list cannot be read, or a line of it matches no image.
    """
    known = {field: _ids(listing) for field, listing in listings.items()}
    gone: dict[str, set[str]] = {field: set() for field in listings}
    lost = []
    for each in read_excluded(path):
        fields = [field for field in ([each.field] if each.field else listings) if each.id in known.get(field, ())]
        for field in fields:
            gone[field].add(known[field][each.id])
        if not fields:
            lost.append(each)
    if lost:
        raise RecipeError(_matches_nothing(path, lost, known))
    return {
        field: replace(listing, samples=tuple(s for s in listing.samples if s.id not in gone[field]))
        for field, listing in listings.items()
    }


def _ids(listing: Listing) -> dict[str, str]:
    """Return the ids of samples by the names that a list may give them: their ids, and absolute paths of tables."""
    whole = {str(s.image): s.id for s in listing.samples if isinstance(s.image, Path) and s.image.is_absolute()}
    return whole | {sample.id: sample.id for sample in listing.samples}


def _matches_nothing(path: Path, lost: Sequence[Excluded], known: Mapping[str, Mapping[str, str]]) -> Problem:
    first = lost[0]
    names = [name for field, ids in known.items() if first.field in ("", field) for name in {*ids.values()}]
    near = suggest(first.id, sorted(names)[:_COMPARED])
    return ExcludesNothing(path=str(path), line=first.line, name=first.id, more=len(lost) - 1, nearest=near)


def excluding_line(name: str) -> str:
    """Return the line that leaves an image out; a comment where no line can."""
    if "\n" in name or "\r" in name:
        return f"# its name holds a line break, remove it by hand: {name!r}"
    return f"./{name}" if name.startswith(("#", "[", " ", "./")) else name
