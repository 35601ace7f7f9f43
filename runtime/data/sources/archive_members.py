"""The files in an archive, tar or zip, as places of bytes: `archive_members(path)`.

Those of a plain tar stay where they are. What is packed is copied once, below the cache, one member behind the other.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from gzip import BadGzipFile
from gzip import open as open_gzip
from pathlib import Path
from typing import IO

from recipe_lang.problem import RecipeError
from runtime.data.listing import Embedded
from runtime.data.problems import UnreadableData
from runtime.data.sources.problems import BadRecord
from runtime.data.sources.tar_files import TarError, tar_members
from runtime.data.sources.unpacked import unpacked

_Reader = Callable[[Path], Iterator[tuple[str, int, IO[bytes]]]]
_PIECE = 1 << 20
_LARGEST = 1 << 30  # bytes of a member
_RATIO, _ALWAYS = 200, 1 << 26  # bytes that may come out of one, and that may come out of any file
_FAULTS = (
    *(TarError, zipfile.BadZipFile, BadGzipFile, EOFError, zlib.error),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)


def is_archive(path: Path) -> bool:
    """Whether a file is called as archives are that can be read."""
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def archive_members(path: Path) -> Mapping[str, Embedded]:
    """Return the regular files in an archive by their paths in it.

    Raises:
        RecipeError: it cannot be read, or claims far more than it holds.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(2)
            if start not in (b"PK", b"\x1f\x8b"):
                members = tar_members(file, os.fstat(file.fileno()).st_size)
                return {_plain(each.name): Embedded(path, ((each.offset, each.size),)) for each in members}
        folder = unpacked(path, partial(_copy, path, _zipped if start == b"PK" else _packed_tar), "members")
        places = json.loads((folder / "places.json").read_text())
    except OSError as fault:
        raise RecipeError(UnreadableData(path=str(path), reason=fault.strerror or str(fault))) from fault
    except _FAULTS as fault:
        hint = "is it whole? download it again"
        raise RecipeError(BadRecord(path=str(path), place="", reason=str(fault), hint=hint)) from fault
    return {name: Embedded(folder / "content", ((offset, size),)) for name, offset, size in places}


def member_file(archive: Path, name: str, member: Embedded) -> Path:
    """Return a file of its own with the bytes of a member, below the cache; its name is the member's last part.

    Raises:
        OSError: it cannot be read or written.
    """
    last = Path(name).name

    def write(folder: Path) -> None:
        (folder / last).write_bytes(member.read())

    return unpacked(archive, write, f"member {name}") / last


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def _copy(path: Path, read: _Reader, folder: Path) -> None:
    """Write the members of an archive into `content`, and their names, places and sizes into `places.json`."""
    most = max(_ALWAYS, _RATIO * path.stat().st_size)
    places: list[tuple[str, int, int]] = []
    with open(folder / "content", "wb") as content:
        for name, size, file in read(path):
            begin, left = content.tell(), size
            if size > _LARGEST or begin + size > most:
                raise ValueError(f"its member {name} claims {size:,} bytes, far more than the archive holds")
            while left and (piece := file.read(min(_PIECE, left))):
                left -= content.write(piece)
            if left:
                raise ValueError(f"its member {name} is cut off")
            places.append((_plain(name), begin, size))
    (folder / "places.json").write_text(json.dumps(places))


def _zipped(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for each in archive.infolist():
            if not each.is_dir():
                with archive.open(each) as file:
                    yield each.filename, each.file_size, file


def _packed_tar(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with open_gzip(path) as file:
        for each in tar_members(file):  # type: ignore[arg-type]
            yield each.name, each.size, file  # type: ignore[misc]
