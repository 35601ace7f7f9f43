"""Whole runs of several processes: the bits, who writes and speaks, and what is said when one has something else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from engine_processes import ENVIRONMENT, MPIEXEC, WAIT, free_port, needs_mpi
from toy import train, write_recipe

from runtime.cli import app
from runtime.distribution.group import GroupOptions, join_mpi
from runtime.distribution.heartbeat import Heard
from runtime.runs.checkpoint_archive import packed, unpacked
from runtime.runs.checkpoints import newest

STAGE = """
stage "blocks" {
  train  = base.block3 .. head
  for    = 2 epochs
  shards = 4
  norm   = frozen
}
"""


@pytest.fixture
def recipe(photos: Path, tmp_path: Path) -> Path:
    return write_recipe(tmp_path / "toy.ftr", photos, STAGE)


@pytest.fixture
def alone(recipe: Path, tmp_path: Path) -> bytes:
    """The weights that one process gives."""
    train(recipe, tmp_path / "alone")
    return (tmp_path / "alone/model.params").read_bytes()


def ftr(*words: object) -> list[str]:
    return [sys.executable, "-m", "runtime", "run", *map(str, words)]


@contextmanager
def started(commands: Sequence[Sequence[str]], cwd: Path) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [
        subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def kvstore(words: Sequence[object], *workers: Sequence[object]) -> list[list[str]]:
    """Return the commands of a parameter server: the scheduler's, the server's, the workers'."""
    where = ("--engine", "kvstore", "--root", f"127.0.0.1:{free_port()}", "--size", len(workers), "--role")
    parts = [("scheduler",), ("server",), *(("worker", "--rank", rank, *own) for rank, own in enumerate(workers))]
    return [ftr(*words, *where, *part) for part in parts]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rank", "1"), "--rank belongs to --engine kvstore"),
        (("--engine", "mpi", "--size", "2"), "--size belongs to --engine local and --engine kvstore"),
        (("--engine", "kvstore", "--root", "10.0.0.1"), "write a host and a port"),
        (("--engine", "kvstore", "--role", "worker"), "`--engine kvstore` needs --root and --size"),
    ],
)
def test_what_is_said_of_a_group_that_is_none(words: Sequence[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    found = CliRunner().invoke(app, ["run", "toy.ftr", *words])
    assert (found.exit_code, said in found.output) == (2, True), found.output


def test_a_launcher_may_say_who_belongs_to_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"ROLE": "server", "PS_ROOT_URI": "10.0.0.1", "PS_ROOT_PORT": "9000", "NUM_WORKER": "3"}
    for name, value in told.items():
        monkeypatch.setenv(f"DMLC_{name}", value)
    assert GroupOptions(size=2).completed() == GroupOptions("server", ("10.0.0.1", 9000), 2)


def test_mpi_without_a_launcher_says_that_one_process_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = SimpleNamespace(rank=0, workers=1, share=lambda value: value)
    monkeypatch.setattr("runtime.distribution.mpi.MpiExchange", lambda: alone)
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    said: list[str] = []
    heard = Heard(lambda reason, is_told: None, note=said.append)
    join_mpi(GroupOptions(), heard).heartbeat.leave()
    monkeypatch.setenv("PMI_SIZE", "1")
    join_mpi(GroupOptions(), heard).heartbeat.leave()
    assert [line.partition(":")[0] for line in said] == ["one process trains"]


def test_a_checkpoint_travels_whole(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(recipe, run)
    checkpoint = newest(run)
    assert checkpoint is not None
    found = unpacked(packed(run, checkpoint))
    assert found.state.as_plain() == checkpoint.state.as_plain()
    assert found.files == checkpoint.files
    for purpose, arrays in checkpoint.arrays.items():
        assert found.arrays[purpose].keys() == arrays.keys()
        assert all(np.array_equal(found.arrays[purpose][name], values) for name, values in arrays.items())


@needs_mpi
def test_two_workers_under_mpi_give_the_weights_of_one_process(recipe: Path, alone: bytes, tmp_path: Path) -> None:
    command = [str(MPIEXEC), "-n", "2", *ftr(recipe, "--out", tmp_path / "run", "--quiet", "--engine", "mpi")]
    with started([command], tmp_path) as (mpiexec,):
        said, _ = mpiexec.communicate(timeout=WAIT)
    assert mpiexec.returncode == 0, said
    assert (tmp_path / "run/model.params").read_bytes() == alone
    assert said.count("the final weights") == 1  # one of them speaks


@pytest.mark.long
def test_two_workers_of_a_parameter_server_do_so_too(recipe: Path, alone: bytes, tmp_path: Path) -> None:
    with started(kvstore((recipe, "--out", tmp_path / "run", "--quiet"), (), ()), tmp_path) as processes:
        said = [process.communicate(timeout=WAIT)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], said
    assert (tmp_path / "run/model.params").read_bytes() == alone
    assert said[3] == ""


@pytest.mark.long
def test_a_worker_that_has_something_else_is_refused_before_there_is_a_folder(recipe: Path, tmp_path: Path) -> None:
    commands = kvstore((recipe, "--out", tmp_path / "run"), (), ("--threads", 3))
    with started(commands, tmp_path) as processes:
        said = [process.communicate(timeout=WAIT)[0] for process in processes]
    assert [process.returncode for process in processes] == [1, 1, 1, 1], said
    assert "run.threads: 1 -> 3" in said[3]
    assert "E618: rank 1 on" in said[2]
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_killed_worker_ends_all_and_another_number_resumes_to_the_same_weights(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "toy.ftr", photos, STAGE.replace("2 epochs", "12 epochs"))
    train(recipe, tmp_path / "alone")
    run = tmp_path / "run"
    words = (recipe, "--out", run, "--quiet", "--checkpoint", "3 steps")
    with started(kvstore(words, (), ()), tmp_path) as processes:
        while not list(run.glob("checkpoints/00000[4-9].json")):
            assert processes[2].poll() is None, processes[2].communicate()
            time.sleep(0.05)
        os.kill(_training(processes[3].pid), signal.SIGKILL)
        began = time.monotonic()
        said = [process.communicate(timeout=WAIT)[0] for process in processes]
    assert time.monotonic() - began < 30  # ten are promised; other programs may run beside the tests
    assert [process.returncode for process in processes] == [1, 1, 1, 137]
    assert "rank 1 on" in said[2]
    assert f"--resume {run}" in said[2]
    with started(kvstore((recipe, "--resume", run, "--quiet"), (), (), ()), tmp_path) as processes:
        said = [process.communicate(timeout=WAIT)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, said
    assert (run / "model.params").read_bytes() == (tmp_path / "alone/model.params").read_bytes()


@needs_mpi
@pytest.mark.long
def test_a_signal_to_any_worker_ends_the_run_in_order(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "toy.ftr", photos, STAGE.replace("2 epochs", "200 epochs"))
    run = tmp_path / "run"
    words = ftr(recipe, "--out", run, "--quiet", "--engine", "mpi", "--checkpoint", "3 steps")
    with started([[str(MPIEXEC), "-n", "2", *words]], tmp_path) as (mpiexec,):
        while not list(run.glob("checkpoints/*.json")):
            assert mpiexec.poll() is None, mpiexec.communicate()
            time.sleep(0.05)
        proxy = _children(mpiexec.pid)[0]
        os.kill(_children(proxy)[1], signal.SIGTERM)
        said, _ = mpiexec.communicate(timeout=WAIT)
    assert f"to resume: mpiexec -n 2 ftr run --resume {run} --engine mpi" in said
    assert mpiexec.returncode == 128 + signal.SIGTERM


def _children(parent: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _training(parent: int) -> int:
    """Return the process in which a run trains: a child of the one that was started."""
    children = _children(parent)
    return children[0] if children else parent
