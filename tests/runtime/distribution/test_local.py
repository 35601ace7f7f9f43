"""`--engine local`: the bits of one process, and a worker that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_processes import ENVIRONMENT, WAIT
from paths import ROOT
from toy import train, write_recipe
from worker_toy import Alone, trained

from recipe_lang.problem import RecipeError
from runtime.workflows.agreement import refuse_idle

STAGES = """
stage "head" {{
  train   = head
  for     = 1 epoch
  monitor = valid.loss
}}

stage "blocks" {{
  train   = base.block3 .. head
  for     = {epochs} epochs
  shards  = 3
  augment = [flip, mixup]
  average = ema(0.9)
}}
"""
TOY = Path(__file__).with_name("worker_toy.py")


def ftr(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "runtime", "run", *map(str, words), "--quiet"]
    return subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        said, _ = process.communicate(timeout=WAIT)
    finally:
        process.kill()
    return process.returncode, said


def weights(run: Path, *words: object) -> bytes:
    code, said = ended(ftr(*words))
    assert code == 0, said
    assert said.count("the final weights") == 1
    return (run / "model.params").read_bytes()


@pytest.mark.parametrize(("workers", "shards"), [(2, 3), (3, 2)])
def test_processes_of_one_machine_give_the_bits_of_one(workers: int, shards: int) -> None:
    command = [sys.executable, str(TOY), "local", str(shards), "127.0.0.1", "1", str(workers), "worker", ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, env=ENVIRONMENT)
    assert (done.stdout.strip(), done.returncode) == (trained(Alone(), shards), 0), done.stderr


def test_a_run_has_the_weights_of_one_process(photos: Path, tmp_path: Path) -> None:
    """Norms that train, dropout, images that are mixed, features that are kept, an average, the best by
    validation, and a first stage that one worker trains."""
    head, data = "[dropout(0.2), dense(classes)]", "  take = 24 images\n  batch = 6"
    recipe = write_recipe(tmp_path / "toy.ftr", photos, STAGES.format(epochs=2), head=head, data=data)
    train(recipe, tmp_path / "1")
    several = weights(tmp_path / "2", recipe, "--out", tmp_path / "2", "--engine", "local", "--size", 2)
    assert (tmp_path / "1/model.params").read_bytes() == several


@pytest.mark.long
def test_a_killed_worker_ends_the_run_which_resumes_with_another_number(photos: Path, tmp_path: Path) -> None:
    head = "[dropout(0.2), dense(classes)]"
    recipe = write_recipe(tmp_path / "toy.ftr", photos, STAGES.format(epochs=8), head=head, data="  batch = 6")
    alone = weights(tmp_path / "1", recipe, "--out", tmp_path / "1")
    run = tmp_path / "run"
    process = ftr(recipe, "--out", run, "--engine", "local", "--size", 3, "--checkpoint", "3 steps")
    while not list(run.glob("checkpoints/00000[4-9].json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    (lead,) = _children(process.pid)
    workers = _children(lead)
    os.kill(workers[1], signal.SIGKILL)
    began = time.monotonic()
    code, said = ended(process)
    assert (code, "E617" in said, f"--resume {run}" in said) == (1, True, True), said
    assert time.monotonic() - began < 30  # ten are promised; other programs may run beside the tests
    assert not any(_runs(each) for each in (lead, *workers))
    assert weights(run, recipe, "--resume", run, "--engine", "local", "--size", 2) == alone


def test_more_workers_than_shards_are_refused() -> None:
    plan: Any = SimpleNamespace(stages=[SimpleNamespace(shards=count) for count in (1, 3)])
    each: list[Any] = [SimpleNamespace(workers=count) for count in range(1, 5)]
    for exchange in each[:3]:
        refuse_idle(exchange, plan)
    with pytest.raises(RecipeError, match="4 workers for 3 shards"):
        refuse_idle(each[3], plan)


def _children(parent: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
