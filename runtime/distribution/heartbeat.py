"""Heartbeats: each process of a group says over a socket of its own that it lives, and hears that the others do.

One process listens, the others connect to it. Who is silent for 5 seconds, or is gone without a farewell, has died: it
ends the whole group, since nobody can train without it, and since a process that waits for a dead one within MPI or a
parameter server would wait for ever. So the end is called from a thread, which need not wait for the main one. The same
sockets carry an error of one process to all, a signal and a line to be said to the leading worker, and give a rank to
those that ask for one.

A process that still loads its libraries may be silent for longer: then no thread of it runs.

A message is a line of JSON. What does not begin with the group's key is no member, and is not listened to.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from recipe_lang.words import counted, listed

BEAT_S = 0.5
SILENCE_S = 5.0
_STARTING_S = 60.0  # of silence while a process loads its libraries, which may stop its threads
MISSING_S = 10.0  # after which the one that listens says who has not come yet
_AGAIN_S = 60.0
_LONGEST = 1 << 16  # bytes of a message
_TEXT = 4000  # characters of an error's text

Address = tuple[str, int]


@dataclass(slots=True)
class Heard:
    """What a process does about what the others say; each is called from a thread."""

    ended: Callable[[str, bool], None]  # why the group ends, and whether the leading worker was told
    stop: Callable[[int], None] = lambda number: None  # a signal reached another worker
    note: Callable[[str], None] = lambda line: None  # a line to be said


class Refused(Exception):  # noqa: N818 - says why
    """The group does not take this process."""


class Heartbeat:
    """A process's part in its group; `name` is what the others call it."""

    def __init__(self, name: str, key: str, heard: Heard, silence: float = SILENCE_S) -> None:
        self.name, self._key, self._heard, self._silence = name, key, heard, silence
        self.rank: int | None = None
        self._links: list[_Link] = []
        self._taken: dict[int, str] = {}  # who has which rank
        self._workers = 0
        self._listener: socket.socket | None = None
        self._is_settled = False
        self._over = threading.Event()  # an end that this process has caused or heard of
        self._lock = threading.Lock()

    # --- joining -----------------------------------------------------------------------------

    def listen(self, address: Address, workers: int, rank: int | None) -> Address:
        """Wait for the other processes of `workers` workers, and more; return the address.

        Raises:
            OSError: there cannot be listened.
        """
        self.rank, self._workers = rank, workers
        if rank is not None:
            self._taken[rank] = self.name
        self._listener = socket.create_server(address, backlog=128)
        self._start(self._accept)
        self._start(self._beat)
        if rank is None:  # people start the processes of a scheduler by hand
            self._start(self._say_who_is_missing)
        bound: Address = self._listener.getsockname()[:2]
        return bound

    def connect(
        self, address: Address, workers: int, rank: int | None, is_worker: bool = True, wait: float = 0.0
    ) -> None:
        """Join the group of so many workers whose listener is at an address, within `wait` seconds.

        Raises:
            Refused: the group does not take this process.
            OSError: nobody who belongs to the group answers.
        """
        until = time.monotonic() + wait
        while True:
            try:
                self._greet(address, workers, rank, is_worker)
                break
            except (OSError, ValueError) as error:
                if time.monotonic() >= until:
                    raise OSError(str(error) or type(error).__name__) from error
                time.sleep(0.2)
        self._start(self._beat)

    def _greet(self, address: Address, workers: int, rank: int | None, is_worker: bool) -> None:
        connection = socket.create_connection(address, timeout=self._silence)
        try:
            link = _Link(connection)
            link.send(key=self._key, name=self.name, workers=workers, rank=rank, is_worker=is_worker)
            answer = link.read()
            if answer is None or answer.get("key") != self._key:
                raise ValueError("something else answers there")
            if "refused" in answer:
                raise Refused(str(answer["refused"]))
        except BaseException:
            connection.close()
            raise
        self.rank, link.name = answer["rank"], str(answer["name"])
        self._links.append(link)
        connection.settimeout(_STARTING_S)
        self._start(self._follow, link)

    def _accept(self) -> None:
        listener = self._listener
        assert listener is not None
        with suppress(OSError):  # it was closed
            while True:
                self._start(self._welcome, listener.accept()[0])

    def _welcome(self, connection: socket.socket) -> None:
        connection.settimeout(self._silence)
        link = _Link(connection)
        try:
            hello = link.read() or {}
            if hello.get("key") != self._key:
                raise ValueError("it has another key")
            link.name = str(hello["name"])[:200]
            with self._lock:
                refused = self._refusal(hello)
                if not refused and hello["is_worker"]:
                    free = (rank for rank in range(self._workers) if rank not in self._taken)
                    link.rank = next(free) if hello["rank"] is None else int(hello["rank"])
                    self._taken[link.rank] = link.name
                    link.name = f"rank {link.rank} on {link.name}"
                if not refused:
                    self._links.append(link)
            link.send(key=self._key, name=self.name, rank=link.rank, **({"refused": refused} if refused else {}))
        except (OSError, ValueError, KeyError, TypeError):
            refused = "it is no member"
        if refused:
            connection.close()
        else:
            connection.settimeout(_STARTING_S)
            self._follow(link)

    def _refusal(self, hello: dict[str, Any]) -> str:
        rank = hello["rank"]
        if hello["workers"] != self._workers:
            return f"the group has {self._workers} workers, and this process was told of {hello['workers']}"
        if not hello["is_worker"]:
            return ""
        if len(self._taken) >= self._workers:
            return f"all {self._workers} workers are there"
        if rank is not None and not 0 <= int(rank) < self._workers:
            return f"the ranks of {self._workers} workers are 0 to {self._workers - 1}"
        return f"{self._taken[rank]} has rank {rank}" if rank in self._taken else ""

    def _say_who_is_missing(self) -> None:
        wait = MISSING_S
        while not self._over.wait(wait) and (missing := self._missing()):
            line = f"waiting for {listed(missing, 'and')}"
            self._heard.note(line)
            self._tell_all(waits=line)
            wait = _AGAIN_S

    def _missing(self) -> tuple[str, ...]:
        with self._lock:
            absent = self._workers - len(self._taken)
            has_server = any(link.rank is None for link in self._links)
        workers = f"{absent} of {counted(self._workers, 'worker')}"
        return (*(() if has_server else ("the server",)), *((workers,) if absent else ()))

    # --- living ------------------------------------------------------------------------------

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self._tell_all(**({"settled": True} if self._is_settled else {}))

    def settle(self) -> None:
        """From now on this process says without fail that it lives: its libraries are loaded."""
        self._is_settled = True
        self._tell_all(settled=True)

    def _tell_all(self, **message: Any) -> None:
        for link in list(self._links):
            with suppress(OSError):  # whoever reads from it notices
                link.send(**message)

    def _follow(self, link: _Link) -> None:
        """Hear what a process says until it takes leave; it ends the group if it does not."""
        try:
            while (message := link.read()) is not None:
                if "bye" in message:
                    self._drop(link)
                    return
                self._take(link, message)
            reason = f"{link.name} has died: its connection closed"
        except TimeoutError:
            reason = f"nothing was heard of {link.name} for {link.connection.gettimeout():g} seconds"
        except (OSError, ValueError) as error:
            reason = f"the connection to {link.name} broke: {error}"
        self._drop(link)
        self._end(reason, is_told=False)

    def _drop(self, link: _Link) -> None:
        with suppress(ValueError):
            self._links.remove(link)
        link.close()

    def _take(self, link: _Link, message: dict[str, Any]) -> None:
        for name, value in message.items():
            match name:
                case "settled":
                    link.connection.settimeout(self._silence)
                case "end":
                    self._end(str(value), is_told=True)
                case "failed":
                    self._end(f"{link.name} failed: {value}", is_told=False)
                case "stop":
                    if not self._pass_on(name, value):
                        self._end(f"{link.name} was interrupted", is_told=False)
                case "note":
                    self._pass_on(name, value)
                case "waits":
                    self._heard.note(str(value))

    def _pass_on(self, name: str, value: Any) -> bool:
        """Tell the leading worker something; return whether there is one."""
        if self.rank == 0:
            getattr(self._heard, name)(value)
        leading = [each for each in self._links if each.rank == 0]
        for link in leading:
            with suppress(OSError):
                link.send(**{name: value})
        return self.rank == 0 or bool(leading)

    def _end(self, reason: str, is_told: bool) -> None:
        with self._lock:
            if self._over.is_set():
                return
            self._over.set()
        if self._listener is not None:
            self._tell_all(end=reason)
        self._heard.ended(reason, is_told)

    # --- saying ------------------------------------------------------------------------------

    def stop(self, number: int) -> bool:
        """Ask the leading worker to end the run: this one got a signal.

        Return False where the one that listens knows of none; if another asks, it ends the group.
        """
        if self._listener is None:
            self._to_lead(stop=number)
            return True
        return self._pass_on("stop", number)

    def note(self, line: str) -> None:
        """Have the leading worker say a line."""
        self._to_lead(note=line[:_TEXT])

    def _to_lead(self, **message: Any) -> None:
        with suppress(OSError):
            for link in self._links[:1]:
                link.send(**message)

    def failed(self, reason: str) -> bool:
        """End the group, since this process fails; return False where it has ended already."""
        with self._lock:
            if self._over.is_set():
                return False
            self._over.set()
        reason = reason[:_TEXT]
        self._tell_all(**({"end": f"{self.name} failed: {reason}"} if self._listener else {"failed": reason}))
        return True

    def leave(self) -> None:
        """Take leave: this process has done its part."""
        self._over.set()
        self._tell_all(bye=True)
        if self._listener is not None:
            self._listener.close()


