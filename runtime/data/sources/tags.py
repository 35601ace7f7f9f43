"""Folders of images with tags: in a text file beside each image, or all in one JSON file.

The target of an image is a tuple of the positions of its tags, in order. An image may have none: its file is empty, or
its list. One of which nothing is said takes no part, and is counted with what lies among the images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.data.listing import Listing, Sample
from runtime.data.problems import UnreadableData, quoted
from runtime.data.sources.files import existing, images_below
from runtime.data.sources.problems import BadTags, NoAnnotations, NoLabels
from runtime.data.sources.skipped import PassedOver
from runtime.data.sources.table_labels import targets_of

_LARGEST_FILE = 500_000_000


def tags(path: Path, file: Path | None = None, training: bool = True) -> Listing:
    """List the images of a folder with their tags, which are sorted by code points.

    Raises:
        RecipeError: there are no images or no tags, or a file cannot be read as tags.
    """
    images, passed = images_below(existing(path, "folder"))
    if not images:
        raise RecipeError(NoAnnotations(path=str(path), wanted="images"))
    try:
        found = _beside(images) if file is None else _listed(path, images, existing(file, "file"))
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    names = tuple(sorted({tag for own in found.values() for tag in own}))
    if training and not names:
        raise RecipeError(NoLabels(path=str(path), where=_where(file)))
    why = f"without tags {_where(file)}"
    left = [PassedOver(image, "image", why, is_image=True) for image in images if image not in found]
    texts = {image.with_suffix(".txt") for image in found} if file is None else {file}
    others = [each for each in passed if each.path not in texts]
    ids = [image.relative_to(path).as_posix() for image in found]
    rows = zip(ids, targets_of(found.values(), names), found, strict=True)
    return Listing(tuple(Sample(id, own, image) for id, own, image in rows), names, passed=(*others, *left))


def _where(file: Path | None) -> str:
    return "in a text file of their name" if file is None else f"in {quoted(file.name)}"


def _beside(images: list[Path]) -> dict[Path, list[str]]:
    found = {}
    for image in images:
        text = image.with_suffix(".txt")
        if text.is_file():
            content = _text(text)
            found[image] = _unique([" ".join(part.split()) for part in content.replace("\n", ",").split(",")], text)
    return found


def _listed(path: Path, images: list[Path], file: Path) -> dict[Path, list[str]]:
    """Return the tags that a JSON file has for the images; their names start from the folder, or stand alone."""
    try:
        plain: Any = json.loads(_text(file))
    except (ValueError, RecursionError) as fault:
        line = f" in line {fault.lineno}" if isinstance(fault, json.JSONDecodeError) else ""
        raise RecipeError(BadTags(path=str(file), reason=f"it is not JSON{line}")) from fault
    if not isinstance(plain, dict) or not all(_is_tags(each) for each in plain.values()):
        wrong = (
            next((name for name, each in plain.items() if not _is_tags(each)), "") if isinstance(plain, dict) else ""
        )
        reason = f"{quoted(wrong)} has no list of tags" if wrong else "it is no object of images"
        raise RecipeError(BadTags(path=str(file), reason=reason))
    there = {image.relative_to(path).as_posix(): image for image in images}
    if missing := [name for name in plain if name not in there]:
        more = f", and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise RecipeError(BadTags(path=str(file), reason=f"{quoted(missing[0])}{more} is no image of {quoted(path)}"))
    return {image: _unique(plain[id], file) for id, image in there.items() if id in plain}


def _is_tags(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _unique(labels: list[str], file: Path) -> list[str]:
    found = [label for each in labels if (label := " ".join(each.split()))]
    if twice := next((label for number, label in enumerate(found) if label in found[:number]), ""):
        raise RecipeError(BadTags(path=str(file), reason=f"an image has {quoted(twice)} twice"))
    return found


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_FILE:
        raise RecipeError(BadTags(path=str(path), reason=f"it has more than {_LARGEST_FILE:,} bytes"))
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise RecipeError(BadTags(path=str(path), reason="it is not UTF-8 text")) from fault
