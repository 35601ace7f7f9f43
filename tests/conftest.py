"""What the tests of the whole program share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Threads that wait for work in a loop, as OpenMP's do, make tests several times slower where other programs run too.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `train`, `valid` and `test` of three classes; their files have the same names. Read only."""
    from toy import CLASSES, make_images

    root = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate({"train": 24, "valid": 8, "test": 8}.items()):
        make_images(root / name, dict.fromkeys(CLASSES, count), seed)
    return root
