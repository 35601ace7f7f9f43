"""Runs of GluonCV's networks with their own heads: killed and gone on, verified, evaluated."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import killing
import pytest
from command import Ftr
from own_networks import write_recipe

SMALLEST = {
    "fastscnn_citys": "miou",
    "yolo3_mobilenet0.25_voc": "ap",
    "ssd_512_mobilenet1.0_voc": "ap",
    "center_net_resnet18_v1b_voc": "ap",
}
"""Of each family that is feasible here, with a metric; `bench/gluoncv_models.py --runs` does so with others."""


@pytest.mark.parametrize("name", SMALLEST)
def test_a_run_is_killed_goes_on_and_verifies(name: str, tmp_path: Path, ftr: Ftr) -> None:
    recipe, folder = tmp_path / "own.ftr", tmp_path / "run"
    write_recipe(name, recipe)
    assert killing.start(recipe, folder, interval="1 step", kill_at=40) == -signal.SIGKILL
    assert killing.start(recipe, folder, interval="1 step") == 0
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
    assert SMALLEST[name] in json.loads(ftr("evaluate", folder, "--on", "valid", "--json").out)
