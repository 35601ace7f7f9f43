"""Objects annotated as in PASCAL VOC: a file of XML for each image.

A folder holds `Annotations`, `JPEGImages` and `ImageSets/Main` with a list of names for each split; or two folders such
as `annots` and `images`; or images with their XML files beside them. Coordinates of VOC count pixels from 1 and name
the last one inside: a box of (xmin, ymin, xmax, ymax) reaches from xmin - 1 to xmax.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.parsers import expat

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data.formats import why_no_image
from runtime.data.listing import Listing
from runtime.data.problems import UnreadableData
from runtime.data.sources.annotations import Annotated, AnnotationError, Object, bad_annotation, listing, number
from runtime.data.sources.files import existing, folders_in, images_below
from runtime.data.sources.problems import NoAnnotations, NoSuchSplit
from runtime.plan.size import Size

_LARGEST_FILE = 16_000_000
_DEEPEST = 64
_MOST_OBJECTS = 100_000
_ANNOTATIONS = ("annotations", "annotation", "annots", "annot", "xmls", "xml", "labels", "label")
_IMAGES = ("jpegimages", "images", "image", "imgs", "img", "photos", "pictures", "frames")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def voc(path: Path, split: str | None, classes: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images that have an annotation; with `split`, those of one of the set's own lists.

    Raises:
        RecipeError: the folder, a list or an annotation cannot be used.
    """
    root = existing(path, "folder")
    try:
        files = list(_files(root, split))
        found = [_annotated(root, name, xml, image) for name, xml, image in files]
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or root), reason=reason)) from fault
    if not found:
        raise RecipeError(NoAnnotations(path=str(root), wanted="XML files with annotations"))
    return listing(root, found, classes, training)


def _files(root: Path, split: str | None) -> Iterator[tuple[str, Path, Path | None]]:
    """Yield the name, the annotation and the image of each; None where only the annotation can tell the image."""
    places = folders_of(root)
    if places is None:
        if split is not None:
            raise RecipeError(NoSuchSplit(path=str(root), split=split, there=()))
        beside = {image.with_suffix(""): image for image in images_below(root)[0]}
        for xml in sorted(root.rglob("*.xml")):
            yield xml.relative_to(root).with_suffix("").as_posix(), xml, beside.get(xml.with_suffix(""))
        return
    annotations, folder = places
    by_stem = {each.stem: each for each in sorted(folder.iterdir()) if why_no_image(each) is None}
    names = sorted(each.stem for each in annotations.glob("*.xml")) if split is None else _split(root, split)
    for name in names:
        yield name, annotations / f"{name}.xml", by_stem.get(name)


def folders_of(root: Path) -> tuple[Path, Path] | None:
    """Return the folder of annotations and that of images; None where annotations lie beside their images.

    Raises:
        OSError: the folder cannot be read.
    """
    named = {name.lower(): root / name for name in reversed(folders_in(root))}
    images = next((named[name] for name in _IMAGES if name in named), None)
    if (root / "Annotations").is_dir():
        return root / "Annotations", images or root
    annotations = (named[name] for name in _ANNOTATIONS if name in named)
    found = next((each for each in annotations if next(each.glob("*.xml"), None)), None)
    return None if found is None or images is None else (found, images)


def _split(root: Path, split: str) -> list[str]:
    """Return the names in a list of the set; a line may have a mark of the class behind the name."""
    folder = root / "ImageSets" / "Main"
    there = tuple(sorted(each.stem for each in folder.glob("*.txt"))) if folder.is_dir() else ()
    if split not in there:
        raise RecipeError(NoSuchSplit(path=str(root), split=split, there=there, nearest=suggest(split, there)))
    path = folder / f"{split}.txt"
    try:
        lines = _content(path).decode().splitlines()
    except (UnicodeDecodeError, AnnotationError) as fault:
        raise RecipeError(UnreadableData(path=str(path), reason=str(fault))) from fault
    return sorted({line.split()[0] for line in lines if line.strip()})


