"""How time and memory of `ftr run` grow: `python bench/growth.py --write docs/growth.md`. 10 to 20 minutes.

A new classifier on frozen EfficientNet-Lite0, with more and more images, pixels, classes and epochs. Each point is a
process of its own, with an empty cache on the disk. To each series a curve a + b * x^p is fitted by least squares.
`--quick` takes small points only, to see that it works. What is measured already stands in WORK/growth.jsonl.

Images and epochs come from Fashion-MNIST (Debian's `dataset-fashion-mnist`, or `--fashion FOLDER`); classes are folders
of made images, so many in all whatever the number of classes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from frozen_page import processor, table
from frozen_process import watch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
MADE, MADE_SIDE = 20_000, 16  # images of a series of classes, half of them for validation
EXPONENTS = np.arange(0.5, 2.51, 0.05)


@dataclass(frozen=True, slots=True)
class Point:
    """What one run trains on: images with those for validation, side in pixels, classes, epochs."""

    images: int
    size: int = 64
    classes: int = 10
    epochs: int = 2


@dataclass(frozen=True, slots=True)
class Series:
    """Points that differ in one figure."""

    title: str
    unit: str
    points: tuple[Point, ...]
    figure: str  # the field of a point that grows

    def values(self) -> list[int]:
        """Return the figure of each point."""
        return [getattr(point, self.figure) for point in self.points]


def all_series(quick: bool) -> list[Series]:
    """Return what is measured."""
    images = (500, 1000, 2000) if quick else (1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000)
    sizes = (64, 96, 128) if quick else (64, 96, 128, 160, 192, 224, 256)
    classes = (10, 100, 500) if quick else (10, 100, 1000, 3000, 10_000)
    epochs = (1, 4, 16) if quick else (1, 2, 4, 8, 16, 32, 64)
    made = 1000 if quick else MADE
    few = 500 if quick else 2000
    return [
        Series("Images", "images", tuple(Point(count) for count in images), "images"),
        Series("Side", "px", tuple(Point(few, size=size) for size in sizes), "size"),
        Series("Classes", "classes", tuple(Point(made, classes=count) for count in classes), "classes"),
        Series("Epochs", "epochs", tuple(Point(few, epochs=count) for count in epochs), "epochs"),
    ]


def make_folders(root: Path, classes: int, images: int) -> Path:
    """Write `train/` and `valid/` with half of the images each, every class its colour under noise; once."""
    folder = root / f"{classes}-{images}"
    if folder.exists():
        return folder
    unfinished, rng = Path(f"{folder}.part"), np.random.default_rng(1)
    colours = rng.integers(40, 216, (classes, 3))
    for part in ("train", "valid"):
        for number in range(images // 2):
            place = unfinished / part / f"{number % classes:05d}" / f"{number:06d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            noise = rng.integers(-40, 41, (MADE_SIDE, MADE_SIDE, 3))
            Image.fromarray((colours[number % classes] + noise).astype(np.uint8)).save(place, compress_level=1)
    unfinished.rename(folder)
    return folder


def recipe(point: Point, series: Series, work: Path, fashion: str) -> str:
    """Return a point as a recipe."""
    if series.figure == "classes":
        folder = make_folders(work / "classes", point.classes, point.images)
        data = f'  train = folder("{folder}/train")\n  valid = folder("{folder}/valid")\n'
    else:
        data = f'  train = fashion_mnist(path = "{fashion}")\n  take  = {point.images} images\n  valid = holdout(10%)\n'
    return (
        f'ftr 1\n\nname = "growth"\nseed = 1\n\ndata {{\n{data}  size  = {point.size}px\n  batch = 32\n}}\n\n'
        'base = packaged("efficientnet_lite0")\nhead = [dense(classes)]\n\n'
        f'stage "head" {{\n  train     = head\n  for       = {point.epochs} epochs\n  optimizer = adam(lr = 1e-3)\n}}\n'
    )


def measure(point: Point, series: Series, work: Path, fashion: str, threads: int) -> dict[str, Any]:
    """Run a point in a process of its own; return its figures: seconds and MB."""
    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    (run / "recipe.ftr").write_text(recipe(point, series, work, fashion), encoding="utf-8")
    options = ["--out", str(run / "out"), "--quiet", "--threads", str(threads)]
    command = [sys.executable, "-m", "runtime", "run", str(run / "recipe.ftr"), *options]
    environment = {"OMP_NUM_THREADS": str(threads), "FTR_CACHE": str(run / "cache")}
    watched = watch(command, environment, run / "log", run / "out" / "metrics.jsonl", ROOT)
    ends = [now for now, event in watched.events if event["event"] == "evaluated"]
    begin = next(now for now, event in watched.events if event["event"] == "stage_started")
    shutil.rmtree(run)
    return {
        "wall_s": watched.wall_s,
        "stage_s": ends[-1] - begin,
        "memory_mb": watched.memory_mb,
        "own_mb": watched.own_mb,
        "others": watched.others,
    }


@dataclass(frozen=True, slots=True)
class Fit:
    """y = fixed + factor * x^exponent; `off` is the largest distance of a point, as a share of it."""

    fixed: float
    factor: float
    exponent: float
    off: float

    def text(self, unit: str, name: str) -> str:
        """Return the curve in words."""
        worst = f"no point is further off than {self.off:.0%}"
        if not self.factor:
            return f"{self.fixed:.3g} {unit} whatever the {name}; {worst}"
        return f"{self.fixed:.3g} {unit} + {self.factor:.3g} {unit} × {name}^{self.exponent:.2f}; {worst}"


def fit(x: Sequence[float], y: Sequence[float]) -> Fit:
    """Fit a curve by least squares: of all exponents the best, with nothing negative.

    Where it would rise by less than a tenth, which is noise, the mean is the curve.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)

    def tried(exponent: float) -> tuple[float, Fit]:
        columns = np.stack([np.ones_like(xs), xs**exponent], axis=1)
        fixed, factor = np.linalg.lstsq(columns, ys, rcond=None)[0]
        if fixed < 0:
            fixed, factor = 0.0, float((xs**exponent @ ys) / (xs**exponent @ xs**exponent))
        gaps = fixed + factor * xs**exponent - ys
        return float(gaps @ gaps), Fit(float(fixed), float(factor), float(exponent), float(np.abs(gaps / ys).max()))

    best = min((tried(exponent) for exponent in EXPONENTS), key=lambda pair: pair[0])[1]
    if best.factor * (xs.max() ** best.exponent - xs.min() ** best.exponent) < 0.1 * ys.mean():
        return Fit(float(ys.mean()), 0.0, 0.0, float(np.abs(ys.mean() / ys - 1).max()))
    return best


