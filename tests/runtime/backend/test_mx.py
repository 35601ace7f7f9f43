"""Importing MXNet and GluonCV leaves the process as it was."""

from __future__ import annotations

import subprocess
import sys

from PIL import ImageFile

from runtime.backend.mx import gluoncv

_BESIDE_PYTORCH = """
import sys, types
torch = types.ModuleType("torch")
torch.__version__, torch.Tensor = "2.13.0", type("Tensor", (), {})
sys.modules["torch"] = torch
from runtime.backend.mx import gluoncv
gluoncv()
assert sys.modules["torch"] is torch
"""


def test_gluoncv_does_not_make_pillow_accept_truncated_images() -> None:
    gluoncv()
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_gluoncv_imports_beside_a_new_pytorch() -> None:
    """GluonCV 0.10.5 raises on import when it finds PyTorch 2 or newer."""
    subprocess.run([sys.executable, "-c", _BESIDE_PYTORCH], check=True)
