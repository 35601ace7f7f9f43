"""Grey images and their classes in idx files: MNIST, Fashion-MNIST, KMNIST, EMNIST and what is published like them.

An idx file is a big-endian magic number, 0x08 for unsigned bytes in its third byte and the rank in its fourth, then the
sizes, then the numbers. Images of a plain file stay where they are, and what is listed are their places; a packed one
(.gz) is held in memory, and unpacked once, below the cache, where it is large.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data import problems
from runtime.data.listing import Embedded, ImageRef, Listing
from runtime.data.sources.class_numbers import listing_of_classes
from runtime.data.sources.files import existing
from runtime.data.sources.problems import NoMatchingFiles, NoSuchSplit
from runtime.data.sources.unpacked import unpacked

_MOST_BYTES = 2**30
_IN_MEMORY = 2**26  # bytes of a packed file
_PIECE = 2**20
_PARTS = {"train": ("train",), "test": ("t10k", "test")}
_IMAGES = re.compile(r"(?:(.+)-)?(train|t10k|test)-images[-.]idx3-ubyte(?:\.gz)?")
_TURNED = "emnist"  # its images are stored by columns


def mnist(
    path: Path, part: str, name: str | None = None, names: Sequence[str] | None = None, training: bool = True
) -> Listing:
    """List a part, `train` or `test`, of a set of idx files; `name` is what the names of the files begin with.

    EMNIST's images are turned upright, and its classes are called as its `…-mapping.txt` says, where it is there.

    Raises:
        RecipeError: the files are not there, or are damaged.
    """
    root = existing(path, "folder")
    if not any(_IMAGES.fullmatch(each.name) for each in root.iterdir()):
        raise RecipeError(NoMatchingFiles(path=str(path), pattern="train-images-idx3-ubyte.gz"))
    name = _set(root, name)
    start = f"{name}-" if name else ""
    stem = next((f"{start}{each}" for each in _PARTS[part] if _there(root, f"{start}{each}-images", 3)), "")
    stem = stem or f"{start}{_PARTS[part][0]}"
    file, numbers, images = idx_pair(root, stem, name.startswith(_TURNED))
    called = {} if names is not None else _mapping(root / f"{name}-mapping.txt")
    labels = [called.get(number, str(number)) for number in numbers]
    ids = (f"{part}/{row:05d}" for row in range(len(labels)))
    return listing_of_classes(file, ids, labels, images, names, training)


def sets_of_idx(root: Path) -> list[str]:
    """Return what the names of the training images of sets in a folder begin with; empty for those of MNIST."""
    found = (_IMAGES.fullmatch(each.name) for each in root.iterdir())
    return sorted({match[1] or "" for match in found if match and match[2] == "train"})


def _set(root: Path, name: str | None) -> str:
    there = sets_of_idx(root)
    if name is None and len(there) > 1:
        raise RecipeError(NoSuchSplit(path=str(root), split="", there=tuple(there), what="set"))
    if name is not None and name not in there:
        near = suggest(name, there)
        raise RecipeError(NoSuchSplit(path=str(root), split=name, there=tuple(there), nearest=near, what="set"))
    return name if name is not None else (there or [""])[0]


def _there(root: Path, stem: str, rank: int) -> Path | None:
    names = (f"{stem}{mark}idx{rank}-ubyte{packed}" for packed in (".gz", "") for mark in "-.")
    return next((root / name for name in names if (root / name).is_file()), None)


def _mapping(path: Path) -> dict[int, str]:
    """Return the characters of EMNIST's classes: a line has a number, and the code of a character or several."""
    if not path.is_file() or path.stat().st_size > _PIECE:
        return {}
    cells = (line.split() for line in path.read_text("ascii", "replace").splitlines())
    codes = {int(each[0]): int(each[1]) for each in cells if len(each) > 1 and all(map(str.isdecimal, each[:2]))}
    return {number: chr(code) for number, code in codes.items() if 32 < code < 127}


def idx_pair(root: Path, stem: str, turned: bool = False) -> tuple[Path, list[int], Sequence[ImageRef]]:
    """Return the file of the labels, these, and the images of `train-images-idx3-ubyte.gz` and its like in a folder.

    Raises:
        RecipeError: they are not there, do not fit each other, or are damaged.
    """
    files = [
        _there(root, f"{stem}-{what}", rank) or existing(root / f"{stem}-{what}-idx{rank}-ubyte", "file")
        for what, rank in (("images", 3), ("labels", 1))
    ]
    images = _images(files[0], turned)
    labels = _array(files[1], *_header(files[1], 1)).tolist()
    if len(images) != len(labels):
        raise damaged(files[1], f"it has {len(labels)} labels for {len(images)} images")
    return files[1], labels, images


def _images(path: Path, turned: bool) -> Sequence[ImageRef]:
    start, (count, *shape) = _header(path, 3)
    if not count * math.prod(shape):
        raise damaged(path, "it has no pixels")
    if path.suffix == ".gz" and count * math.prod(shape) <= _IN_MEMORY:
        array = _array(path, start, [count, *shape])
        return list(array.transpose(0, 2, 1) if turned else array)
    file, width = path, math.prod(shape)
    if path.suffix == ".gz":
        try:
            file = unpacked(path, partial(_unpack, path, count * width)) / "pixels"
        except OSError as fault:
            raise damaged(path, fault.strerror or str(fault)) from fault
        start = 0
    elif path.stat().st_size != start + count * width:
        raise _of_other_length(path, path.stat().st_size > start + count * width)
    axes = "WH" if turned else "HW"
    return [Embedded(file, ((start + row * width, width),), axes, tuple(shape)) for row in range(count)]


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _header(path: Path, rank: int) -> tuple[int, list[int]]:
    """Return where the numbers of a file begin, and its sizes."""
    size = 4 + 4 * rank
    try:
        with _opened(path) as file:
            header = file.read(size)
    except (OSError, EOFError, zlib.error) as fault:
        raise damaged(path, str(fault)) from fault
    if len(header) < size:
        raise damaged(path, "it ends within its header")
    magic, *sizes = struct.unpack(f">{1 + rank}I", header)
    if magic != 0x0800 + rank:
        raise damaged(path, f"it is not an idx file of {rank} dimensions")
    if math.prod(sizes) > _MOST_BYTES:
        raise damaged(path, f"it claims {math.prod(sizes):,} bytes")
    return size, sizes


def _array(path: Path, start: int, sizes: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the numbers of a file, whole or not at all."""
    total = math.prod(sizes)
    try:
        with _opened(path) as file:
            content = file.read(start + total + 1)[start:]
    except (OSError, EOFError, zlib.error) as fault:
        raise damaged(path, str(fault)) from fault
    if len(content) != total:
        raise _of_other_length(path, len(content) > total)
    return np.frombuffer(content, np.uint8).reshape(sizes)


def _unpack(path: Path, total: int, folder: Path) -> None:
    """Write the pixels of a packed file of images."""
    done = 0
    try:
        with _opened(path) as file, (folder / "pixels").open("wb") as pixels:
            file.read(16)
            while done <= total and (piece := file.read(min(_PIECE, total + 1 - done))):
                done += pixels.write(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise damaged(path, str(fault)) from fault
    if done != total:
        raise _of_other_length(path, done > total)


def _of_other_length(path: Path, longer: bool) -> RecipeError:
    return damaged(path, f"it has {'more' if longer else 'fewer'} bytes than its header says")


def damaged(path: Path, reason: str) -> RecipeError:
    """Return the error that names the file."""
    return RecipeError(problems.UnreadableData(path=str(path), reason=reason, hint="download the file again"))
