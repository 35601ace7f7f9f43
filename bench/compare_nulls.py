"""`ftr compare` where nothing is to be found: `python bench/compare_nulls.py [--pairs N] [--seeds N] [--work FOLDER]`.

Each of 20 pairs is one recipe twice, with five seeds each: a new head on frozen features of 400 digits, measured
on 600 that are the same for all. How often no difference is shown, which a 95% interval should do in 19 of 20 pairs;
exits with 1 where it is less than 17. What is in WORK is not run again. Other programs change nothing but the time.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

from runtime.runs.noise import Disagreement
from runtime.training.events import Event, Preliminary
from runtime.training.settings import RunSettings
from runtime.workflows.compare import compare, side_of
from runtime.workflows.preparation import Prepared, prepare
from runtime.workflows.seeds import SeedsFollower, SeedsPlan, run_seeds, seeds_folder, seeds_from

RECIPE = """\
ftr 1
data {
  train = folder("train")
  valid = folder("valid")
  size  = 32px
}
base = packaged("efficientnet_lite0")
stage "head" {
  train     = head
  for       = 2 epochs
  optimizer = adam(lr = 1e-2)
}
"""
TRAIN, VALID = 400, 600
LEAST = 17 / 20


def write_images(work: Path) -> None:
    """Write the digits as folders of classes."""
    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        if number < TRAIN + VALID:
            folder = work / ("train" if number < TRAIN else "valid") / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 15.9).astype("uint8")).save(folder / f"{number}.png")


def watched(seed: int, prepared: Prepared) -> Iterator[object]:
    """Watch a run without a word."""

    def ignore(event: Preliminary | Event) -> None:
        pass

    yield ignore


def trained(work: Path, seeds: tuple[int, ...]) -> Path:
    """Return the folder of the runs with these seeds; those that have ended stay."""
    folder, recipe = work / f"seeds-{seeds[0]}", work / "r.ftr"
    first = prepare(recipe, seed=seeds[0])
    plan = SeedsPlan(first.given, seeds, RunSettings())
    with seeds_folder(folder, plan, first, resumes=(folder / "seeds.json").exists()):
        run_seeds(folder, plan, first, SeedsFollower(contextmanager(watched)))
    for place in folder.glob("seed-*"):  # 40 MB a run, of which the numbers need nothing
        shutil.rmtree(place / "checkpoints", ignore_errors=True)
        for weights in place.glob("*.params"):
            weights.unlink()
    return folder


def main() -> int:
    """Run the pairs and print a line for each."""
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--work", type=Path)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = asked.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        if not (work / "r.ftr").exists():
            write_images(work)
            (work / "r.ftr").write_text(RECIPE)
        same = 0
        for pair in range(asked.pairs):
            sides = (side_of(trained(work, seeds_from(1000 * pair + first, asked.seeds))) for first in (1, 101))
            found = compare(*sides)
            assert found.mean is not None
            same += not found.better
            interval = f"{found.mean.mean:+.4f} ({found.mean.low:+.4f} to {found.mean.high:+.4f})"
            print(f"pair {pair + 1:2}: {interval} {'a difference' if found.better else 'no difference'}", flush=True)
    print(f"no difference in {same} of {asked.pairs} pairs of equal recipes, {asked.seeds} seeds each")
    for a, b in ((20, 40), (40, 60)):
        answers = Disagreement(a, b, 667)
        verdict = "no difference" if answers.is_noise else "a difference"
        print(f"two runs that disagree on 667 images, {b} against {a}: p = {answers.p:.4f}, {verdict}")
    return 0 if same >= LEAST * asked.pairs else 1


if __name__ == "__main__":
    raise SystemExit(main())
