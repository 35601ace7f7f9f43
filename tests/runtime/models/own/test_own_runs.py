"""Runs of GluonCV's networks with their own heads: killed and gone on, verified, evaluated."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import killing
import pytest
from command import Ftr
from own_networks import write_recipe
from paths import ROOT

SMALLEST = {"fastscnn_citys": "miou", "ssd_512_mobilenet1.0_voc": "ap"}
"""Of each task one, with a metric; `bench/gluoncv_models.py --runs` does so with others."""


@pytest.mark.long  # `test_detectors.py` and `test_segmenters.py` train the networks, other runs are killed and go on
@pytest.mark.parametrize("name", SMALLEST)
def test_a_run_is_killed_goes_on_and_verifies(name: str, tmp_path: Path, ftr: Ftr) -> None:
    recipe, folder = tmp_path / "own.ftr", tmp_path / "run"
    write_recipe(name, recipe)
    assert killing.start(recipe, folder, interval="1 step", kill_at=40) == -signal.SIGKILL
    assert killing.start(recipe, folder, interval="1 step") == 0
    command = [sys.executable, "-m", "runtime", "verify", str(folder), "--quiet"]  # this process has other threads
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert found.stdout.startswith("identical"), found.stdout
    assert SMALLEST[name] in json.loads(ftr("evaluate", folder, "--on", "valid", "--json").out)
