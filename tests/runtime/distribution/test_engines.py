"""Each engine gives the bits of one process, and ends everywhere when one process dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from engine_processes import ENVIRONMENT, MPIEXEC, WAIT, free_port, needs_mpi
from worker_toy import Alone, trained

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
