"""What is kept of frozen parts stays within its budget of memory, however much of it there is."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT
from toy import make_images, write_recipe

MB = 2**20
BUDGET = 4 * MB
IMAGES, ROW = 640, 16 * 32 * 32 * 4  # behind the first block of the toy network
SLACK = 16 * MB
STAGE = """
stage "top" {
  train = base.block2 .. head
  for   = 10 steps
}
"""
# A run in a process of its own, with the budgets of memory and of disk given.
PROGRAM = """
import sys
from pathlib import Path
from runtime.features import store
from runtime.runs import writer
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
recipe, out, memory, disk = sys.argv[1:]
store.MEMORY_BYTES, store.DISK_BYTES = int(memory), int(disk)
writer.export_model = lambda *_: None
run(prepare(Path(recipe)), RunSettings(workers=0), Path(out))
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not tell")


def peak(recipe: Path, out: Path, memory: int, disk: int) -> tuple[int, int]:
    """Run a recipe; return the peak of its memory without pages of files, and how much of features a file held."""
    command = [sys.executable, "-c", PROGRAM, str(recipe), str(out), str(memory), str(disk)]
    log = out.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
    own = mapped = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            maps = Path(f"/proc/{process.pid}/maps").read_text()
        except OSError:  # it has just ended
            continue
        if found := re.search(r"RssAnon:\s+(\d+)", status):
            own = max(own, int(found[1]) * 1024)
        ends = [line.split()[0].split("-") for line in maps.splitlines() if re.search(r" rw-s .*\(deleted\)", line)]
        # A temporary file has no name any more, and is the only one that is mapped to be written.
        mapped = max(mapped, sum(int(end, 16) - int(begin, 16) for begin, end in ends))
        time.sleep(0.01)
    assert process.returncode == 0, log.read_text()
    return own, mapped


def test_a_set_ten_times_the_budget_of_memory_runs_within_it(tmp_path: Path) -> None:
    half = IMAGES // 2
    make_images(tmp_path / "photos/train", {"blue": half, "green": half})
    make_images(tmp_path / "photos/valid", {"blue": 8, "green": 8}, seed=1)
    recipe = write_recipe(tmp_path / "r.ftr", tmp_path / "photos", STAGE, sources=("train", "valid"))
    nothing_kept, no_file = peak(recipe, tmp_path / "nothing", 0, 0)
    kept, file = peak(recipe, tmp_path / "kept", BUDGET, 10**9)
    assert no_file == 0
    assert file >= IMAGES * ROW >= 10 * BUDGET
    assert kept - nothing_kept < BUDGET + SLACK
