"""CIFAR-10 and CIFAR-100 in their published files: the binary version, and the one for Python, whose pickles are read
and not run.

In goes a folder, or the archive as it is downloaded, which is unpacked once, below the cache. Images of 32 x 32 pixels
stay where they are; what is listed are their places. Both versions have them in one order, and give the same ids.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from gzip import BadGzipFile
from gzip import open as open_gzip
from pathlib import Path
from typing import Any
from zlib import error as ZlibError

from recipe_lang.problem import RecipeError
from runtime.data.listing import Embedded, Listing, Sample
from runtime.data.problems import UnreadableData
from runtime.data.sources.files import existing
from runtime.data.sources.pickles import Bytes, read_pickle
from runtime.data.sources.problems import BadRecord, NoCifar
from runtime.data.sources.tar_files import TarError, tar_members
from runtime.data.sources.unpacked import unpacked

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_LARGEST = 1 << 28  # bytes of a file; the largest has 153 MB
_AGAIN = "download it again"


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a set: the folder of its archive, its files by part, and where the names of its classes are.

    `labels` is for each kind of labels which byte of a record it is, or which key of a pickle; `names` the file with
    the names, and in a pickle the key of them.
    """

    folder: str
    parts: Mapping[str, Sequence[str]]
    labels: Mapping[str, int | str]
    names: Mapping[str, tuple[str, str]]

    @property
    def files(self) -> frozenset[str]:
        """The names of all its files."""
        return frozenset((*self.parts["train"], *self.parts["test"], *(name for name, _ in self.names.values())))


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_VERSIONS = (
    _Version(
        "cifar-10-batches-py",
        {"train": _BATCHES, "test": ("test_batch",)},
        {"fine": "labels"},
        {"fine": ("batches.meta", "label_names")},
    ),
    _Version(
        "cifar-10-batches-bin",
        {"train": tuple(f"{name}.bin" for name in _BATCHES), "test": ("test_batch.bin",)},
        {"fine": 0},
        {"fine": ("batches.meta.txt", "")},
    ),
    _Version(
        "cifar-100-python",
        {"train": ("train",), "test": ("test",)},
        {"fine": "fine_labels", "coarse": "coarse_labels"},
        {"fine": ("meta", "fine_label_names"), "coarse": ("meta", "coarse_label_names")},
    ),
    _Version(
        "cifar-100-binary",
        {"train": ("train.bin",), "test": ("test.bin",)},
        {"coarse": 0, "fine": 1},
        {"fine": ("fine_label_names.txt", ""), "coarse": ("coarse_label_names.txt", "")},
    ),
)
_ARCHIVES = ("cifar-10-python.tar", "cifar-10-binary.tar", "cifar-100-python.tar", "cifar-100-binary.tar")
_FILES = frozenset().union(*(version.files for version in _VERSIONS))


def cifar(path: Path, part: str, labels: str = "fine") -> Listing:
    """List a part, `train` or `test`; `labels` are `fine`, or of CIFAR-100 `coarse`, its 20 superclasses.

    Raises:
        RecipeError: the files are not there, or are damaged.
    """
    try:
        place, version = found_cifar(path)
        if labels not in version.labels:
            raise RecipeError(NoCifar(path=str(path), labels=labels))
        names = _names(place, *version.names[labels])
        samples: list[Sample] = []
        for name in version.parts[part]:
            file = existing(place / name, "file")
            read = _pickled if isinstance(version.labels[labels], str) else _binary
            for label, offset in read(file, version, version.labels[labels], len(names)):
                image = Embedded(file, ((offset, _PIXELS),), "CHW", _SHAPE)
                samples.append(Sample(f"{part}/{len(samples):05}", label, image))
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(UnreadableData(path=str(fault.filename or path), reason=reason)) from fault
    return Listing(tuple(samples), names)


def found_cifar(path: Path) -> tuple[Path, _Version]:
    """Return the folder with the files, and which version it is; the path may be the archive, or hold its folder.

    Raises:
        RecipeError: there are no files of CIFAR.
        OSError: the archive cannot be read, or not be unpacked.
    """
    place = path if os.path.isdir(path) else unpacked(existing(path, "file"), lambda folder: _unpack(path, folder))
    if (found := _version_in(place)) is None:
        raise RecipeError(NoCifar(path=str(path), labels=""))
    return found


