"""What a small network gains from a teacher: `python bench/distillation.py [--seeds 5] [--epochs 30]`.

The solar cells at 64 pixels. The teacher is EfficientNet-Lite0, pretrained, its head and its top trained; the student
a MobileNet of a quarter of the channels from random weights, with and without the teacher, on flips (what the teacher
says is cached) and on random crops (it runs on each batch). Nothing is chosen on a set: the last weights are measured.
Out comes a table of accuracy on the test set and the seconds of a run, mean and standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.training.settings import RunSettings  # noqa: E402
from runtime.workflows.preparation import prepare  # noqa: E402
from runtime.workflows.run import run  # noqa: E402

DATA = """ftr 1
seed = {seed}
{top}
data {{
  train = solar_cells
  test = holdout(30%)
  valid = holdout(10%)
  size = 64px
  batch = 32
  augment = [{augment}]
}}
"""
TEACHER = """base = packaged("efficientnet_lite0")
stage "head" {
  train = head
  for = 8 epochs
  optimizer = adam(lr = 5e-3)
}
stage "top" {
  train = base.block5 .. head
  for = 8 epochs
  optimizer = adamw(lr = 3e-4)
  schedule = cosine(warmup = 10%)
  norm = frozen
}
"""
STUDENT = """base = gluon("mobilenet0.25", weights = none)
stage "all" {{
  train = all
  for = {epochs} epochs
  optimizer = adam(lr = 2e-3)
  schedule = cosine(warmup = 10%)
}}
"""
FLIPS = "flip(horizontal), flip(vertical)"
CROPS = f"random_crop(padding = 6px), {FLIPS}"
ROWS = {
    "`cross_entropy`": ("cross_entropy", FLIPS),
    "`distillation`": ("distillation", FLIPS),
    "`distillation(weight = 0.9)`": ("distillation(weight = 0.9)", FLIPS),
    "`distillation(temperature = 1, weight = 1)`": ("distillation(temperature = 1, weight = 1)", FLIPS),
    "crops, `cross_entropy`": ("cross_entropy", CROPS),
    "crops, `distillation(weight = 0.9)`": ("distillation(weight = 0.9)", CROPS),
}


def main() -> None:
    """Train a teacher for each seed, then all rows, and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--epochs", type=int, default=30)
    given = options.parse_args()
    seeds = range(1, given.seeds + 1)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)

        def trained(name: str, text: str) -> tuple[float, float]:
            recipe = root / f"{name}.ftr"
            recipe.write_text(text)
            began = time.monotonic()
            _, result = run(prepare(recipe), RunSettings(), root / name)
            return 100 * result["test"]["accuracy"], time.monotonic() - began

        def shown(name: str, found: list[tuple[float, float]]) -> None:
            cells = (
                f"{mean(each):.1f}{unit} ± {stdev(each) if len(each) > 1 else 0:.1f}"
                for each, unit in zip(zip(*found, strict=True), ("%", " s"), strict=True)
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)

        print("| | accuracy | a run |\n|---|---|---|")
        texts = {seed: DATA.format(seed=seed, top="", augment=FLIPS) + TEACHER for seed in seeds}
        shown("the teacher", [trained(f"teacher-{seed}", text) for seed, text in texts.items()])
        for number, (name, (loss, augment)) in enumerate(ROWS.items()):
            found = []
            for seed in seeds:
                teacher = f'teacher = run("teacher-{seed}")\n' if "distillation" in loss else ""
                data = DATA.format(seed=seed, top=f"{teacher}loss = {loss}", augment=augment)
                found.append(trained(f"student-{number}-{seed}", data + STUDENT.format(epochs=given.epochs)))
            shown(name, found)


if __name__ == "__main__":
    main()
