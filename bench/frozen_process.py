"""Runs a program and watches it: how long it takes, what it needs, and when each line of its record appears.

In: a command line. Out: `Watched`. One clock, that of the process that waits, measures all programs alike.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POLL_S = 0.005
SAMPLE_S = 0.02
Events = list[tuple[float, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What a program took.

    `others` is the share of all processors that other processes had meanwhile. `memory_mb` is the peak of the largest
    process, MB of 2**20 bytes, as the system counts it; `own_mb` is the peak of the program's own process without pages
    of files, looked at 50 times per second: the system takes those back at will (0 off Linux). `events` are the lines
    of its record, each with the second in which it appeared.
    """

    wall_s: float
    cpu_s: float
    others: float
    memory_mb: float
    own_mb: float
    events: Events


def watch(command: Sequence[str], environment: Mapping[str, str], log: Path, record: Path, folder: Path) -> Watched:
    """Run a command in a folder; its output goes to `log`, and `record` is a file of JSON lines that it may write.

    Raises:
        RuntimeError: it failed; with the end of its log.
    """
    busy, begin = busy_s(), time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT
        )
        reader, own_mb, looked = _Record(record, begin), 0.0, 0.0
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            now = time.perf_counter()
            reader.read()
            if done:
                break
            if now - looked > SAMPLE_S:
                own_mb, looked = max(own_mb, anonymous_mb(process.pid)), now
            time.sleep(POLL_S)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed with {process.returncode}:\n{log.read_text()[-3000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy_s() - busy - cpu) / wall / (os.cpu_count() or 1)
    return Watched(wall, cpu, others, usage.ru_maxrss / 1024, own_mb, reader.events)


@dataclass(slots=True)
class _Record:
    """A file of JSON lines that grows."""

    path: Path
    begin: float
    events: Events = field(default_factory=list)
    _read: int = 0
    _rest: str = ""

    def read(self) -> None:
        """Note the lines that have appeared."""
        if not self.path.exists() or self.path.stat().st_size <= self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        now = time.perf_counter() - self.begin
        self._read += len(content)
        *lines, self._rest = (self._rest + content.decode()).split("\n")
        self.events += [(now, json.loads(line)) for line in lines]


def anonymous_mb(pid: int) -> float:
    """Return the memory without pages of files, MB, of the largest of a process and its children; 0 off Linux."""
    children = []
    with suppress(OSError):  # it has ended
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()  # `ftr run` trains in a child
    return max(map(_anonymous_mb, [str(pid), *children]))


def _anonymous_mb(pid: str) -> float:
    try:
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:  # it has ended
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def busy_s() -> float:
    """Return the seconds that all processors together have worked since the start of the system; 0 off Linux."""
    counts = Path("/proc/stat")
    if not counts.exists():
        return 0.0
    user, nice, system, _, _, *others = map(int, counts.read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")
