"""The exchange between processes of one machine: rows in memory that all of them share, a socket to wait at.

Rank 0 forks the others before NumPy or MXNet are loaded. They end with it, whatever ends it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.distribution.exchange import Row

_LENGTH = struct.Struct("<Q")
_PR_SET_PDEATHSIG = 1
_PATIENCE_S = 10.0
_FLOAT = 4


class LocalExchange:
    """What processes of one machine exchange: `links` are rank 0's to each of the others, or another's to rank 0.

    There are two files of rows, which take turns: who still reads those of one call is not yet in the one after next.
    """

    def __init__(
        self, rank: int, workers: int, links: list[socket.socket], files: tuple[int, int], children: list[int]
    ) -> None:
        self.rank, self.workers = rank, workers
        self._links, self._files, self._children = links, files, children
        self._maps: list[mmap.mmap | None] = [None, None]
        self._turn = 0

    def gather(self, rows: Mapping[int, Row], shards: int) -> list[Row]:
        """Return the rows of all shards in order, bit for bit; they are those of the shared memory."""
        self._turn ^= 1
        length = len(next(iter(rows.values()), ()))
        own = self._rows(shards, length) if rows else []
        for shard, row in rows.items():
            own[shard][:] = row
        return self._rows(shards, self._met(length))

    def _rows(self, shards: int, length: int) -> list[Row]:
        import numpy as np  # not before the number of its threads is chosen

        size, file, found = _FLOAT * shards * length, self._files[self._turn], self._maps[self._turn]
        if not size:
            return [np.empty(0, np.float32) for _ in range(shards)]
        if found is None or len(found) < size:
            if os.fstat(file).st_size < size:
                os.ftruncate(file, size)
            found = self._maps[self._turn] = mmap.mmap(file, size)
        return list(np.frombuffer(found, np.float32, shards * length).reshape(shards, length))

    def _met(self, length: int) -> int:
        """Wait for all; return the largest of what they say."""
        if self.rank:
            self._send(self._links[0], _LENGTH.pack(length))
            found: int = _LENGTH.unpack(self._receive(self._links[0], _LENGTH.size))[0]
            return found
        length = max(length, *(_LENGTH.unpack(self._receive(link, _LENGTH.size))[0] for link in self._links))
        for link in self._links:
            self._send(link, _LENGTH.pack(length))
        return length

    def share(self, value: bytes | None) -> bytes:
        """Return rank 0's bytes."""
        if self.rank:
            return self._receive(self._links[0], _LENGTH.unpack(self._receive(self._links[0], _LENGTH.size))[0])
        content = value or b""
        for link in self._links:
            self._send(link, _LENGTH.pack(len(content)) + content)
        return content

    def _send(self, link: socket.socket, content: bytes) -> None:
        try:
            link.sendall(content)
        except OSError:
            self._gone()

    def _receive(self, link: socket.socket, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            try:
                part = link.recv(min(count - len(content), 1 << 20))
            except OSError:
                part = b""
            if not part:
                self._gone()
            content += part
        return bytes(content)

    def _gone(self) -> None:
        threading.Event().wait(_PATIENCE_S)  # the heartbeat knows why, and ends this process
        raise ConnectionError("another process of the run has gone")

    def close(self) -> None:
        """Leave; rank 0 waits for the others to end."""
        for link in self._links:
            link.close()
        until = time.monotonic() + _PATIENCE_S
        for child in self._children:
            with suppress(ChildProcessError):
                while not os.waitpid(child, os.WNOHANG)[0]:
                    if time.monotonic() > until:
                        os.kill(child, signal.SIGKILL)
                    time.sleep(0.01)
        self._children.clear()


def forked(workers: int) -> LocalExchange:
    """Return the exchange of each process of `workers`: of this one, which is rank 0, and of the others it forks.

    No thread may have been started yet.

    Raises:
        OSError: the system gives no process, or no memory.
    """
    files = (os.memfd_create("ftr-rows"), os.memfd_create("ftr-rows"))
    pairs = [socket.socketpair() for _ in range(1, workers)]
    parent, children = os.getpid(), list[int]()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for rank, (_, end) in enumerate(pairs, start=1):
        child = os.fork()
        if child == 0:
            _end_with(parent)
            for pair in pairs:
                for each in pair:
                    if each is not end:
                        each.close()
            return LocalExchange(rank, workers, [end], files, [])
        children.append(child)
    for _, end in pairs:
        end.close()
    return LocalExchange(0, workers, [link for link, _ in pairs], files, children)


def _end_with(parent: int) -> None:
    """Have this process end when its parent does, and leave signals to that."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
