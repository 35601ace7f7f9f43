"""How much memory runs take at their peak, beside what was estimated before (`runtime/workflows/cost/memory.py`).

    python bench/memory.py

Each run is a process of its own, on noise, of two steps; all take ten minutes. Prints a line for each: network, what
trains, size, batch, the peak in MB, the estimate, their ratio.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
NETS = (
    ('packaged("efficientnet_lite0")', 224),
    ('gluon("resnet18_v2", weights = none)', 224),
    ('gluon("mobilenet1.0", weights = none)', 224),
    ('gluon("resnet50_v1", weights = none)', 128),
    ('gluon("vgg11", weights = none)', 128),
    ('gluon("densenet121", weights = none)', 128),
)
RECIPE = """ftr 1
data {{
  train = folder("photos")
  valid = folder("photos")
  size = {size}px
  batch = {batch}
}}
base = {base}
stage "only" {{
  train = {train}
  for = 2 steps
  augment = [random_resized_crop]
}}
"""
ESTIMATE = """
import pathlib, runtime.workflows.preparation as run
prepared = run.prepare(pathlib.Path("r.ftr"))
print(prepared.need.of(prepared.plan.data.batch))
"""


def main() -> None:
    """Measure all networks, whole and with a new head, with two batches."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_photos(folder / "photos")
        for base, size in NETS:
            for train in ("head", "all"):
                for batch in (8, 32):
                    text = RECIPE.format(base=base, size=size, train=train, batch=batch)
                    (folder / "r.ftr").write_text(text)
                    peak, estimate = _peak(folder), _estimate(folder)
                    numbers = f"{peak / 1e6:6.0f} {estimate / 1e6:6.0f}  {estimate / peak:.2f}"
                    print(f"{base:40} {train:5} {size:4} {batch:3} {numbers}", flush=True)


def _make_photos(root: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        for number in range(32):
            Image.fromarray(rng.integers(0, 255, (60, 70, 3), np.uint8)).save(root / name / f"{number}.png")


def _peak(folder: Path) -> int:
    """Run the recipe; return the peak of its resident memory in bytes."""
    command = (sys.executable, "-m", "runtime", "run", "r.ftr", "--quiet")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=_environment(folder), stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit("the run failed")
    return 1024 * used.ru_maxrss


def _estimate(folder: Path) -> int:
    command = (sys.executable, "-c", ESTIMATE)
    found = subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=True)
    return int(found.stdout)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "FTR_CACHE": str(folder / "cache")}


if __name__ == "__main__":
    main()
