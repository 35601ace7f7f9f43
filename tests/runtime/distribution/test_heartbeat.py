from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest
from machines import machines
from paths import ROOT

from runtime.distribution.heartbeat import Address, Heard, Heartbeat, Refused

KEY = "a group"
PEER = Path(__file__).with_name("heartbeat_peer.py")
WAIT = 20  # seconds at most; no test waits so long
LOCAL = ("127.0.0.1", 0)


class Member:
    """A heartbeat within this process, and what it heard."""

    def __init__(self, name: str, silence: float = 5.0) -> None:
        self.heard: queue.Queue[tuple[object, ...]] = queue.Queue()
        heard = Heard(
            lambda reason, is_told: self.heard.put(("ended", reason, is_told)),
            lambda number: self.heard.put(("stop", number)),
            lambda line: self.heard.put(("note", line)),
        )
        self.heartbeat = Heartbeat(name, KEY, heard, silence)
        self.heartbeat.settle()

    def next(self) -> tuple[object, ...]:
        return self.heard.get(timeout=WAIT)


def group(count: int, silence: float = 5.0) -> list[Member]:
    """Return a group whose first member listens, and leads."""
    lead, *others = (Member(name, silence) for name in ("rank 0 on a", "b", "c")[:count])
    address = lead.heartbeat.listen(LOCAL, count, 0)
    for member in others:
        member.heartbeat.connect(address, count, None)
    return [lead, *others]


