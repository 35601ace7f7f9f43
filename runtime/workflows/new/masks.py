"""Folders of images beside masks: `masks_in(folder)` gives the sources that read them.

They are told by pairs of folders whose files bear the same names, such as `images` and `masks`, `JPEGImages` and
`SegmentationClass`, `train` and `trainannot`; or by masks beside their images, `7.jpg` and `7_mask.png`.
What the values or colours of masks stand for is read from all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.data.images import ImageError, opened_mask
from runtime.data.listing import Listing
from runtime.data.sources.files import folders_in, images_below
from runtime.data.sources.masks import is_mask, masks, stem_of
from runtime.data.sources.set_names import role_of
from runtime.data.targets import MASK
from runtime.tasks.catalog import TASKS
from runtime.tasks.segmentation.palette import palette
from runtime.workflows.new.tables import Found

_TASK = next(name for name, task in TASKS.items() if task.target == MASK)
_IMAGES = re.compile(r"(jpegimages|(image|img|photo|picture|frame|input|original|raw)s?)$", re.IGNORECASE)
_MASKS = re.compile(
    r"(segmentationclass(raw)?|(mask|label|annotation|annot|segmentation|seg|gt|target|groundtruth|truth)s?)"
    r"([_-]?(png|raw|images?))?$",
    re.IGNORECASE,
)
_MOST_CLASSES = 64  # values of masks, above which they are pictures of something else
_PROBED = 5  # masks that tell whether a folder has masks
_READ = 3_000  # masks whose values are read
_VOID = 255
_NAME_FILES = ("class_dict.csv", "label_colors.txt", "labelmap.txt", "classes.txt", "labels.txt")
_LARGEST = 1_000_000  # bytes of such a file

Sets = dict[str, Found]
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Place:
    """A set: the folder of its images, that of its masks, and a list of the images that count, where there is one."""

    images: Path
    masks: Path
    split: Path | None = None


@dataclass(slots=True)
class _Seen:
    """What masks hold, why some cannot be read, and how many were looked at."""

    values: set[int] = field(default_factory=set)
    colors: set[Color] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    count: int = 0


def masks_in(root: Path) -> tuple[Sets, list[str]] | None:
    """Return the sources of a folder of images and masks, and notes; None where it is no such folder.

    Raises:
        RecipeError: its masks cannot be used.
        OSError: a folder cannot be read.
    """
    places = _places(root)
    if not places or not all(map(_has_masks, places.values())):
        return None
    seen = _seen(places.values())
    meaning, notes = _meaning(seen, root)
    found = {}
    for role, place in places.items():
        args: dict[str, Any] = {"images": place.images, "masks": place.masks, **meaning}
        args |= {} if place.split is None else {"split": place.split}
        try:
            found[role] = Found("masks", args, _listing(args), _TASK)
        except RecipeError as error:
            if role == "train":
                raise
            notes.append(f"The {role} set is not used: {error.problems[0].message()}.")
    return found, notes


def _listing(args: Mapping[str, Any]) -> Listing:
    return masks(
        args["images"],
        args["masks"],
        args["classes"],
        args.get("values"),
        args.get("colors"),
        args.get("ignore", _VOID),
        args.get("split"),
    )


def _places(root: Path) -> dict[str, _Place]:
    """Return the sets of a folder by their roles; empty where there are no pairs of folders."""
    pair = _pair(root)
    if pair is not None:
        images, labels = pair
        lists = _lists(root)
        if lists:
            return {role: _Place(images, labels, path) for role, path in lists.items()}
        inside = _by_role(folders_in(images)), _by_role(folders_in(labels))
        if "train" in inside[0] and "train" in inside[1]:
            both = [role for role in inside[0] if role in inside[1]]
            return {role: _Place(images / inside[0][role], labels / inside[1][role]) for role in both}
        return {"train": _Place(images, labels)}
    found = {}
    folders = folders_in(root)
    for role, name in _by_role([name for name in folders if not _label_of(name)]).items():
        beside = [each for each in folders if _label_of(each) and role_of(_label_of(each)) == role]
        within = _pair(root / name)
        if beside:
            found[role] = _Place(root / name, root / beside[0])
        elif within is not None:
            found[role] = _Place(*within)
        elif _beside(root / name):
            found[role] = _Place(root / name, root / name)
    if "train" in found:
        return found
    return {"train": _Place(root, root)} if _beside(root) else {}


def _by_role(names: Sequence[str]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for name in names:
        if role := role_of(name):
            roles.setdefault(role, name)
    return roles


_LABEL_FOLDER = re.compile(r"(?P<name>.+?)[_-]?(masks?|labels?|annot|annotations?|gt)$", re.IGNORECASE)


def _label_of(name: str) -> str:
    """Return the folder of images that a folder of masks is called after: `train` of `trainannot`; empty for others."""
    match = _LABEL_FOLDER.match(name)
    return match["name"] if match else ""


def _pair(root: Path) -> tuple[Path, Path] | None:
    """Return the folder of images and that of masks among those of a folder."""
    folders = folders_in(root)
    images = [name for name in folders if _IMAGES.match(name)]
    labels = sorted((name for name in folders if _MASKS.match(name) and name not in images), key=len)
    return (root / images[0], root / labels[0]) if images and labels else None


def _lists(root: Path) -> dict[str, Path]:
    """Return the lists of a set's images by their roles, as VOC and CamVid have them."""
    for folder in (root / "ImageSets" / "Segmentation", root):
        if folder.is_dir():
            files = {each.stem: each for each in sorted(folder.glob("*.txt"))}
            roles = _by_role([name for name in ("train", "val", "valid", "test", "trainval") if name in files])
            if "train" in roles:
                return {role: files[name] for role, name in roles.items()}
    return {}


