"""A finished run for the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import train, write_recipe


@pytest.fixture(scope="package")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of random weights. Read only."""
    root = tmp_path_factory.mktemp("trained")
    train(write_recipe(root / "r.ftr", photos), root / "run")
    return root / "run"
