"""Objects annotated as in COCO: one file of JSON for all images, with boxes as (x, y, width, height).

Ids of images, annotations and categories are any numbers, with gaps; what belongs together is found by them alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.data.listing import Listing
from runtime.data.problems import UnreadableData
from runtime.data.sources.annotations import Annotated, AnnotationError, Object, bad_annotation, listing
from runtime.data.sources.files import existing
from runtime.data.sources.problems import NoAnnotations
from runtime.plan.size import Size

_LARGEST_FILE = 2_000_000_000
_LARGEST = 1e7


def coco(images: Path, annotations: Path, classes: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of a file of annotations, which lie in a folder.

    Raises:
        RecipeError: the file or an annotation in it cannot be used.
    """
    root, path = existing(images, "folder"), existing(annotations, "file")
    try:
        found, declared = read_coco(path, root)
    except AnnotationError as fault:
        raise bad_annotation(path, fault) from fault
    except OSError as fault:
        raise RecipeError(UnreadableData(path=str(path), reason=fault.strerror or str(fault))) from fault
    if not found:
        raise RecipeError(NoAnnotations(path=str(path), wanted="images"))
    return listing(path, found, classes, training, declared)


def read_coco(path: Path, root: Path) -> tuple[list[Annotated], tuple[str, ...]]:
    """Read a file of annotations: the images, which lie below `root`, and the names of the categories.

    Raises:
        AnnotationError: it is not JSON, or no annotations of COCO.
        OSError: it cannot be read.
    """
    plain = read_json(path)
    images, rows = grouped(plain, root)
    found = [
        Annotated(name, root / name, [_object(each, label, what) for each, label, what in rows[id]], size)
        for id, (name, size) in images.items()
    ]
    return found, tuple(str(each["name"]) for each in plain["categories"])


_Row = tuple[Mapping[str, Any], str, str]


def grouped(plain: Any, root: Path) -> tuple[dict[Any, tuple[str, Size | None]], dict[Any, list[_Row]]]:
    """Return the images of a file by their ids, sorted by name: name below `root` and size; and their annotations.

    An annotation stands with its category and the words that name it.

    Raises:
        AnnotationError: it is no annotations of COCO.
    """
    if not isinstance(plain, dict) or not all(isinstance(plain.get(key), list) for key in _PARTS):
        raise AnnotationError(
            f"it has no lists {', '.join(f'`{key}`' for key in _PARTS)}: is it one of COCO's `instances` files?"
        )
    images = _by_id(plain["images"], "image", ("file_name",))
    names = {id: str(each["name"]) for id, each in _by_id(plain["categories"], "category", ("name",)).items()}
    rows: dict[Any, list[_Row]] = {id: [] for id in images}
    for position, each in enumerate(plain["annotations"]):
        what = f"annotation {position + 1}"
        if not isinstance(each, dict):
            raise AnnotationError(f"{what} is no object of JSON")
        image, category = _id(each, "image_id", what), _id(each, "category_id", what)
        if image not in rows:
            raise AnnotationError(f"{what} is of the image {image}, which is not in the file")
        if category not in names:
            raise AnnotationError(f"{what} has the category {category}, which is not in the file")
        rows[image].append((each, names[category], what))
    places = {id: os.path.normpath(each["file_name"]) for id, each in images.items()}
    for place in places.values():
        if os.path.isabs(place) or place.startswith(".."):
            raise AnnotationError(f"the image `{place[:80]}` lies outside of the folder of images")
    if len(set(places.values())) < len(places):
        raise AnnotationError("several of its images have one `file_name`")
    ids = sorted(images, key=lambda id: Path(places[id]).as_posix())
    return {id: (Path(places[id]).as_posix(), _frame(images[id])) for id in ids}, rows


_PARTS = ("images", "annotations", "categories")


def read_json(path: Path) -> Any:
    """Read a file of JSON.

    Raises:
        AnnotationError: it is none, or too large.
        OSError: it cannot be read.
    """
    if os.path.getsize(path) > _LARGEST_FILE:
        raise AnnotationError(f"it has more than {_LARGEST_FILE:,} bytes")
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as fault:
        raise AnnotationError(f"it is not JSON: {fault.msg}", fault.lineno) from None
    except (ValueError, RecursionError) as fault:  # no text, or a number of too many digits, or nested too deep
        raise AnnotationError(f"it is not JSON: {str(fault)[:100]}") from None


def _by_id(rows: Sequence[Any], what: str, texts: Sequence[str]) -> dict[Any, Mapping[str, Any]]:
    """Return rows by their ids."""
    found: dict[Any, Mapping[str, Any]] = {}
    for position, each in enumerate(rows):
        name = f"{what} {position + 1}"
        if not isinstance(each, dict):
            raise AnnotationError(f"{name} is no object of JSON")
        for text in texts:
            if not isinstance(each.get(text), str) or not each[text].strip() or "\0" in each[text]:
                raise AnnotationError(f"{name} has no `{text}`")
        id = _id(each, "id", name)
        if id in found:
            raise AnnotationError(f"two of its rows of {what} have the id {id}")
        found[id] = each
    return found


def _id(row: Mapping[str, Any], key: str, what: str) -> int | str:
    id = row.get(key)
    if isinstance(id, bool) or not isinstance(id, int | str):
        raise AnnotationError(f"{what} has no `{key}`")
    return id


def _object(row: Mapping[str, Any], name: str, what: str) -> Object:
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(number_of, box)):
        raise AnnotationError(f"the `bbox` of {what} is not four numbers x, y, width, height")
    x, y, width, height = map(float, box)
    area = row.get("area")
    is_crowd = row.get("iscrowd", 0) in (1, True)
    is_area = number_of(area) and float(area) > 0  # type: ignore[arg-type]
    return Object(name, (x, y, x + width, y + height), crowd=is_crowd, area=float(area) if is_area else None)  # type: ignore[arg-type]


def number_of(value: Any) -> bool:
    """Whether a value is a number that can be a place in an image."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST**2


def _frame(row: Mapping[str, Any]) -> Size | None:
    sides = [row.get(side) for side in ("height", "width")]
    is_size = all(isinstance(each, int) and not isinstance(each, bool) and 0 < each < _LARGEST for each in sides)
    return Size(*sides) if is_size else None  # type: ignore[arg-type]