@contextmanager
def process(part: str, address: Address, *before: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Have a process with a heartbeat, and its output."""
    command = [*before, sys.executable, str(PEER), part, *map(str, address), KEY]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as found:
        try:
            assert found.stdout is not None
            yield found, found.stdout
        finally:
            found.kill()


def test_ranks_are_given_by_arrival_unless_they_are_asked_for() -> None:
    scheduler, late, early = Member("the scheduler"), Member("b"), Member("c")
    address = scheduler.heartbeat.listen(LOCAL, 2, None)
    late.heartbeat.connect(address, 2, 1)
    early.heartbeat.connect(address, 2, None)
    assert (late.heartbeat.rank, early.heartbeat.rank) == (1, 0)
    with pytest.raises(Refused, match="all 2 workers are there"):
        Member("d").heartbeat.connect(address, 2, None)


def test_a_scheduler_says_to_all_who_has_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.distribution.heartbeat.MISSING_S", 0.5)  # in which the worker comes
    scheduler, worker = Member("the scheduler"), Member("b")
    worker.heartbeat.connect(scheduler.heartbeat.listen(LOCAL, 2, None), 2, None)
    assert scheduler.next() == worker.next() == ("note", "waiting for the server and 1 of 2 workers")


@pytest.mark.parametrize(("rank", "reason"), [(0, "rank 0 on a has rank 0"), (3, "are 0 to 2")])
def test_a_rank_that_is_taken_or_beyond_the_group_is_refused(rank: int, reason: str) -> None:
    address = Member("rank 0 on a").heartbeat.listen(LOCAL, 3, 0)
    with pytest.raises(Refused, match=reason):
        Member("b").heartbeat.connect(address, 3, rank)


def test_who_was_told_of_another_number_of_workers_is_refused() -> None:
    address = Member("rank 0 on a").heartbeat.listen(LOCAL, 3, 0)
    with pytest.raises(Refused, match="the group has 3 workers, and this process was told of 2"):
        Member("b").heartbeat.connect(address, 2, None)


def test_a_process_that_still_loads_its_libraries_may_be_silent_for_longer() -> None:
    lead = Member("rank 0 on a", silence=0.5)
    address = lead.heartbeat.listen(LOCAL, 2, 0)
    with socket.create_connection(address) as silent:
        hello = {"key": KEY, "name": "b", "workers": 2, "rank": None, "is_worker": True}
        silent.sendall(json.dumps(hello).encode() + b"\n")
        with pytest.raises(queue.Empty):
            lead.heard.get(timeout=1)
        silent.sendall(b'{"settled": true}\n')
        assert lead.next()[1] == "nothing was heard of rank 1 on b for 0.5 seconds"


def test_strangers_are_not_listened_to() -> None:
    lead = Member("rank 0 on a")
    address = lead.heartbeat.listen(LOCAL, 2, 0)
    for said in (
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"key": "another", "name": "x"}\n',
        b"[1]\n",
        b'{"key": "a group"}\n',
        b"",
    ):
        with socket.create_connection(address, timeout=WAIT) as stranger:
            stranger.sendall(said)
            stranger.shutdown(socket.SHUT_WR)
            assert stranger.recv(100) == b""
    member = Member("b")
    member.heartbeat.connect(address, 2, None)
    member.heartbeat.note("still here")
    assert lead.next() == ("note", "still here")


def test_something_else_that_listens_there_is_no_group() -> None:
    other = Member("rank 0 of others")
    other.heartbeat._key = "another group"
    with pytest.raises(OSError, match="something else"):
        Member("b").heartbeat.connect(other.heartbeat.listen(LOCAL, 2, 0), 2, None)


def test_an_error_reaches_all() -> None:
    lead, failing, other = group(3)
    assert failing.heartbeat.failed("the disk is full")
    assert lead.next() == ("ended", "rank 1 on b failed: the disk is full", False)
    assert other.next() == ("ended", "rank 1 on b failed: the disk is full", True)
    assert not other.heartbeat.failed("I have ended, too")


def test_an_error_of_the_one_that_listens_reaches_all() -> None:
    lead, *others = group(3)
    lead.heartbeat.failed("the loss is nan")
    assert [each.next() for each in others] == [("ended", "rank 0 on a failed: the loss is nan", True)] * 2


def test_a_signal_reaches_the_leading_worker_also_through_a_scheduler() -> None:
    scheduler, lead, other = Member("the scheduler"), Member("b"), Member("c")
    address = scheduler.heartbeat.listen(LOCAL, 2, None)
    lead.heartbeat.connect(address, 2, 0)
    other.heartbeat.connect(address, 2, 1)
    other.heartbeat.stop(15)
    assert lead.next() == ("stop", 15)


def test_a_signal_ends_the_group_where_no_worker_leads_it_yet() -> None:
    scheduler, server = Member("the scheduler"), Member("the server")
    server.heartbeat.connect(scheduler.heartbeat.listen(LOCAL, 1, None), 1, None, is_worker=False)
    assert not scheduler.heartbeat.stop(2)
    assert server.heartbeat.stop(2)
    assert scheduler.next() == ("ended", "the server was interrupted", False)
    assert server.next() == ("ended", "the server was interrupted", True)


def test_who_takes_leave_has_not_died() -> None:
    lead, leaving, other = group(3, silence=1.5)
    leaving.heartbeat.leave()
    other.heartbeat.note("still here")
    assert lead.next() == ("note", "still here")
    with pytest.raises(queue.Empty):
        lead.heard.get(timeout=2)


def test_a_process_that_is_killed_ends_the_group_at_once() -> None:
    lead = Member("rank 0 on a")
    with process("connect", lead.heartbeat.listen(LOCAL, 2, 0)) as (peer, said):
        assert said.readline() == "1\n"
        peer.kill()
        began = time.monotonic()
        assert lead.next() == ("note", "joined")
        assert lead.next()[1] == "rank 1 on peer has died: its connection closed"
        assert time.monotonic() - began < 30  # at once, where nothing else runs


def test_silence_ends_it_on_both_sides() -> None:
    lead = Member("rank 0 on a", silence=1.5)
    with process("connect", lead.heartbeat.listen(LOCAL, 2, 0)) as (peer, said):
        assert said.readline() == "1\n"
        assert lead.next() == ("note", "joined")
        peer.send_signal(signal.SIGSTOP)
        assert lead.next()[1] == "nothing was heard of rank 1 on peer for 1.5 seconds"
        peer.send_signal(signal.SIGCONT)
        assert said.readline().startswith("ended: ")
        assert peer.wait(WAIT) == 75


def test_a_cut_link_ends_both_sides_within_ten_seconds() -> None:
    with ExitStack() as stack:
        try:
            one, two = stack.enter_context(machines(2))
        except OSError as error:
            pytest.skip(f"no network namespaces here: {error}")
        address = (one.address, 9000)
        listening, here = stack.enter_context(process("listen", address, *one.command()))
        connected, there = stack.enter_context(process("connect", address, *two.command()))
        assert (here.readline(), there.readline()) == ("0\n", "1\n")
        two.cut()
        began = time.monotonic()
        assert here.readline() == "ended: nothing was heard of rank 1 on peer for 5 seconds\n"
        assert there.readline() == "ended: nothing was heard of rank 0 on a for 5 seconds\n"
        assert (listening.wait(WAIT), connected.wait(WAIT)) == (75, 75)
        assert time.monotonic() - began < 30  # ten are promised; other programs may run beside the tests