@dataclass(slots=True)
class _Link:
    """A connection to another process, in lines of JSON."""

    connection: socket.socket
    name: str = ""
    rank: int | None = None
    _rest: bytearray = field(default_factory=bytearray)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, **message: Any) -> None:
        """Send a message; one without content is a heartbeat.

        Raises:
            OSError: it cannot be sent.
        """
        with self._lock:
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def read(self) -> dict[str, Any] | None:
        """Return the next message; None where the connection was closed.

        Raises:
            TimeoutError: nothing came.
            OSError: the connection broke.
            ValueError: it is no message.
        """
        while b"\n" not in self._rest:
            if len(self._rest) > _LONGEST:
                raise ValueError("a message is too long")
            came = self.connection.recv(4096)
            if not came:
                return None
            self._rest += came
        line, _, rest = self._rest.partition(b"\n")
        self._rest = rest
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("it is no message")
        return message

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def own_name() -> str:
    """Return what people call this machine."""
    return socket.gethostname()


def own_address(towards: str) -> str:
    """Return the address of this machine from which another one is reached.

    Raises:
        OSError: it cannot be reached.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        return str(probe.getsockname()[0])


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine, the loopback's last."""
    import fcntl
    import struct

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # it has none
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return sorted(found, key=lambda address: address.startswith("127."))


_SIOCGIFADDR = 0x8915
