"""Masks from outlines of areas: COCO's polygons and runs, LabelMe's files of JSON.

The first class is the background, all that no area shows. Areas of classes that a recipe does not name are background.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data.images import ImageError, upright_size
from runtime.data.listing import Listing, Sample
from runtime.data.masks import Mask
from runtime.data.painted import Area, Painted, rings_of
from runtime.data.problems import UnreadableData
from runtime.data.sources.annotations import AnnotationError, bad_annotation
from runtime.data.sources.coco import grouped, number_of, read_json
from runtime.data.sources.files import existing
from runtime.data.sources.problems import ClassesWithoutObjects, ImagesNotThere, NoAnnotations, NoObjects
from runtime.plan.size import Size

BACKGROUND = "background"
_SHOWN = 5
_MOST_POINTS = 100_000  # of one image
_PIXELS = 200_000_000

Outline = tuple[str, tuple[Sequence[float], ...], tuple[int, ...]]  # class, rings, runs
_Read = tuple[str, Path, Size | None, list[Outline]]  # id, image, size as the annotation says it, areas


def coco_masks(images: Path, annotations: Path, classes: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of a file of COCO with masks made of the outlines.

    Raises:
        RecipeError: the file or an annotation in it cannot be used.
    """
    root, path = existing(images, "folder"), existing(annotations, "file")
    try:
        found = read_outlines(path, root)
    except AnnotationError as fault:
        raise bad_annotation(path, fault) from fault
    except OSError as fault:
        raise RecipeError(UnreadableData(path=str(path), reason=fault.strerror or str(fault))) from fault
    return _listing(path, found, classes, training)


def read_outlines(path: Path, root: Path) -> list[_Read]:
    """Read a file of COCO: each image with its outlines.

    Raises:
        AnnotationError: it is not JSON, or no annotations of COCO with outlines.
        OSError: it cannot be read.
    """
    images, rows = grouped(read_json(path), root)
    return [
        (name, root / name, size, [_of_coco(each, label, what) for each, label, what in rows[id]])
        for id, (name, size) in images.items()
    ]


def _of_coco(row: Mapping[str, Any], label: str, what: str) -> Outline:
    shape = row.get("segmentation")
    if isinstance(shape, dict):
        counts = shape.get("counts")
        runs = _unpacked(counts, what) if isinstance(counts, str) else counts
        if not isinstance(runs, list) or not all(type(each) is int and 0 <= each <= _PIXELS for each in runs):
            raise AnnotationError(f"the `counts` of {what} are no lengths of runs")
        return label, (), tuple(runs)
    if not isinstance(shape, list):
        raise AnnotationError(f"{what} has no `segmentation`: is this a file of boxes alone?")
    return label, tuple(_ring(each, what) for each in shape), ()


def _unpacked(text: str, what: str) -> list[int]:
    """Return runs of COCO's compressed text: 5 bits a character, each run from the third on less the one two before."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            raise AnnotationError(f"the `counts` of {what} are no runs of COCO")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def _ring(points: Any, what: str) -> Sequence[float]:
    if not isinstance(points, list) or len(points) < 6 or len(points) % 2 or not all(map(number_of, points)):
        raise AnnotationError(f"an outline of {what} is not x, y of three points or more")
    return points


def labelme(path: Path, classes: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of a folder of LabelMe: a JSON file beside each image, with polygons, rectangles and circles.

    Raises:
        RecipeError: there are no such files, or one cannot be used.
    """
    root = existing(path, "folder")
    found = []
    try:
        for file in sorted(root.rglob("*.json")):
            try:
                found.append(read_labelme(file, root))
            except AnnotationError as fault:
                raise bad_annotation(file, fault) from fault
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or root), reason=reason)) from fault
    if not found:
        raise RecipeError(NoAnnotations(path=str(root), wanted="JSON files of LabelMe"))
    return _listing(root, found, classes, training)


def read_labelme(file: Path, root: Path) -> _Read:
    """Read a file of LabelMe: its image, which lies beside it, with its outlines.

    Raises:
        AnnotationError: it is not JSON, or no file of LabelMe.
        OSError: it cannot be read.
    """
    plain = read_json(file)
    if not isinstance(plain, dict) or not isinstance(plain.get("shapes"), list):
        raise AnnotationError("it has no list `shapes`: it is no file of LabelMe")
    written = plain.get("imagePath")
    if not isinstance(written, str) or not written or "\0" in written:
        raise AnnotationError("it has no `imagePath`")
    image = _beside(file, root, PureWindowsPath(written))
    sides = plain.get("imageHeight"), plain.get("imageWidth")
    size = Size(*sides) if all(type(each) is int and 0 < each < 1_000_000 for each in sides) else None  # type: ignore[arg-type]
    outlines = [_shape(each, f"shape {number + 1}") for number, each in enumerate(plain["shapes"])]
    return image.relative_to(root).as_posix(), image, size, [each for each in outlines if each is not None]


