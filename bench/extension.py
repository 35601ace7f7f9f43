"""What a head forgets that learns further classes: `python bench/extension.py [--seeds N]`.

A head on frozen features learns the digits 0 to 7, then `head = extended` learns 8 and 9, with the loss as it is by
default and with `logit_adjusted`, without images of the old digits and with ten of each. Printed are the accuracies on
the old and on the new digits of the test set, the means over the seeds (half a minute for each).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

OLD, TRAINED, FEW = 8, 110, 10  # digits known before; images of each that train; those of an old one that are repeated
IMAGES = {0: "none", FEW: "few"}
LOSSES = ("cross_entropy", "logit_adjusted")
RECIPE = """ftr 1
seed = {seed}
base = {base}
loss = {loss}
data {{
  train = folder("{train}")
  valid = holdout(10%)
  test  = folder("{test}")
  size  = 64px
  batch = 16
}}
stage "head" {{
  train     = head
  for       = 8 epochs
  optimizer = adam(lr = {lr})
}}
"""


def write_digits(folder: Path) -> None:
    """Write the digits as folders: those known before, those learned then with few or no old ones, and test sets."""
    from PIL import Image

    from runtime.data.sources.packaged import digits

    seen: Counter[int] = Counter()
    for sample in digits().samples:
        number, digit = seen[sample.target], sample.target
        seen[digit] += 1
        is_old = digit < OLD
        if number >= TRAINED:
            names = ["test", *["tested before"] * is_old]
        else:
            names = ["before", *["few"] * (number < FEW)] if is_old else ["few", "none"]
        for name in names:
            path = folder / name / str(digit) / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sample.image).save(path)


def trained(folder: Path, name: str, **values: object) -> dict[str, float]:
    """Run a recipe; return what its test set gave."""
    recipe = folder / f"{name}.ftr"
    recipe.write_text(RECIPE.format(**values), encoding="utf-8")
    command = [sys.executable, "-m", "runtime", "run", str(recipe), "--quiet", "--out", str(folder / name)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    found = json.loads((folder / name / "result.json").read_text(encoding="utf-8"))["test"]
    return {part: found[part]["accuracy"] for part in ("old", "new") if part in found} or {"old": found["accuracy"]}


def main() -> None:
    """Measure all seeds, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(1, given.seeds + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_digits(folder)
            base = 'packaged("efficientnet_lite0")'
            before = {"train": "before", "test": "tested before", "lr": 5e-3, "loss": LOSSES[0]}
            found = trained(folder, "parent", seed=seed, base=base, **before)
            rows.setdefault("before", []).append(found)
            for count, loss in product(IMAGES, LOSSES):
                own = {"train": IMAGES[count], "test": "test", "lr": 2e-3, "loss": loss}
                found = trained(folder, f"{count}-{loss}", seed=seed, base='run("parent", head = extended)', **own)
                rows.setdefault(f"{count} images of each old class, {loss}", []).append(found)
    for title, each in rows.items():
        parts = (f"{part} {mean(row[part] for row in each):.1%}" for part in each[0])
        print(f"{title:45}{', '.join(parts)}")


if __name__ == "__main__":
    main()
