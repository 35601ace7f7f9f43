"""Each engine gives the bits of one process, and ends everywhere when one process dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine_processes import ENVIRONMENT, MPIEXEC, WAIT, free_port, needs_mpi
from worker_toy import Alone, trained

from runtime.commands.engines import Membership
from runtime.distribution.group import Group
from runtime.distribution.heartbeat import Heard, Heartbeat

TOY = Path(__file__).with_name("worker_toy.py")


def kvstore(*toy: object, workers: int) -> list[str]:
    """Run the processes of a parameter server; return what each printed, the workers' last."""
    where = ["127.0.0.1", free_port(), workers]
    parts = [("scheduler", ""), ("server", ""), *(("worker", rank) for rank in range(workers))]
    processes = [
        subprocess.Popen(
            [sys.executable, str(TOY), "kvstore", *map(str, (*toy, *where, *part))],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
        for part in parts
    ]
    try:
        return [process.communicate(timeout=WAIT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()


@needs_mpi
@pytest.mark.parametrize(("workers", "shards"), [(2, 3), (3, 2)])
def test_mpi_gives_the_bits_of_one_process(workers: int, shards: int) -> None:
    command = [str(MPIEXEC), "-n", str(workers), sys.executable, str(TOY), "mpi", str(shards)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, env=ENVIRONMENT)
    assert (done.stdout.strip(), done.returncode) == (trained(Alone(), shards), 0), done.stderr


def test_a_parameter_server_gives_the_bits_of_one_process() -> None:
    assert kvstore(3, workers=2) == ["", "", f"{trained(Alone(), 3)}\n", ""]


@pytest.mark.parametrize("is_early", [True, False])
def test_a_signal_ends_a_leading_worker_that_waits_for_the_others(
    is_early: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which came to the scheduler: before it waits, or while no handler of this process is heard."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    def wait() -> Any:
        if not is_early:
            member._stop(15)
        pytest.fail("it waits on")

    monkeypatch.setattr("runtime.commands.engines._leave", leave)
    member = Membership("kvstore", debug=False)
    heartbeat = Heartbeat("rank 0", "a group", Heard(lambda reason, is_told: None))
    member._group = Group(0, 2, heartbeat, wait, each_has_a_terminal=True)
    if is_early:
        member._stop(15)
    with pytest.raises(SystemExit) as ended:
        member.exchange()
    assert (ended.value.code, capsys.readouterr().err) == (143, "interrupted\n")
