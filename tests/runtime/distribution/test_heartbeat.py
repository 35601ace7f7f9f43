from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
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

    def next(self) -> tuple[object, ...]:
        return self.heard.get(timeout=WAIT)


def group(count: int, silence: float = 5.0) -> list[Member]:
    """Return a group whose first member listens, and leads."""
    lead, *others = (Member(name, silence) for name in ("rank 0 on a", "b", "c")[:count])
    address = lead.heartbeat.listen(LOCAL, count, 0)
    for member in others:
        member.heartbeat.connect(address, None)
    return [lead, *others]


@contextmanager
def peer_of(address: Address) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(PEER), *map(str, address), KEY]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "1"
            yield process
        finally:
            process.kill()


def test_ranks_are_given_by_arrival_unless_they_are_asked_for() -> None:
    scheduler, late, early = Member("the scheduler"), Member("b"), Member("c")
    address = scheduler.heartbeat.listen(LOCAL, 2, None)
    late.heartbeat.connect(address, 1)
    early.heartbeat.connect(address, None)
    assert (late.heartbeat.rank, early.heartbeat.rank) == (1, 0)
    with pytest.raises(Refused, match="all 2 workers are there"):
        Member("d").heartbeat.connect(address, None)


@pytest.mark.parametrize(("rank", "reason"), [(0, "rank 0 on a has rank 0"), (3, "are 0 to 2")])
def test_a_rank_that_is_taken_or_beyond_the_group_is_refused(rank: int, reason: str) -> None:
    address = Member("rank 0 on a").heartbeat.listen(LOCAL, 3, 0)
    with pytest.raises(Refused, match=reason):
        Member("b").heartbeat.connect(address, rank)


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
    member.heartbeat.connect(address, None)
    member.heartbeat.note("still here")
    assert lead.next() == ("note", "still here")


def test_something_else_that_listens_there_is_no_group() -> None:
    other = Member("rank 0 of others")
    other.heartbeat._key = "another group"
    with pytest.raises(OSError, match="something else"):
        Member("b").heartbeat.connect(other.heartbeat.listen(LOCAL, 2, 0), None)


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
    lead.heartbeat.connect(address, 0)
    other.heartbeat.connect(address, 1)
    other.heartbeat.stop(15)
    assert lead.next() == ("stop", 15)


def test_who_takes_leave_has_not_died() -> None:
    lead, leaving, other = group(3, silence=1.5)
    leaving.heartbeat.leave()
    other.heartbeat.note("still here")
    assert lead.next() == ("note", "still here")
    with pytest.raises(queue.Empty):
        lead.heard.get(timeout=2)


def test_a_process_that_is_killed_ends_the_group_at_once() -> None:
    lead = Member("rank 0 on a")
    with peer_of(lead.heartbeat.listen(LOCAL, 2, 0)) as peer:
        began = time.monotonic()
        peer.kill()
        assert lead.next()[1] == "rank 1 on peer has died: its connection closed"
        assert time.monotonic() - began < 5


def test_silence_ends_it_on_both_sides() -> None:
    lead = Member("rank 0 on a", silence=1.5)
    with peer_of(lead.heartbeat.listen(LOCAL, 2, 0)) as peer:
        peer.send_signal(signal.SIGSTOP)
        assert lead.next()[1] == "nothing was heard of rank 1 on peer for 1.5 seconds"
        peer.send_signal(signal.SIGCONT)
        assert peer.stdout is not None
        assert peer.stdout.readline().startswith("ended: ")
        assert peer.wait(WAIT) == 75
