"""Shards of WebDataset: tar files in which the members of a sample have the same name but for what is behind its point.

`n1/0042.jpg` and `n1/0042.cls` are a sample, `n1/0042`. The images stay where they are; listed are their places.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.words import a_few
from runtime.data.formats import IMAGE_ENDINGS
from runtime.data.listing import Embedded, Listing
from runtime.data.problems import UnreadableData
from runtime.data.sources.class_numbers import listing_of_classes
from runtime.data.sources.patterns import files_of
from runtime.data.sources.problems import BadRecord, NoAnnotations
from runtime.data.sources.skipped import PassedOver
from runtime.data.sources.tar_files import Member, TarError, tar_members

_LONGEST = 1 << 20  # bytes of a label, or of the JSON that has it
_ALONE = "it has an image alone: a member of its name, such as `.cls`, says its class"
USUAL_LABELS = ("cls", "json", "txt")
"""What the label of a sample is called, the usual first."""
USUAL_KEYS = ("label", "class", "cls", "category", "label_name", "class_name")
"""What the class is called in JSON, the usual first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which members count: the ending of the label, in JSON its key, and the ending of the image where it is told."""

    label: str = "cls"
    key: str = "label"
    image: str | None = None


@dataclass(frozen=True, slots=True)
class _Labelled:
    shard: Path
    id: str
    label: str
    image: Embedded


def webdataset(path: Path, wanted: Wanted, names: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of shards; `path` may have braces or stars, or be a folder with tar files.

    Raises:
        RecipeError: a shard or a label cannot be used.
    """
    shards = files_of(path, ".tar")
    top = Path(os.path.commonpath([each.parent for each in shards]))
    found: list[_Labelled] = []
    passed: list[PassedOver] = []
    for shard in shards:
        prefix = shard.relative_to(top).with_suffix("").as_posix()
        try:
            found += _labelled(shard, prefix, wanted, passed)
        except TarError as fault:
            hint = "is it packed? unpack it with `gunzip`: images are read by their places" if is_packed(shard) else ""
            raise RecipeError(BadRecord(path=str(shard), place="", reason=str(fault), hint=hint)) from fault
        except OSError as fault:
            raise RecipeError(UnreadableData(path=str(shard), reason=fault.strerror or str(fault))) from fault
    if not found:
        raise RecipeError(NoAnnotations(path=str(path), wanted="images"))
    listing = listing_of_classes(
        path,
        [each.id for each in found],
        [each.label for each in found],
        [each.image for each in found],
        names,
        training,
        lambda number: f"sample {found[number].id}",
    )
    return Listing(listing.samples, listing.names, tuple(passed))


def usual_members(shard: Path) -> Wanted:
    """Return which members of the first sample with an image are its label and its image, as they are mostly called.

    Raises:
        TarError: it is no tar file.
        OSError: it cannot be read.
    """
    for _, members in samples_in(shard):
        images = images_among(tuple(members))
        label = next((each for each in USUAL_LABELS if each in members), None)
        if not images or label is None:
            continue
        with open(shard, "rb") as file:
            content = os.pread(file.fileno(), *_place(members[label])) if label == "json" else b""
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            told = None
        key = next((each for each in USUAL_KEYS if isinstance(told, dict) and each in told), "label")
        return Wanted(label, key, images[0] if len(images) > 1 else None)
    return Wanted()


def is_packed(path: Path) -> bool:
    """Whether a file is packed with gzip, bzip2, xz or zstd."""
    with open(path, "rb") as file:
        return file.read(4).startswith((b"\x1f\x8b", b"BZh", b"\xfd7z", b"\x28\xb5\x2f\xfd"))


def samples_in(shard: Path) -> Iterator[tuple[str, Mapping[str, Member]]]:
    """Yield the key of each sample, and its members by their endings in lower case, without the first point.

    Raises:
        TarError: it is no tar file.
        OSError: it cannot be read.
    """
    with open(shard, "rb") as file:
        members = tar_members(file, os.fstat(file.fileno()).st_size)
        for key, group in groupby(members, lambda member: _parts(member.name)[0]):
            yield key, {_parts(each.name)[1]: each for each in group}


def _parts(name: str) -> tuple[str, str]:
    """Return a member's name up to the first point of its last part, and what is behind that."""
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def images_among(endings: Sequence[str]) -> list[str]:
    """Return the endings that are of images."""
    return [each for each in endings if f".{each.rpartition('.')[2]}" in IMAGE_ENDINGS]


def _labelled(shard: Path, prefix: str, wanted: Wanted, passed: list[PassedOver]) -> Iterator[_Labelled]:
    seen: set[str] = set()
    with open(shard, "rb", buffering=0) as file:
        for key, members in samples_in(shard):
            image = _image(shard, key, members, wanted)
            if image is None:
                named = (Path(shard, f"{key}.{ending}") for ending in members)
                passed += (PassedOver(each, each.suffix or "member", "of a sample without an image") for each in named)
                continue
            if key in seen:
                raise _bad(shard, key, image, "its name stands in the shard twice: a sample's members follow another")
            seen.add(key)
            if wanted.label not in members:
                others = [each for each in members if each not in images_among(tuple(members))]
                hint = f'name the ending of the label: `label = "{others[0]}"`' if others else _ALONE
                raise _bad(shard, key, image, f"it has no member `.{wanted.label}`", hint)
            label = _label(shard, key, os.pread(file.fileno(), *_place(members[wanted.label])), members, wanted)
            yield _Labelled(shard, f"{prefix}/{key}", label, Embedded(shard, ((image.offset, image.size),)))


def _place(member: Member) -> tuple[int, int]:
    return min(member.size, _LONGEST + 1), member.offset


def _image(shard: Path, key: str, members: Mapping[str, Member], wanted: Wanted) -> Member | None:
    endings = images_among(tuple(members)) if wanted.image is None else [wanted.image]
    if len(endings) > 1:
        hint = f'name one: `image = "{endings[0]}"`'
        named = a_few(tuple(f".{each}" for each in endings))
        raise _bad(shard, key, members[endings[0]], f"it has several images, {named}", hint)
    return members.get(endings[0]) if endings else None


def _label(shard: Path, key: str, content: bytes, members: Mapping[str, Member], wanted: Wanted) -> str:
    member = members[wanted.label]
    if len(content) > _LONGEST:
        raise _bad(shard, key, member, f"its label has more than {_LONGEST:,} bytes")
    try:
        text = content.decode().strip()
        value = json.loads(text) if wanted.label.endswith("json") else text
    except (ValueError, RecursionError):
        what = "JSON" if wanted.label.endswith("json") else "UTF-8 text"
        raise _bad(shard, key, member, f"its label is no {what}") from None
    if isinstance(value, dict):
        if wanted.key not in value:
            there = a_few(tuple(map(str, value)))
            raise _bad(
                shard, key, member, f"its JSON has no `{wanted.key}`", f"name the key of the class: it has {there}"
            )
        value = value[wanted.key]
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise _bad(shard, key, member, "its label is neither a name nor a whole number")
    if "\n" in str(value) or "\r" in str(value):
        raise _bad(shard, key, member, "its label has several lines: is it a caption?")
    return str(value).strip()


def _bad(shard: Path, key: str, member: Member, reason: str, hint: str = "") -> RecipeError:
    place = f"sample {key} (byte {member.offset:,})"
    return RecipeError(BadRecord(path=str(shard), place=place, reason=reason, hint=hint))
