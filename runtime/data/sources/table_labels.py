"""Labels of images from tables: several in a cell, or a column of 0 and 1 for each; and those of objects.

The target of an image is a tuple of the positions of its labels, in order. An image may have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from recipe_lang.problem import Problem, RecipeError
from runtime.data import problems
from runtime.data.listing import Listing
from runtime.data.problems import quoted
from runtime.data.similar_labels import alike, seen
from runtime.data.sources.problems import NoLabels, OtherSeparator
from runtime.data.sources.tables import images_of, listing_of_rows, raise_all

SEPARATORS = ("|", ";", ",", "/", " ")
_WORDS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True, "no": False, "yes": True}


def csv_labels(
    path: Path, image: str, column: str, separator: str, root: Path | None = None, training: bool = True
) -> Listing:
    """List the images that a table names, with the labels in a cell of each; of several rows an image has them all.

    Labels are sorted by code points; white space around them and empty ones are dropped. For a set that only evaluates
    (`training` false) there may be none. Paths and ids are as for classes.

    Raises:
        RecipeError: the table or a row cannot be used, or the labels of a cell are separated otherwise.
    """
    _, base, named, bad = images_of(path, image, {"labels": column}, root, may_be_blank=True, may_repeat=True)
    cells = [each.said[0] for each in named]
    own = [split(cell, separator) for cell in cells]
    other = "" if any(len(each) > 1 for each in own) else separator_of(cells)
    if other not in ("", separator):
        raise RecipeError(
            OtherSeparator(path=str(path), column=column, separator=separator, other=other, cell=_first(cells, other))
        )
    found: dict[str, list[str]] = {}
    line: dict[str, int] = {}
    for row, labels in zip(named, own, strict=True):
        has = found.setdefault(row.image, [])
        for label in labels:
            line.setdefault(label, row.line)
            if label in has:
                reason = f"the image has {quoted(label)} twice"
                bad.append(problems.BadRow(path=str(path), line=row.line, reason=reason, hint="remove one"))
            has.append(label)
    raise_all([*bad, *_unlike(path, line)])
    if training and not line:
        raise RecipeError(NoLabels(path=str(path), where=f"in column {quoted(column)}"))
    names = tuple(sorted(line))
    firsts = {row.image: row for row in named}
    return listing_of_rows(base, list(firsts.values()), targets_of(found.values(), names), names)


def csv_flags(path: Path, image: str, columns: Sequence[str], root: Path | None = None) -> Listing:
    """List the images that a table names, with the labels whose columns say 1; paths and ids are as for classes.

    Raises:
        RecipeError: the table or a row cannot be used.
    """
    _, base, named, bad = images_of(path, image, {quoted(name): name for name in columns}, root)
    bad += [
        problems.BadRow(path=str(path), line=row.line, reason=f"{quoted(name)} is {quoted(cell)}, neither 0 nor 1")
        for row in named
        for name, cell in zip(columns, row.said, strict=True)
        if cell.lower() not in _WORDS
    ]
    raise_all(bad)
    targets = [tuple(n for n, cell in enumerate(row.said) if _WORDS[cell.lower()]) for row in named]
    return listing_of_rows(base, named, targets, tuple(columns))


def split(cell: str, separator: str) -> list[str]:
    """Return the labels of a cell."""
    return [label for part in cell.split(separator) if (label := " ".join(part.split()))]


def separator_of(cells: Sequence[str]) -> str:
    """Return what separates labels in cells: the first of `SEPARATORS` with which there are fewer; none if none has."""
    whole = {cell for cell in cells if cell}
    for each in SEPARATORS:
        parts = {label for cell in whole for label in split(cell, each)}
        if any(each in cell for cell in whole) and len(parts) < len(whole):
            return each
    return ""


def _first(cells: Sequence[str], separator: str) -> str:
    return next(cell for cell in cells if separator in cell)


def targets_of(labels: Iterable[Sequence[str]], names: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the positions of the labels of each image, in order."""
    place = {name: number for number, name in enumerate(names)}
    return [tuple(sorted({place[label] for label in each})) for each in labels]


def _unlike(path: Path, lines: Mapping[str, int]) -> Iterator[Problem]:
    for group in alike(lines, seen):
        where = tuple(f"first in line {lines[name]}" for name in group)
        yield problems.LabelsAlike(path=str(path), names=group, where=where)


def labels_of_objects(listing: Listing) -> Listing:
    """Return images with the classes of their objects as labels; ignored objects, such as crowds, give none."""
    samples = (
        replace(sample, target=tuple(sorted(set(sample.target.classes[sample.target.counts].tolist()))))
        for sample in listing.samples
    )
    return replace(listing, samples=tuple(samples), left_out=())