def _beside(file: Path, root: Path, written: PureWindowsPath) -> Path:
    """Return the image of a file of LabelMe: beside it, or where it says, as in `../images/7.jpg`, below the root.

    An absolute path, on the machine where the file was made, leads nowhere.
    """
    beside, said = file.parent / written.name, Path(os.path.normpath(file.parent / written.as_posix()))
    is_there = not written.anchor and said.is_relative_to(root) and said.is_file() and not beside.is_file()
    return said if is_there else beside


def _shape(row: Any, what: str) -> Outline | None:
    """Return the outline of a shape; None of one without an area: a point, a line."""
    if not isinstance(row, dict) or not isinstance(row.get("label"), str) or not row["label"]:
        raise AnnotationError(f"{what} has no `label`")
    points, kind = row.get("points"), row.get("shape_type") or "polygon"
    if not isinstance(points, list) or not all(
        isinstance(each, list) and len(each) == 2 and all(map(number_of, each)) for each in points
    ):
        raise AnnotationError(f"the `points` of {what} are not pairs x, y")
    if kind == "polygon" and len(points) >= 3:
        return row["label"], ([side for point in points for side in point],), ()
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return row["label"], ([x0, y0, x1, y0, x1, y1, x0, y1],), ()
    if kind == "circle" and len(points) == 2:
        return row["label"], (_circle(*points),), ()
    if kind in ("point", "line", "linestrip", "points"):
        return None
    raise AnnotationError(f"{what} is a {kind!r} of {len(points)} points, which is no area that can be read")


def _circle(middle: Sequence[float], edge: Sequence[float]) -> Sequence[float]:
    from math import cos, hypot, pi, sin

    radius = hypot(edge[0] - middle[0], edge[1] - middle[1])
    turns = [2 * pi * step / 128 for step in range(128)]
    return [side for turn in turns for side in (middle[0] + radius * cos(turn), middle[1] + radius * sin(turn))]


def _listing(path: Path, found: Sequence[_Read], classes: Sequence[str] | None, training: bool) -> Listing:
    missing = [image for _, image, _, _ in found if not os.path.isfile(image)]
    if missing:
        names = tuple(map(str, missing[:_SHOWN]))
        raise RecipeError(ImagesNotThere(path=str(path), names=names, total=len(missing)))
    there = sorted({label for *_, outlines in found for label, _, _ in outlines} - {BACKGROUND})
    if training and not there:
        raise RecipeError(NoObjects(path=str(path)))
    wanted = tuple(each for each in (there if classes is None else classes) if each != BACKGROUND)
    if training and (empty := tuple(name for name in wanted if name not in there)):
        nearest = suggest(empty[0], [name for name in there if name not in wanted])
        raise RecipeError(ClassesWithoutObjects(path=str(path), names=empty, there=tuple(there), nearest=nearest))
    names = (BACKGROUND, *wanted)
    return Listing(tuple(_samples(path, found, names)), names)


def _samples(path: Path, found: Sequence[_Read], names: tuple[str, ...]) -> Iterator[Sample]:
    place = {name: position for position, name in enumerate(names)}
    for id, image, written, outlines in found:
        points = sum(len(ring) for _, rings, _ in outlines for ring in rings)
        try:
            size = written or upright_size(image)
        except ImageError:  # said where all images are opened
            size = Size(1, 1)
        runs = {sum(runs) for _, _, runs in outlines if runs} - {size.pixels}
        if points > 2 * _MOST_POINTS or runs or size.pixels > _PIXELS:
            why = f"runs of {runs.pop():,} pixels in an image of {size}" if runs else "outlines of far too many points"
            raise bad_annotation(path, AnnotationError(f"`{id}` has {why}"))
        areas = tuple(Area(place[label], rings_of(rings), runs) for label, rings, runs in outlines if label in place)
        yield Sample(id, Mask(Painted(image.name, size, areas), tuple(range(len(names))), None), image)
