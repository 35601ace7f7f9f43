"""What frozen parts make of images, kept on the disk for later runs.

The folder (`cache_folder`) has one subfolder per table, named by a digest of all that its rows depend on but the image.
What packed files of images were unpacked to lies in one of its own; they are removed on demand only.
`FeatureCache.open` gives a table, whose rows are found by the fingerprint of an image's pixels or file. The
tables together stay below a bound: whole ones go, least recently used first, never one that a process uses. Where the
disk refuses, one note is logged and the run goes on without.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from runtime.system.cache.rows import KEY_BYTES, RECORD_BYTES, Item, RowFile

LIMIT_BYTES = 4 * 2**30
UNPACKED = "records"  # the subfolder of what packed files were unpacked to, a folder each
SPARE_BYTES = 2**30  # what is left free on the disk: a run's own results matter more
_RECORDS_PER_ROW = 2  # one by pixels, one by origin
_FORMAT = 2  # to be raised when what a frozen part gives is computed in another way


def cache_folder() -> Path:
    """Return `$FTR_CACHE`, else `ftr` below `$XDG_CACHE_HOME` or `~/.cache`; it need not exist.

    Raises:
        OSError: there is no home folder.
    """
    if own := os.environ.get("FTR_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "ftr"
    except RuntimeError as error:
        raise OSError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Entry:
    """A table as `ftr cache` lists it: what it is of, its bytes on the disk, its last use in seconds since 1970.

    `about` comes from a file that may be damaged, and is then empty.
    """

    name: str
    about: Mapping[str, Any]
    rows: int
    size: int
    used: float


@dataclass(slots=True)
class CachedRows:
    """One open table. After a failure of the disk it is empty and takes nothing."""

    cache: FeatureCache
    lock: int
    rows: RowFile | None
    room: int  # the bytes up to which the table may grow

    def load(self, key: bytes) -> bytes | None:
        """Return the row of a key; None where there is none, or it is damaged."""
        try:
            return self.rows.load(key) if self.rows else None
        except OSError as error:
            self._give_up(error)
            return None

    def add(self, items: Sequence[Item]) -> None:
        """Keep rows under their keys, where there is room."""
        named = [item for item in items if item[0]]
        try:
            if self.rows and named and self._fits(self.rows, len(named)):
                self.rows.append(named)
        except OSError as error:
            self._give_up(error)

    @property
    def takes_more(self) -> bool:
        """Whether there is room for another row."""
        return self.rows is not None and self._fits(self.rows, 1)

    def _fits(self, rows: RowFile, count: int) -> bool:
        if rows.size() + count * _bytes_of(rows.width) > self.room:
            return False
        if _free(self.cache.folder) < SPARE_BYTES:
            self.cache.note(f"less than {SPARE_BYTES / 2**30:g} GiB is free")
            self.room = 0
        return self.room > 0

    def _give_up(self, error: OSError) -> None:
        self.cache.note(error.strerror or str(error))
        self.close()

    def close(self) -> None:
        """Let go of the table, so that it may be evicted."""
        if self.rows:
            self.rows.close()
            os.close(self.lock)
            self.rows = None


@dataclass(slots=True)
class FeatureCache:
    """The tables in a folder. `limit` bounds their bytes."""

    folder: Path
    limit: int = field(default_factory=lambda: LIMIT_BYTES)
    _noted: bool = False

    def open(self, identity: Mapping[str, Any], about: Mapping[str, Any], width: int, count: int) -> CachedRows | None:
        """Open the table whose rows depend on `identity` (plain values), or make it; None where the disk refuses.

        `about` is what a list shows of it; `width` is the bytes of a row, of which `count` can come at most. When so
        many do not fit, what is there is read and nothing is added.
        """
        name = digest({"format": _FORMAT, "width": width, **identity})
        place = self.folder / name
        try:
            lock = _hold(place)
        except OSError as error:
            self.note(error.strerror or str(error))
            return None
        try:
            if not (place / "about.json").exists():
                _write_about(place, {**about, "row_bytes": width})
            os.utime(place / "lock")
            return CachedRows(self, lock, RowFile(place, width), self._make_room(name, count * _bytes_of(width)))
        except OSError as error:
            os.close(lock)
            self.note(error.strerror or str(error))
            return None

    def _make_room(self, name: str, wanted: int) -> int:
        """Evict until a table can grow to the bytes wanted; return how far it may."""
        if wanted > self.limit:
            return 0
        others = [entry for entry in self.entries() if entry.name != name]
        taken = sum(entry.size for entry in others)
        for entry in reversed(others):
            if taken + wanted > self.limit and _remove(self.folder / entry.name):
                taken -= entry.size
        return self.limit - taken

    def entries(self) -> list[Entry]:
        """List the tables, last used first.

        Raises:
            OSError: the folder may not be read.
        """
        if not self.folder.exists():
            return []
        found = [_entry(place) for place in self.folder.iterdir() if len(place.name) == 2 * KEY_BYTES]
        return sorted((entry for entry in found if entry), key=lambda entry: -entry.used)

    def unpacked(self) -> list[Entry]:
        """List what archives were unpacked to, last used first.

        Raises:
            OSError: the folder may not be read.
        """
        if not (self.folder / UNPACKED).exists():
            return []
        found = [_unpacked(place) for place in (self.folder / UNPACKED).iterdir() if len(place.name) == 2 * KEY_BYTES]
        return sorted((entry for entry in found if entry), key=lambda entry: -entry.used)

    def clear(self) -> tuple[list[Entry], list[Entry]]:
        """Remove all tables and what was unpacked, but what is in use; return both kinds.

        Raises:
            OSError: the folder may not be read.
        """
        removed: list[Entry] = []
        kept: list[Entry] = []
        for entry in [*self.entries(), *self.unpacked()]:
            (removed if _remove(self.folder / entry.name) else kept).append(entry)
        gone = [*self.folder.glob(".gone-*"), *(self.folder / UNPACKED).glob(".gone-*")]
        for left in gone:  # of a process that ended while it removed
            shutil.rmtree(left, ignore_errors=True)
        return removed, kept

    def note(self, reason: str) -> None:
        """Say once that the disk refuses."""
        if not self._noted:
            self._noted = True
            text = "%s: %s; frozen features are not cached for later runs"
            logging.getLogger(__name__).warning(text, self.folder, reason)


def user_cache() -> FeatureCache | None:
    """Return the cache in the user's folder; None where there can be none."""
    try:
        return FeatureCache(cache_folder())
    except OSError:
        return None


