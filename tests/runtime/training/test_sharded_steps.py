"""Batches in shards: the gradient of the whole batch where images do not meet, and the same bits whoever computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.training.settings import RunSettings
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from tests.toy import CLASSES, make_images, write_recipe

STAGE = """
stage "all" {{
  train     = base.block3 .. head
  for       = 2 epochs
  optimizer = sgd(lr = 1e-3, momentum = 0)
  {own}
}}
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(("train", "valid", "test")):
        make_images(root / name, dict.fromkeys(CLASSES, 8), seed)
    return root


def trained(folder: Path, photos: Path, own: str, data: str = "  batch = 8", **options: Any) -> dict[str, Any]:
    folder.mkdir()
    recipe = write_recipe(folder / "r.ftr", photos, STAGE.format(own=own), data=data, **options)
    run(prepare(recipe), RunSettings(workers=0), folder / "run")
    return dict(read_params(folder / "run" / "model.params"))


def far(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.mark.parametrize("own", ["", "accumulate = 2\n  sam = 0.05\n  l2_sp = 1e-2\n  clip = global_norm(0.1)"])
def test_shards_are_the_whole_batch(photos: Path, tmp_path: Path, own: str) -> None:
    plain, sharded = (
        trained(tmp_path / f"{count}", photos, f"norm = frozen\n  shards = {count}\n  {own}") for count in (1, 4)
    )
    assert 0 < far(plain, sharded) < 1e-5
