"""Objects from a table with a row for each: its image, its class and the sides of its box.

An image without objects has one row in which the other cells are blank.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from runtime.data.listing import Listing
from runtime.data.sources.annotations import Annotated, AnnotationError, Object, bad_annotation, listing, number
from runtime.data.sources.files import existing
from runtime.data.sources.tables import column_of, ids_of, read_table


def csv_boxes(
    path: Path,
    image: str,
    label: str,
    boxes: Sequence[str],
    root: Path | None,
    classes: Sequence[str] | None,
    training: bool = True,
) -> Listing:
    """List the images of a table with their objects; `boxes` are its columns of left, top, right and bottom, in pixels.

    Raises:
        RecipeError: the table or a row cannot be used.
    """
    table = read_table(path, (image, label, *boxes))
    base = path.parent if root is None else existing(root, "folder")
    places = [column_of(table, name) for name in (image, label, *boxes)]
    objects: dict[str, list[Object]] = {}
    try:
        for row in table.rows:
            name, kind, *sides = (row.cells[place] for place in places)
            if not name:
                raise AnnotationError("the image is empty", row.line, "complete or remove the row")
            own = objects.setdefault(Path(os.path.normpath(name)).as_posix(), [])
            if not any((kind, *sides)):
                continue
            if not kind:
                raise AnnotationError(
                    f"`{label}` is empty", row.line, "an image without objects has a row with no other cell"
                )
            x0, y0, x1, y1 = (number(cell, f"`{boxes[place]}`", row.line) for place, cell in enumerate(sides))
            own.append(Object(kind, (x0, y0, x1, y1)))
    except AnnotationError as fault:
        raise bad_annotation(path, fault) from fault
    rows = zip(ids_of(base, list(objects)), objects.items(), strict=True)
    found = sorted((Annotated(id, base / name, own) for id, (name, own) in rows), key=lambda each: each.id)
    return listing(path, found, classes, training)
