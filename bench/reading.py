"""How many images per second are read: opened each time, and kept decoded, by 0, 1 and 2 threads.

`python bench/reading.py` prints a table, in half a minute: the solar cells (300 x 300 grey PNG, flips at 128 pixels)
and made photos (500 x 375 JPEG, random parts of them and flips). `file` is kept in a temporary file instead of memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.data.decoded import DISK_BYTES, Decoded, fixed_lead, opening
from runtime.data.listing import Sample
from runtime.data.loader import batches
from runtime.data.sources.packaged import solar_cells
from runtime.data.transforms.catalog import Pipeline
from runtime.plan.types import Component
from runtime.system.random import generator
from runtime.system.spill import Budget

COUNT, BATCH = 640, 32
FLIP = Component("flip", {"direction": "horizontal"})
FLIPS = [
    Component("resize", {"size": 128}),
    Component("center_crop", {"size": 128}),
    FLIP,
    Component("flip", {"direction": "vertical"}),
]
CROPS = [Component("random_resized_crop", {"size": 128, "scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3)}), FLIP]


def photos(folder: Path) -> list[Sample]:
    """Write noise with soft colours as JPEG files."""
    rng = np.random.default_rng(1)
    found = []
    for number in range(COUNT):
        soft = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((500, 375))
        pixels = np.asarray(soft) + rng.normal(0, 8, (375, 500, 3))
        path = folder / f"{number}.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        found.append(Sample(path.name, 0, path))
    return found


def speed(samples: Sequence[Sample], steps: Sequence[Component], workers: int, kept: Decoded | None) -> float:
    """Return images per second of one epoch."""
    lead = fixed_lead(steps)
    opened = opening(lead, kept, again=True)
    begin = time.perf_counter()
    for _ in batches(
        samples,
        range(len(samples)),
        BATCH,
        Pipeline(steps[len(lead) :]),
        lambda sample: generator(1, "augment", 0, 0, sample.id),
        workers,
        drop_last=False,
        collate=np.array,
        open_image=opened,
    ):
        pass
    return len(samples) / (time.perf_counter() - begin)


def print_row(name: str, samples: Sequence[Sample], steps: Sequence[Component], workers: int) -> None:
    """Print one row: the best of a few epochs each."""
    cold = max(speed(samples, steps, workers, None) for _ in range(2))
    found = []
    for memory in (2**30, 0):
        with closing(Decoded(frozenset({"train"}), Budget(memory, DISK_BYTES))) as kept:
            first = speed(samples, steps, workers, kept)
            found += [first, max(speed(samples, steps, workers, kept) for _ in range(3))]
    first, memory_speed, _, file_speed = found
    print(
        f"{name:<14}{workers:>8}{cold:>10.0f}{first:>12.0f}{memory_speed:>10.0f}{file_speed:>10.0f}"
        f"{memory_speed / cold:>8.1f}"
    )


def main() -> None:
    """Print the table."""
    print(f"{'images/s':<14}{'threads':>8}{'opened':>10}{'first time':>12}{'memory':>10}{'file':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        sets = {"solar, flips": (solar_cells().samples[:COUNT], FLIPS), "photos, crops": (photos(Path(folder)), CROPS)}
        for name, (samples, steps) in sets.items():
            for workers in (0, 1, 2):
                print_row(name, samples, steps, workers)


if __name__ == "__main__":
    main()
