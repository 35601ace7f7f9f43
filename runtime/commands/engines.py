"""The options of `ftr run` for training with several machines, and a process's life in their group.

`in_group` joins the processes of an engine, does a command's work among them, and ends with them: what is wrong in one
ends all, each with its exit code. A process that cannot go on leaves at once, by `os._exit`: MPI and MXNet would wait
for the others at its end.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from recipe_lang.problem import RecipeError
from runtime.commands.command import FAILED, FINE, mxnet, outcome, show_problems, tell
from runtime.commands.options import gathered
from runtime.commands.supervisor import forget, note
from runtime.distribution.group import JOIN, ROLES, Group, GroupOptions
from runtime.distribution.heartbeat import Address, Heard
from runtime.distribution.problems import WorkerLost
from runtime.system.memory import kills_for_memory
from runtime.system.signals import heard_within_libraries
from runtime.system.streams import surviving

if TYPE_CHECKING:
    from runtime.distribution.exchange import Exchange
    from runtime.training.events import Event, Preliminary

_GRACE_S = 1.0  # in which a process that fails like another may say so itself
_LOADED_S = 20.0  # a server serves within the import of MXNet, and cannot say that it is loaded
_FAREWELL_S = 3.0  # in which others may say what has happened: MPI's launcher kills them when one is gone


class _Address(click.ParamType[Address]):
    """A host and a port."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Address:
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < _MOST_PORT:
            self.fail("write a host and a port below 65535, as in `10.0.0.1:9000`", param, context)
        return host, int(port)


_MOST_PORT = 65535  # the next one is for heartbeats

GROUP_OPTIONS = gathered(
    "group",
    GroupOptions,
    click.option("--role", type=click.Choice(ROLES), help="With --engine kvstore: what this process does."),
    click.option("--root", type=_Address(), metavar="HOST:PORT", help="With --engine kvstore: where the scheduler is."),
    click.option(
        "--size",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="How many workers: with --engine kvstore; with --engine local, as many as there are cores for shards.",
    ),
    click.option(
        "--rank",
        type=click.IntRange(0, 1023),
        help="With --engine kvstore: a worker's rank, by arrival if it is not said; rank 0 writes the run folder.",
    ),
)
"""The options that say which part a process has in a group."""

_TAKEN: Mapping[str | None, tuple[str, ...]] = {"local": ("size",), "kvstore": ("role", "root", "size", "rank")}
"""The options that each engine takes."""


def refuse_strays(engine: str | None, options: GroupOptions) -> None:
    """Refuse options of another engine.

    Raises:
        click.UsageError: there are some.
    """
    for each in fields(options):
        if getattr(options, each.name) is not None and each.name not in _TAKEN.get(engine, ()):
            engines = [f"--engine {name}" for name, taken in _TAKEN.items() if each.name in taken]
            raise click.UsageError(f"--{each.name} belongs to {' and '.join(engines)}")


_RESUMING: Mapping[str, str] = {
    "local": "ftr run --resume {run} --engine local",
    "mpi": "mpiexec -n {workers} ftr run --resume {run} --engine mpi",
    "kvstore": "the same commands, each with --resume {run}",
}
"""What resumes a run of each engine."""


