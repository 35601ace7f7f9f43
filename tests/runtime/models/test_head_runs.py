"""Runs with the heads of the catalog: killed and gone on, verified, packed, exported."""

from __future__ import annotations

import signal
from pathlib import Path

import killing
import pytest
from command import Ftr

RECIPE = """ftr 1
base = gluoncv("cifar_resnet20_v1", weights = none)
head = {head}
data {{
  train = digits
  take = 60 images
  size = 32px
  batch = 8
}}
stage "head" {{
  train = head
  for = 2 steps
  keep = last
  optimizer = adam(lr = 1e-3)
}}
stage "top" {{
  train = base.block3 .. head
  for = 2 steps
  keep = last
  optimizer = sgd(lr = 1e-3, weight_decay = 1e-4)
}}
"""


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("[gem, bn_neck, dense(classes, bias = none, init = normal)]", marks=pytest.mark.long),
        "[global_avg_max_pool, mlp(256, hidden = 16, dropout = 0.1), cosine_classifier(classes)]",
    ],
)
def test_a_run_is_killed_goes_on_verifies_and_leaves(head: str, tmp_path: Path, ftr: Ftr) -> None:
    recipe, folder = tmp_path / "head.ftr", tmp_path / "run"
    recipe.write_text(RECIPE.format(head=head))
    assert killing.start(recipe, folder, interval="1 step", kill_at=40) == -signal.SIGKILL
    assert killing.start(recipe, folder, interval="1 step") == 0
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
    for kind in ("onnx", "symbol"):
        assert ftr("export", folder, "--format", kind, "--out", tmp_path / kind).code == 0
    assert ftr("pack", folder, "--out", tmp_path / "head.ftrpack").code == 0
