"""Runs of GluonCV's networks with their own heads: killed and gone on, verified, evaluated."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import killing
import pytest
from command import Ftr

RECIPE = """ftr 1
task = {task}
base = gluoncv("{name}", weights = none)
head = [own]
loss = {loss}
data {{
  train = scenes(train)
  take = 5 images
  size = [96px, 64px]
  batch = 4
}}
stage "head" {{
  train = head
  for = 2 steps
  keep = last
  optimizer = sgd(lr = 0.1)
}}
stage "top" {{
  train = base.{part} .. head
  for = 2 steps
  keep = last
  optimizer = adam(lr = 1e-3)
}}
"""


NETWORKS = {
    "fastscnn_citys": ("segmentation", "pixel_cross_entropy", "block2", "miou"),
    "yolo3_mobilenet0.25_voc": ("detection", "yolo3_loss", "block4", "ap"),
    "center_net_resnet18_v1b_voc": ("detection", "center_focal", "block5", "ap"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_run_is_killed_goes_on_and_verifies(name: str, tmp_path: Path, ftr: Ftr) -> None:
    task, loss, part, metric = NETWORKS[name]
    recipe, folder = tmp_path / "own.ftr", tmp_path / "run"
    recipe.write_text(RECIPE.format(task=task, name=name, loss=loss, part=part))
    assert killing.start(recipe, folder, interval="1 step", kill_at=40) == -signal.SIGKILL
    assert killing.start(recipe, folder, interval="1 step") == 0
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
    assert metric in json.loads(ftr("evaluate", folder, "--on", "valid", "--json").out)
