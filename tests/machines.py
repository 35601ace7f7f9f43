"""Machines of one's own: network namespaces with a cable between each and a switch. They take root on Linux."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    namespace: str
    address: str

    def command(self, *words: object) -> list[str]:
        """Return what runs a command on it."""
        return ["ip", "netns", "exec", self.namespace, *map(str, words)]

    def cut(self) -> None:
        """Take its link down: what is sent from now on is lost, and nobody is told."""
        _ip("-n", self.namespace, "link", "set", "eth", "down")


@contextmanager
def machines(count: int) -> Iterator[Sequence[Machine]]:
    """Have some machines.

    Raises:
        OSError: this process may not make them; the reason is the text.
    """
    tag = f"ftr{os.getpid() % 10_000}"
    switch, found = f"{tag}s", [Machine(f"{tag}m{n}", f"10.99.0.{n + 1}") for n in range(count)]
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        for n, machine in enumerate(found):
            _ip("netns", "add", machine.namespace)
            ends = ("eth", "netns", machine.namespace, "type", "veth", "peer", "name", f"port{n}", "netns", switch)
            _ip("link", "add", *ends)
            _ip("-n", switch, "link", "set", f"port{n}", "master", "switch", "up")
            _ip("-n", machine.namespace, "addr", "add", f"{machine.address}/24", "dev", "eth")
            for link in ("lo", "eth"):
                _ip("-n", machine.namespace, "link", "set", link, "up")
        yield found
    finally:
        for name in (*(machine.namespace for machine in found), switch):
            with suppress(OSError):
                _ip("netns", "del", name)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise OSError(done.stderr.strip() or "ip failed")