def _version_in(place: Path) -> tuple[Path, _Version] | None:
    for folder in (place, *(place / version.folder for version in _VERSIONS)):
        for version in _VERSIONS:
            names = (folder / version.names["fine"][0], *(folder / version.parts[part][0] for part in version.parts))
            if sum(name.is_file() for name in names) > 1:  # one that is missing is named where it is read
                return folder, version
    return None


def is_cifar(path: Path) -> bool:
    """Whether a path is of CIFAR, by the names in a folder, or by that of an archive."""
    if path.is_dir():
        return _version_in(path) is not None
    return path.name.removesuffix(".gz") in _ARCHIVES


def has_coarse_labels(path: Path) -> bool:
    """Whether it is CIFAR-100."""
    return "coarse" in found_cifar(path)[1].labels


def _unpack(path: Path, folder: Path) -> None:
    """Write the files of CIFAR that an archive has, and no others, into a folder."""
    with open(path, "rb") as plain:
        is_packed = plain.read(2) == b"\x1f\x8b"
    try:
        with open_gzip(path) if is_packed else path.open("rb") as file:
            for member in tar_members(file):  # type: ignore[arg-type]
                name = member.name.rpartition("/")[2]
                if name in _FILES and member.size <= _LARGEST:
                    content = file.read(member.size)
                    if len(content) < member.size:
                        raise TarError("it is cut off")
                    (folder / name).write_bytes(content)
    except (TarError, BadGzipFile, EOFError, ZlibError) as fault:
        raise RecipeError(BadRecord(path=str(path), place="", reason=str(fault), hint=_AGAIN)) from fault


def _names(place: Path, name: str, key: str) -> tuple[str, ...]:
    file = existing(place / name, "file")
    if file.stat().st_size > 1 << 20:
        raise _bad(file, "it is too long for a list of names")
    if key:
        value = read_pickle(file)
        found = value.get(key) if isinstance(value, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise _bad(file, f"it has no list `{key}` of names")
    else:
        found = file.read_text("utf-8", "replace").split()
    if len(found) < 2 or len(set(found)) < len(found):
        raise _bad(file, f"it has {len(found)} names of classes, {len(set(found))} of them different")
    return tuple(found)


def _binary(file: Path, version: _Version, label: Any, classes: int) -> Iterator[tuple[int, int]]:
    """Yield the label of each record, and where its pixels begin."""
    width = len(version.labels) + _PIXELS
    size = file.stat().st_size
    if not size or size % width:
        raise _bad(file, f"its {size:,} bytes are no whole number of records of {width:,}: it is cut off")
    with open(file, "rb", buffering=0) as content:
        for number in range(size // width):
            value = os.pread(content.fileno(), 1, number * width + label)[0]
            yield _checked(file, value, classes, number, number * width), number * width + width - _PIXELS


def _pickled(file: Path, version: _Version, label: Any, classes: int) -> Iterator[tuple[int, int]]:
    """Yield the label of each row, and where its pixels begin."""
    if file.stat().st_size > _LARGEST:
        raise _bad(file, f"it has more than {_LARGEST:,} bytes")
    value = read_pickle(file)
    pixels, labels = (value.get("data"), value.get(label)) if isinstance(value, dict) else (None, None)
    if not isinstance(pixels, Bytes) or pixels.shape[1:] != (_PIXELS,):
        raise _bad(file, f"its `data` are no rows of {_PIXELS:,} bytes")
    if not isinstance(labels, list) or len(labels) != pixels.shape[0]:
        raise _bad(file, f"its `{label}` are no list of {pixels.shape[0]:,}")
    for number, each in enumerate(labels):
        offset = pixels.place.offset + number * _PIXELS
        yield _checked(file, each, classes, number, offset), offset


def _checked(file: Path, label: Any, classes: int, number: int, offset: int) -> int:
    if type(label) is int and 0 <= label < classes:
        return label
    place, reason = f"record {number + 1:,} (byte {offset:,})", f"its class is {label}, and there are {classes}"
    raise RecipeError(BadRecord(path=str(file), place=place, reason=reason, hint=_AGAIN))


def _bad(file: Path, reason: str) -> RecipeError:
    return RecipeError(BadRecord(path=str(file), place="", reason=reason, hint=_AGAIN))
