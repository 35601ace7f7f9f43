"""Toy images and recipes for tests of the whole program: networks with random weights, a second for a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runtime.runs.writer import Extra
from runtime.training.events import Event, FeaturesComputed, Observer, Preliminary
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared

CLASSES = ("blue", "green", "red")
TINY = 'gluoncv("cifar_resnet20_v1", weights = none)'  # stem, block1 .. block3; 32 px


def make_images(root: Path, counts: Mapping[str, int], seed: int = 0) -> Path:
    """Write `root/<class>/<number>.jpg`: noise of 40 x 36 pixels with a cast of the class's colour."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 120, (36, 40, 3))
            pixels[..., 2 - CLASSES.index(name)] += 110
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.jpg", quality=95)
    return root


def truncate(image: Path) -> Path:
    """Cut an image file off in the middle, as a broken copy does."""
    image.write_bytes(image.read_bytes()[:-300])
    return image


STAGE = """
stage "head" {
  train = head
  for   = 1 epoch
}
"""


def write_recipe(
    path: Path,
    photos: Path,
    stages: str = STAGE,
    *,
    data: str = "",
    base: str = TINY,
    head: str = "[dense(classes)]",
    top: str = "",
    sources: Sequence[str] = ("train", "valid", "test"),
) -> Path:
    """Write a recipe for the folders `photos/train`, `photos/valid` and `photos/test`."""
    folders = "\n".join(f'  {name} = folder("{photos / name}")' for name in sources)
    size = "" if "size" in data else "  size  = 32px\n"
    batch = "" if "batch" in data else "  batch = 16\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"ftr 1\n{top}\ndata {{\n{folders}\n{size}{batch}{data}\n}}\nbase = {base}\nhead = {head}\n{stages}"
    )
    return path


def train(
    recipe: Path,
    out: Path,
    *,
    workers: int = 0,
    settings: Sequence[str] = (),
    watch: Observer | None = None,
    extras: Sequence[Extra] = (),
) -> dict[str, Any]:
    """Run a recipe; return the content of `result.json` and the signal."""
    observers = () if watch is None else (watch,)
    prepared = prepare(recipe, settings)
    _, result = run_prepared(prepared, RunSettings(workers=workers), out, observers=observers, extras=extras)
    return result


def metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's `metrics.jsonl`."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


class _Computed:
    """Notes how many images the frozen part was run on, with the stage."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int]] = []

    def __call__(self, event: Preliminary | Event) -> None:
        if isinstance(event, FeaturesComputed) and event.done == event.total:
            self.rows.append((event.stage, event.total))


def trained(recipe: Path, out: Path, **settings: Any) -> tuple[bytes, list[tuple[int, int]]]:
    """Run a recipe; return its weights as bytes, and on how many images each stage ran the frozen part."""
    watch = _Computed()
    run_prepared(prepare(recipe), RunSettings(workers=2, **settings), out, observers=(watch,))
    return (out / "model.params").read_bytes(), watch.rows
