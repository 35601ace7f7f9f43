"""The memory of this machine, as far as this process may have it: what is left, what has been used, what was refused.

Numbers are bytes, from Linux's /proc and its control groups (both versions; a container's limit is one). Where there
are none, as on other systems, nothing is known, and None says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_REFUSED = re.compile(r"Failed to allocate (CPU|GPU) Memory|bad_alloc|out of memory|Memory allocation failed")
_GROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 2**60  # version 1 writes the largest number of pages


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that memory was refused: Python's own, or one of MXNet."""
    return isinstance(error, MemoryError) or (
        type(error).__name__ == "MXNetError" and bool(_REFUSED.search(str(error)))
    )


def room(processes: int = 1) -> int | None:
    """Return how much this process can have in all, without swapping: the tightest of all limits; None if unknown.

    Of several `processes` it is how much they can have together; the others have in memory what this one has.
    """
    found = [left for group in _groups() if (left := _left(group)) is not None]
    free = _table(Path("/proc/meminfo")).get("MemAvailable")
    if free is not None:
        found.append(1024 * free)
    if (own := _left_of_limit()) is not None:
        found.append(own)
    return processes * resident() + max(0, min(found)) if found else None


def resident() -> int:
    """Return what this process has in memory now; 0 if unknown."""
    return 1024 * _table(Path("/proc/self/status")).get("VmRSS", 0)


def kills_for_memory() -> int:
    """Return how many processes the kernel has killed for lack of memory: in this group, else on this machine."""
    tables = [_table(group / name) for group in _groups() for name in ("memory.events", "memory.oom_control")]
    counts = [table["oom_kill"] for table in tables if "oom_kill" in table]
    return sum(counts) if counts else _table(Path("/proc/vmstat")).get("oom_kill", 0)


def _left(group: Path) -> int | None:
    """Return how much of a group's limit is left; files that are only cached would be dropped first."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _number(group / limit), _number(group / used)
        if most is not None and now is not None and most < _UNLIMITED:
            return most - now + _table(group / "memory.stat").get(cached, 0)
    return None


def _left_of_limit() -> int | None:
    """Return what `ulimit -v` leaves."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = _table(Path("/proc/self/status")).get("VmSize")
    return None if most == resource.RLIM_INFINITY or taken is None else most - 1024 * taken


def _groups() -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, the outer ones too."""
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "memory"):
            inner = _GROUPS / controllers / name.lstrip("/")
            yield from (place for place in (inner, *inner.parents) if place.is_relative_to(_GROUPS / controllers))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)[:1])
    return int(text) if text.isdecimal() else None


def _table(path: Path) -> Mapping[str, int]:
    """Return the numbers of a file of names and numbers."""
    rows = (line.replace(":", " ").split() for line in _lines(path))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