def _beside(folder: Path) -> bool:
    """Whether most masks of a folder lie beside their images."""
    found, _ = images_below(folder)
    images = {stem_of(path) for path in found if not is_mask(path)}
    marked = [path for path in found if is_mask(path)]
    return len(marked) > 0 and 2 * sum(stem_of(path) in images for path in marked) > len(marked)


def _files(place: _Place) -> list[Path]:
    """Return the masks of a set that have an image."""
    images, labels = (images_below(folder)[0] for folder in (place.images, place.masks))
    if place.images == place.masks:
        images, labels = [each for each in images if not is_mask(each)], [each for each in labels if is_mask(each)]
    stems = {stem_of(each.relative_to(place.images)) for each in images}
    return [each for each in labels if stem_of(each.relative_to(place.masks)) in stems]


def _has_masks(place: _Place) -> bool:
    """Whether files of the folder of masks belong to images, and have few values."""
    files = _files(place)
    seen = reduce(_look, files[:: max(1, len(files) // _PROBED)][:_PROBED], _Seen())
    return seen.count > len(seen.unread) and len(seen.values) + len(seen.colors) <= _MOST_CLASSES


def _seen(places: Iterable[_Place]) -> _Seen:
    files = [file for place in places for file in _files(place)]
    return reduce(_look, files[:: -(-len(files) // _READ)], _Seen())


def _look(seen: _Seen, file: Path) -> _Seen:
    seen.count += 1
    try:
        pixels = np.asarray(opened_mask(file))
    except ImageError as fault:
        seen.unread.append(str(fault))
        return seen
    if pixels.ndim == 2:
        seen.values.update(np.unique(pixels).tolist())
    else:
        keys = np.unique(pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32))[: _MOST_CLASSES + 1]
        seen.colors.update((key >> 16, key >> 8 & 255, key & 255) for key in keys.tolist())
    return seen


def _meaning(seen: _Seen, root: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments of `masks` that say what values stand for, and notes on what was guessed."""
    notes = [f"Of {counted(seen.count, 'mask')} looked at, one cannot be used: {why}." for why in seen.unread[:1]]
    named = _named(root)
    if seen.colors and not seen.values:
        colors = sorted(seen.colors, key=lambda color: (color != (0, 0, 0), _VOC.get(color, 256), color))
        known = {color: name for name, color in named if color is not None}
        if known and set(colors) <= set(known):
            colors = list(known)
        names = [known.get(color, "") for color in colors]
        meaning: dict[str, Any] = {"colors": ["#{:02x}{:02x}{:02x}".format(*color) for color in colors]}
    else:
        values, void = _values(seen.values)
        if named and len(named) > max(values) and values[-1] != _VOID:
            values = list(range(len(named)))  # a set need not show all its classes
        names = [named[value][0] if value < len(named) else "" for value in values]
        plain = values == list(range(len(values)))
        meaning = ({} if plain else {"values": values}) | ({} if void else {"ignore": None})
    if not all(names):
        usual = ["background", "foreground"] if len(names) == 2 else ["background"]
        names = [*usual, *(f"class{number}" for number in range(len(usual), len(names)))]
        notes.append(f"The names of the {len(names)} classes are guessed: write those that the masks mean.")
    if len(set(names)) < len(names):
        names = [f"{name} {number}" if names.count(name) > 1 else name for number, name in enumerate(names)]
    return {"classes": names, **meaning}, notes


def _values(found: set[int]) -> tuple[list[int], bool]:
    """Return the values that stand for classes, and whether 255 stands for none: beside 0, 1, 2, … it does."""
    values = sorted(found)
    rest = [value for value in values if value != _VOID]
    if _VOID not in values:
        return (list(range(rest[-1] + 1)) if rest and rest[-1] < 2 * len(rest) else rest), True
    return (list(range(max(rest) + 1)), True) if len(rest) > 1 and max(rest) < 2 * len(rest) else (values, False)


def _named(root: Path) -> list[tuple[str, Color | None]]:
    """Return the classes that a file of the set lists, with their colours where it has them."""
    for name in _NAME_FILES:
        path = root / name
        if path.is_file() and path.stat().st_size <= _LARGEST:
            try:
                lines = path.read_bytes().decode().splitlines()
            except UnicodeDecodeError:
                continue
            rows = [row for line in lines if (row := _class_row(line))]
            if rows and len({name for name, _ in rows}) == len(rows):
                return rows
    return []


def _class_row(line: str) -> tuple[str, Color | None] | None:
    """Read a class of a line: `Sky,128,128,128`, `128 128 128 Sky`, `sky:70,130,180::`, or its name alone."""
    cells = [each for each in re.split(r"[,\s:;]+", line.split("#")[0].strip()) if each]
    numbers = [int(each) for each in cells if each.isdecimal() and int(each) < 256]
    words = [each for each in cells if not each.isdecimal()]
    if not words or words[0].lower() in ("name", "r", "label"):
        return None
    return " ".join(words), (numbers[0], numbers[1], numbers[2]) if len(numbers) >= 3 else None


_VOC = {color: position for position, color in enumerate(palette(_MOST_CLASSES))}