def _content(path: Path) -> bytes:
    if os.path.getsize(path) > _LARGEST_FILE:
        raise AnnotationError(f"it has more than {_LARGEST_FILE:,} bytes")
    return path.read_bytes()


def _annotated(root: Path, name: str, xml: Path, image: Path | None) -> Annotated:
    try:
        written, frame, objects = read_voc(xml)
    except FileNotFoundError:
        raise bad_annotation(xml, AnnotationError("there is no such file, and a list names its image")) from None
    except AnnotationError as fault:
        raise bad_annotation(xml, fault) from fault
    if image is None:  # the annotation names it; a path on the machine where it was made leads nowhere
        image = xml.parent / os.path.basename(written.replace("\\", "/")) if written else xml.with_suffix(".jpg")
    return Annotated(name, image, objects, frame)


def read_voc(path: Path) -> tuple[str, Size | None, list[Object]]:
    """Read an annotation: the image's name and size as it says them, and the objects.

    Raises:
        AnnotationError: it is not XML, or no annotation.
        OSError: it cannot be read.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: reader.begin(tag, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda tag: reader.end()
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(_content(path), True)
    except expat.ExpatError as fault:
        raise AnnotationError(f"it is not XML: {expat.ErrorString(fault.code)}", fault.lineno) from None
    except (ValueError, LookupError) as fault:  # an encoding that is not known
        raise fault if isinstance(fault, AnnotationError) else AnnotationError(f"it is not XML: {fault}") from None
    if reader.root != "annotation":
        raise AnnotationError(f"it begins with `<{reader.root[:40]}>`, and an annotation of VOC with `<annotation>`")
    return reader.filename.strip(), reader.frame(), reader.objects


class _Reader:
    """Takes the pieces of a file in order; holds one object at a time."""

    def __init__(self) -> None:
        self.root, self.filename = "", ""
        self.objects: list[Object] = []
        self._size: dict[str, str] = {}
        self._path: list[str] = []
        self._values: dict[str, tuple[str, int]] = {}
        self._text, self._line, self._begun = "", 0, 0

    def begin(self, tag: str, line: int) -> None:
        self.root = self.root or tag
        self._path.append(tag)
        self._text, self._line = "", line
        if len(self._path) > _DEEPEST:
            raise AnnotationError(f"its elements are nested more than {_DEEPEST} deep", line)
        if self._path[1:] == ["object"]:
            self._values, self._begun = {}, line

    def text(self, text: str) -> None:
        self._text += text if len(self._text) < 1000 else ""

    def end(self) -> None:
        match self._path[1:]:
            case ["filename"]:
                self.filename = self._text
            case ["size", side]:
                self._size[side] = self._text.strip()
            case ["object"]:
                self.objects.append(self._object())
                if len(self.objects) > _MOST_OBJECTS:
                    raise AnnotationError(f"it has more than {_MOST_OBJECTS:,} objects")
            case ["object", "name" | "difficult" as what] | ["object", "bndbox", what]:
                self._values[what] = (self._text.strip(), self._line)
        self._path.pop()
        self._text = ""

    def refuse(self, *_: object) -> None:
        raise AnnotationError("it declares entities, which no annotation does")

    def frame(self) -> Size | None:
        """Return the size, which some tools leave at 0."""
        sides = [self._size.get(side, "") for side in ("height", "width")]
        whole = [int(each) if each.isdecimal() and each.isascii() and len(each) < 8 else 0 for each in sides]
        return Size(*whole) if all(whole) else None

    def _object(self) -> Object:
        for what in ("name", *_SIDES):
            if not self._values.get(what, ("",))[0]:
                raise AnnotationError(f"an object has no `{what}`", self._begun)
        x0, y0, x1, y1 = (number(self._values[side][0], f"`{side}`", self._values[side][1]) for side in _SIDES)
        difficult = self._values.get("difficult", ("0",))[0] in ("1", "true")
        return Object(self._values["name"][0], (x0 - 1, y0 - 1, x1, y1), difficult)