def page(series: Sequence[Series], results: Sequence[Sequence[dict[str, Any]]], threads: int, command: str) -> str:
    """Return the page of all series."""
    others = [result["others"] for figures in results for result in figures]
    text = PAGE.format(
        command=command, threads=threads, processor=processor(), others=float(np.median(others)), most=max(others)
    )
    for one, figures in zip(series, results, strict=True):
        x = one.values()
        lines = [
            [
                *(f"{value:,}", f"{each['wall_s']:.1f}", f"{each['stage_s']:.1f}"),
                *(f"{each['memory_mb']:.0f}", f"{each['own_mb']:.0f}"),
            ]
            for value, each in zip(x, figures, strict=True)
        ]
        heads = [one.unit, "whole process (s)", "stage (s)", "peak memory (MB)", "without file pages (MB)"]
        text += f"\n## {one.title}\n\n{_fixed(one)}\n\n{table(heads, lines)}\n"
        for name, key, unit in (("Time", "wall_s", "s"), ("Memory", "own_mb", "MB")):
            text += f"- {name}: {fit(x, [each[key] for each in figures]).text(unit, one.unit)}.\n"
    return text


def _fixed(series: Series) -> str:
    """Return what the points of a series have in common."""
    point = series.points[0]
    facts = {
        "images": f"{point.images:,} images",
        "size": f"{point.size} px",
        "classes": f"{point.classes} classes",
        "epochs": f"{point.epochs} epochs",
    }
    source = "Made images in folders" if series.figure == "classes" else "Fashion-MNIST"
    share = "half" if series.figure == "classes" else "a tenth"
    return f"{source}, {', '.join(facts[name] for name in facts if name != series.figure)}; {share} for validation."


PAGE = """\
# Growth

Written by `{command}`: how time and memory of `ftr run` grow.
A new classifier on frozen EfficientNet-Lite0, batch 32, {threads} threads ({processor}).
Each line is one run, in a process of its own with an empty cache. Other processes took {others:.0%} of the machine's
processors meanwhile in the median run, {most:.0%} in the worst.

The stage is training and validation; the whole process has besides it the imports, the test of each image file, the
last measurement, the export of the network and the drawing of curves. The curves are fitted by least squares, with the
exponent that fits best (0.5 to 2.5); memory is fitted without pages of files. A curve that rises by less than a tenth
over all points is taken for a constant.
"""


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Small points only.")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="All cores by default.")
    parser.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist", help="Folder of the four idx files.")
    parser.add_argument("--work", type=Path, default=Path("runs/growth"), help="Folder of images, runs and results.")
    parser.add_argument("--write", type=Path, help="Write a Markdown page.")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    path, series, results = work / "growth.jsonl", all_series(given.quick), []
    for one in series:
        figures: list[dict[str, Any]] = []
        for point, value in zip(one.points, one.values(), strict=True):
            key = {"figure": one.figure, "threads": given.threads}
            key |= {name: getattr(point, name) for name in ("images", "size", "classes", "epochs")}
            known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            result = next((each for each in known if key.items() <= each.items()), None)
            if result is None:
                result = {**key, **measure(point, one, work, given.fashion, given.threads)}
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
            figures.append(result)
            print(f"{value:,} {one.unit}: {result['wall_s']:.1f} s, {result['own_mb']:.0f} MB", flush=True)
        results.append(figures)
    if given.write:
        command = f"python bench/growth.py{' --quick' * given.quick} --write docs/growth.md"
        given.write.write_text(page(series, results, given.threads, command), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