def digest(identity: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits for plain values."""
    return blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=KEY_BYTES).hexdigest()


def _hold(place: Path) -> int:
    """Return a descriptor that holds a shared lock on a table's folder, which is made where there is none."""
    while True:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # evicted between the two lines
            continue
        fcntl.flock(lock, fcntl.LOCK_SH)
        if _is_at(lock, place / "lock"):
            return lock
        os.close(lock)  # evicted while this process waited


def hold_unpacked(place: Path) -> bool:
    """Keep what was unpacked from being removed until this process ends; false where it is gone already."""
    try:
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return False
    except OSError:  # a folder of somebody else
        return True
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not _is_at(lock, place / "lock"):
        os.close(lock)
        return False
    os.utime(lock)
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(place: Path) -> bool:
    """Remove a table that nobody uses; say whether it is gone."""
    try:
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(lock, place / "lock"):
            gone = place.with_name(f".gone-{place.name}-{os.getpid()}")
            place.rename(gone)  # at once, so that nobody meets half a table
            shutil.rmtree(gone, ignore_errors=True)
    except OSError:  # in use, or not ours to remove
        return False
    finally:
        os.close(lock)
    return True


def _entry(place: Path) -> Entry | None:
    try:
        about = json.loads((place / "about.json").read_text("utf-8"))
    except (OSError, ValueError):
        about = None
    about = about if isinstance(about, dict) else {}
    width = about.get("row_bytes")
    try:
        used = (place / "lock").stat().st_mtime
    except OSError:  # being made or removed
        return None
    index, rows = _length(place / "index"), _length(place / "rows")
    count = rows // width if isinstance(width, int) and width > 0 else index // RECORD_BYTES
    return Entry(place.name, about, count, index + rows, used)


def _unpacked(place: Path) -> Entry | None:
    try:
        files = [file for file in os.scandir(place) if file.name != "lock"]
        used = max((path for path in (place, place / "lock") if path.exists()), key=_changed)
        size = sum(file.stat().st_size for file in files)
        return Entry(f"{UNPACKED}/{place.name}", {"base": "images of a packed file"}, len(files), size, _changed(used))
    except (OSError, ValueError):  # being made or removed
        return None


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _bytes_of(width: int) -> int:
    return width + _RECORDS_PER_ROW * RECORD_BYTES


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _write_about(place: Path, about: Mapping[str, Any]) -> None:
    temporary = place / f".about-{os.getpid()}"
    temporary.write_text(json.dumps(about), encoding="utf-8")
    temporary.replace(place / "about.json")