@dataclass(slots=True)
class Membership:
    """What a process of a group knows of it; `run` is the folder of the run, when there is one."""

    engine: str
    debug: bool
    run: str = ""
    stopped: int | None = None  # the signal that reached another worker
    has_trained: bool = False  # to the end, or to where all of them stop
    _waits: bool = False  # for the others, within a library: it cannot end in order
    _kills: int = field(default_factory=kills_for_memory)
    _group: Group | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def join(self, options: GroupOptions) -> Group:
        """Join the group.

        Raises:
            RecipeError: it cannot be.
        """
        self._group = JOIN[self.engine](options, Heard(self._ended, self._stop, _note))
        if self.engine == "local" and not self._group.leads:
            forget()  # what the leading worker tells its parent
        else:
            note(farewell=_FAREWELL_S)
        return self._group

    @property
    def group(self) -> Group:
        """The group that it has joined."""
        assert self._group is not None
        return self._group

    def exchange(self) -> Exchange:
        """Return the exchange, when all are there; MXNet is loaded."""
        with heard_within_libraries(self._interrupted):  # a parameter server waits for all within its library
            self._waits = True
            if self.stopped is not None:
                self._interrupted(self.stopped)
            found = self.group.exchange()
            self._waits = False
        self.group.heartbeat.settle()
        return found

    def opened(self, run: str) -> None:
        """Take notice of the run's folder."""
        self.run = run
        note(run=run)

    def hear(self, quiet: bool, event: Preliminary | Event) -> None:
        """Take notice of the run's folder, as an observer of a run; say how many train it."""
        from runtime.training.events import FolderOpened

        if isinstance(event, FolderOpened):
            self.opened(str(event.folder))
            if self.group.workers > 1 and not quiet:
                tell(f"{self.group.workers} workers train together")

    def resuming(self, folder: Path) -> str:
        """Return what resumes the run in a folder, with as many workers."""
        return _RESUMING[self.engine].format(run=shlex.quote(str(folder)), workers=self.group.workers)

    def should_stop(self) -> bool:
        """Whether a signal reached another worker."""
        return self.stopped is not None

    def _stop(self, number: int) -> None:
        self.stopped = number
        if self._waits:
            self._interrupted(number)

    def _ended(self, reason: str, is_told: bool) -> None:
        """End this process, since the group has ended; the main thread may wait for ever."""
        if self._over.wait(_GRACE_S):
            return
        group = self._group
        if group is None or group.leads or group.each_has_a_terminal or not is_told:
            if sys.stdout.isatty():
                with surviving(sys.stdout):
                    sys.stdout.write("\r\n\x1b[?25h")  # what drew the progress has hidden the cursor
            with surviving(sys.stderr):
                if self.engine == "local" and kills_for_memory() > self._kills:
                    reason += "; the kernel has killed a process for lack of memory"
                command = self.resuming(Path(self.run)) if self.run and self.engine == "local" else ""
                show_problems((WorkerLost(reason=reason, run=self.run, command=command),))
        _leave(FAILED)

    def serve(self) -> None:
        """Be the scheduler or the server; the first signal is for the leading worker, which ends the run in order."""
        from runtime.distribution.kvstore import serve

        passed: list[int] = []

        def act(number: int) -> None:
            if passed or not self.group.heartbeat.stop(number):
                self._interrupted(number)
            passed.append(number)
            tell("the group is asked to end the run; the same signal again ends all at once")

        with heard_within_libraries(act):
            serve()

    def _interrupted(self, number: int) -> None:
        """End this process, and with it the group, whatever the main thread waits for."""
        self.group.heartbeat.failed("it was interrupted")
        _note("interrupted")
        _leave(128 + number)

    def failed(self, error: BaseException) -> None:
        """Tell the others of an error. One that the end of the group has caused is not told, and ends this process."""
        if not self.group.heartbeat.failed(_text(error)) and not isinstance(error, RecipeError):
            threading.Event().wait()  # until `_ended` says why
        self._over.set()

    @property
    def has_failed(self) -> bool:
        """Whether this process has ended the group, or would have."""
        return self._over.is_set()


def _note(line: str) -> None:
    """Say a line that another process gives, in place of what a terminal shows of the waiting for it."""
    if sys.stderr.isatty():
        with surviving(sys.stderr):
            sys.stderr.write("\r\x1b[2K")
    tell(line)


def in_group(engine: str, options: GroupOptions, debug: bool, work: Callable[[Membership], int]) -> int:
    """Do a command's work as a member of a group; return its exit code, or end the process.

    Raises:
        RecipeError: there is no group to join.
    """
    member = Membership(engine, debug)
    group = member.join(options)
    code = outcome(partial(_serving if group.rank is None else _working, member, work))
    if member.has_failed:
        if not group.leads:
            time.sleep(_FAREWELL_S)
        _leave(code)
    return code


def _serving(member: Membership, _: object) -> int:
    loaded = threading.Timer(_LOADED_S, member.group.heartbeat.settle)
    loaded.daemon = True
    loaded.start()
    with mxnet(1, member.debug):
        member.serve()
    member.group.heartbeat.leave()
    return FINE


def _working(member: Membership, work: Callable[[Membership], int]) -> int:
    group = member.group
    try:
        code = work(member)
    except BaseException as error:
        member.failed(error)
        if isinstance(error, RecipeError) and not (group.leads or group.each_has_a_terminal):
            return FAILED  # rank 0 says it
        raise
    if member.has_trained:
        group.exchange().close()
        group.heartbeat.leave()
    else:
        member.failed(RuntimeError("it was ended before the training"))
    return code


def _text(error: BaseException) -> str:
    if isinstance(error, RecipeError):
        return "; ".join(f"{each.code}: {' '.join(each.message().split())}" for each in error.problems[:3])
    return f"{type(error).__name__}: {error}".removesuffix(": ").removeprefix("RuntimeError: ")


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with surviving(stream):
            stream.flush()
    os._exit(code)
