"""The file format of packs: a zip archive of a narrow kind, written always alike and read without belief.

In go the files of a run by name; out comes one file, and the other way round. Equal content gives equal bytes, on
every machine: the names are sorted, the times fixed, and nothing is compressed, because what zlib makes differs from
build to build (and of weights it saves 8 in 100). So no pack is larger than its file. What is read has exactly the
layout that is written here, names from a closed list, and sums that are right: checked before a byte is used.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import zipfile
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import MAX_BYTES
from runtime.runs.own_graph import BASE_GRAPH
from runtime.runs.pack.problems import NotAPack, PackGiven, PackRefused
from runtime.runs.pack.signature import is_pack
from runtime.system.files import whole_file
from runtime.tasks.catalog import TASKS
from runtime.weights.symbol_file import LARGEST_GRAPH

_CHUNK = 1 << 20
_MOST_ENTRIES = 64  # more than a pack holds, so that the first that has no place in it can be named


@dataclass(frozen=True, slots=True)
class Member:
    """A file that a pack may hold: its most bytes, whether it must be there, and how it begins unless it is text."""

    most: int
    needed: bool = False
    begins: bytes = b""


MEMBERS: Mapping[str, Member] = {
    "README.md": Member(4_000_000),
    BASE_GRAPH: Member(LARGEST_GRAPH),
    **{task.file: Member(16_000_000) for task in TASKS.values()},
    "curves.png": Member(64_000_000, begins=b"\x89PNG\r\n\x1a\n"),
    "metrics.jsonl": Member(512_000_000),
    "model.params": Member(4_000_000_000, begins=struct.pack("<QQ", 0x112, 0)),
    "plan.json": Member(64_000_000, needed=True),
    "recipe.ftr": Member(MAX_BYTES, needed=True),
    "recipe.ftr.lock": Member(8_000_000),  # 10,000 classes with long names in three sets
    "resolved.ftr": Member(MAX_BYTES, needed=True),
    "result.json": Member(64_000_000, needed=True),
}


def refuse_pack(path: Path, reason: str, hint: str) -> None:
    """Refuse a pack where one has no place; `{}` in the hint stands for it.

    Raises:
        RecipeError: the path is a pack.
    """
    if is_pack(path):
        raise RecipeError(PackGiven(path=str(path), reason=reason, hint=hint.format(quote(str(path)))))


def write_pack(path: Path, members: Mapping[str, Path | bytes]) -> None:
    """Write files, or their content, as a pack; the pack is complete or not there at all.

    Raises:
        RecipeError: a member is larger than a pack takes.
        OSError: a file cannot be read, or the pack not be written.
    """
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name in sorted(members):
            _add(archive, path, name, members[name])


def _add(archive: zipfile.ZipFile, path: Path, name: str, content: Path | bytes) -> None:
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size > MEMBERS[name].most:
        raise RecipeError(PackRefused(path=str(path), member=name, reason=_too_large(size, name)))
    entry = zipfile.ZipInfo(name)  # of the year 1980
    entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Linux, wherever this is
    entry.file_size = size
    with archive.open(entry, "w") as target:
        if isinstance(content, bytes):
            target.write(content)
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, target, _CHUNK)


class Pack:
    """An open pack whose whole content is known to be sound."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self.names = frozenset(archive.namelist())

    def read(self, name: str) -> bytes:
        """Return a member's bytes."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes in pieces of at most a megabyte.

        Raises:
            RecipeError: they are not those that the archive announces.
        """
        try:
            with self._archive.open(name) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise _damaged(self._path, f"`{name}` is damaged ({error})") from error

    def extract(self, folder: Path) -> None:
        """Write all members into a folder that has none of them.

        Raises:
            OSError: a file cannot be written. What was written before is taken back.
        """
        written: list[Path] = []
        try:
            for name in sorted(self.names):
                with (folder / name).open("xb") as file:
                    written.append(folder / name)
                    file.writelines(self.chunks(name))
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise


@contextmanager
def open_pack(path: Path) -> Iterator[Pack]:
    """Open a pack after all of it was checked: its layout, its names, its sizes, and the sum of each member.

    Raises:
        RecipeError: it cannot be read, is damaged, or holds what a pack never holds.
    """
    with ExitStack() as stack:
        try:
            if os.path.exists(path) and not os.path.isfile(path):
                raise OSError(None, "it is not a regular file")
            file = stack.enter_context(path.open("rb"))
            directory = _directory(path, file)
            archive = stack.enter_context(_zip(path, file))
            _check_entries(path, archive.infolist(), directory)
            pack = Pack(path, archive)
            _check_content(path, pack)
        except OSError as error:
            raise _damaged(path, f"it cannot be read ({error.strerror or error})") from error
        yield pack


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the folder of a run: `path` itself, or one with the content of the pack that `path` is, as long as needed.

    Problems of files in that folder are told of as the pack's.

    Raises:
        RecipeError: the pack is refused.
        OSError: there is no space for what the pack holds.
    """
    if not is_pack(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ftr-pack-") as folder, named_as(Path(folder), str(path)):
        with open_pack(path) as pack:
            pack.extract(Path(folder))
        yield Path(folder)


@contextmanager
def named_as(path: Path, name: str) -> Iterator[None]:
    """Let problems of a file, or of files in a folder, tell of another name: that of what they come from."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError([_renamed(problem, str(path), name) for problem in error.problems]) from error


def _renamed(problem: Problem, path: str, name: str) -> Problem:
    told = getattr(problem, "path", None)
    if not isinstance(told, str) or not told.startswith(path):
        return problem
    return problem.replace(path=name + told.removeprefix(path))


def _directory(path: Path, file: BinaryIO) -> int:
    """Return where the archive's directory begins. The file ends as `write_pack` ends it, with nothing after it."""
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - 22))
    end = file.read(22)
    if len(end) < 22 or end[:4] != b"PK\x05\x06":
        raise _damaged(path, "it does not end like one")
    disks, here, total, length, start, comment = struct.unpack("<IHHIIH", end[4:])
    if disks or comment or here != total or total > _MOST_ENTRIES or start + length + 22 != size:
        raise _damaged(path, "its directory is not where it should be")
    return int(start)


def _zip(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise _damaged(path, str(error)) from error


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], directory: int) -> None:
    """Refuse entries that `write_pack` would not have written: they lie one behind the other, with nothing between."""
    position = 0
    for entry in entries:
        if reason := _objection(entry):
            raise RecipeError(PackRefused(path=str(path), member=entry.orig_filename, reason=reason))
        if entry.header_offset != position:
            raise _damaged(path, f"`{entry.filename}` is not where it should be")
        position += 30 + len(entry.filename) + entry.file_size
    names = [entry.filename for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(PackRefused(path=str(path), member=name, reason="more than once"))
    missing = [name for name, member in MEMBERS.items() if member.needed and name not in names]
    if not any(task.file in names for task in TASKS.values()):
        missing.insert(0, next(iter(TASKS.values())).file)
    if missing or position != directory:
        raise _damaged(path, f"it has no `{missing[0]}`" if missing else "something lies before its directory")


def _objection(entry: zipfile.ZipInfo) -> str:
    """Say why a pack does not hold an entry; empty where it may."""
    if entry.filename not in MEMBERS or entry.orig_filename != entry.filename:
        return "which no pack holds"
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        return "compressed"
    if entry.flag_bits or entry.extra or entry.comment:
        return "encrypted or with additions"
    if entry.external_attr != 0o644 << 16:
        return "which is not a regular file, or not as `ftr pack` writes it"
    return _too_large(entry.file_size, entry.filename)


def _too_large(size: int, name: str) -> str:
    most = MEMBERS[name].most
    return f"which has {size:,} bytes where {most:,} are allowed" if size > most else ""


def _check_content(path: Path, pack: Pack) -> None:
    """Read everything once: each sum must be right, texts be UTF-8, pictures and weights begin as such."""
    for name in sorted(pack.names):
        begins, start = MEMBERS[name].begins, b""
        text = getincrementaldecoder("utf-8")()
        try:
            for chunk in pack.chunks(name):
                start = start or chunk[: len(begins)]
                text.decode(b"" if begins else chunk)
            text.decode(b"", final=True)
        except UnicodeDecodeError:
            raise RecipeError(PackRefused(path=str(path), member=name, reason="which is not text")) from None
        if start != begins:
            raise RecipeError(PackRefused(path=str(path), member=name, reason="which is something else"))


def _damaged(path: Path, reason: str) -> RecipeError:
    return RecipeError(NotAPack(path=str(path), reason=reason))
