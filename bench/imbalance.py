"""What is done about rare classes, beside nothing: `python bench/imbalance.py`.

The digits with a long tail, 110 images of the most frequent class and 5 of the rarest, and a test set of 60 images of
each class. A new head on frozen features, 15 epochs, three seeds; each row is the plain recipe with one thing changed.
Out comes a table with mean and standard deviation over the seeds, of accuracy and F1 on the test set. Nothing is chosen
on either set: the last weights are measured.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.training.settings import RunSettings  # noqa: E402
from runtime.workflows.preparation import prepare  # noqa: E402
from runtime.workflows.run import run  # noqa: E402

RECIPE = """ftr 1
seed = {seed}
data {{
  train = folder("train")
  valid = holdout(20%)
  test = folder("test")
  size = 64px
  batch = 16
  {data}
}}
head = [{head}]
loss = {loss}
stage "head" {{
  train = head
  for = 15 epochs
  optimizer = adam(lr = 5e-3)
}}
"""
PLAIN = {"data": "", "head": "dense(classes)", "loss": "cross_entropy"}
ROWS = {
    "cross_entropy": {},
    "logit_adjusted": {"loss": "logit_adjusted"},
    "logit_adjusted(tau = 0.5)": {"loss": "logit_adjusted(tau = 0.5)"},
    "weights = balanced": {"loss": "cross_entropy(weights = balanced)"},
    "weights = sqrt": {"loss": "cross_entropy(weights = sqrt)"},
    "sampling = balanced": {"data": "sampling = balanced"},
    "sampling = weighted(sqrt)": {"data": "sampling = weighted(sqrt)"},
    "weights and sampling balanced": {"loss": "cross_entropy(weights = balanced)", "data": "sampling = balanced"},
    "focal": {"loss": "focal"},
    "bias = priors": {"head": "dense(classes, bias = priors)"},
}
SEEDS = (1, 2, 3)
MOST, RAREST, TESTED = 110, 5, 60


def make_images(root: Path) -> None:
    """Write `train`, whose classes get fewer from digit to digit, and `test`, of equal classes."""
    digits, rng = load_digits(), np.random.default_rng(0)
    for digit in range(10):
        order = rng.permutation(np.flatnonzero(digits.target == digit))
        count = round(MOST * (RAREST / MOST) ** (digit / 9))
        for name, chosen in (("test", order[:TESTED]), ("train", order[TESTED : TESTED + count])):
            folder = root / name / f"c{digit}"
            folder.mkdir(parents=True)
            for index in chosen:
                Image.fromarray((digits.images[index] * 15.9).astype("uint8")).save(folder / f"{index}.png")


def main() -> None:
    """Run all rows and print the table."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make_images(root)
        print("| | accuracy | F1 |\n|---|---|---|")
        for number, (name, changed) in enumerate(ROWS.items()):
            found = []
            for seed in SEEDS:
                recipe = root / "recipe.ftr"
                recipe.write_text(RECIPE.format(seed=seed, **(PLAIN | changed)))
                _, result = run(prepare(recipe), RunSettings(workers=0), root / f"run-{number}-{seed}")
                found.append([100 * result["test"][metric] for metric in ("accuracy", "f1")])
            cells = " | ".join(f"{mean(each):.1f}% ± {stdev(each):.1f}" for each in zip(*found, strict=True))
            print(f"| `{name}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
