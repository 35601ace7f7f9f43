"""Who runs a trial, and whether they still do: the machine and the process are written beside each trial.

A process of this machine is known by its number and its start; whether one elsewhere is alive, only the time tells at
which it was last heard of.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SEEN_S = 60.0
"""How often a worker says that it is there."""
_SILENT_S = 600.0  # a step, or a batch of frozen features, takes less
_ATTRIBUTES = ("host", "process", "process_started")


def this_worker() -> dict[str, Any]:
    """Return what is written beside a trial of this process."""
    return dict(zip(_ATTRIBUTES, (_host(), os.getpid(), _started(os.getpid())), strict=True))


def is_dead(attributes: Mapping[str, Any], now: float | None = None) -> bool:
    """Whether the process of a running trial, of which these are the attributes, is no more."""
    host, process, started = (attributes.get(name) for name in _ATTRIBUTES)
    if host == _host() and isinstance(process, int):
        return _started(process) != started
    seen = float(attributes.get("seen", 0.0))
    return (time.time() if now is None else now) - seen > _SILENT_S


def _host() -> str:
    """Return the name of this machine; containers on one machine see other processes."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid").removeprefix("pid:")
    return f"{socket.gethostname()} {space}".strip()


def _started(process: int) -> int | None:
    """Return when a process started, in ticks since the machine did; None where there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
