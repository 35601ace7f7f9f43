"""How far norms' inputs lie from their statistics, right and swapped: `python bench/norm_gaps.py`.

EfficientNet-Lite0 gets the two photos and 32 of the digits of scikit-learn, at three sizes; then, with the photos, two
norms of equal shape are exchanged, neighbours of a shape in turn. `MOST` of `runtime/models/norm_statistics.py` lies
between the largest that is right and the smallest that is not.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT)]

from runtime.backend.mx import nd  # noqa: E402
from runtime.models import efficientnet_lite  # noqa: E402
from runtime.models.norm_statistics import MOST, norm_gaps, norms  # noqa: E402
from runtime.plan.size import Size  # noqa: E402

LEAVES = ("gamma", "beta", "running_mean", "running_var")


def inputs(images: Any, side: int) -> Any:
    """Return images as the base's input."""
    pictures = [Image.fromarray(np.uint8(each)).convert("RGB").resize((side, side)) for each in images]
    return nd.array((np.stack([np.asarray(each, np.float32) for each in pictures]).transpose(0, 3, 1, 2) - 127) / 128)


def swap(first: Any, second: Any) -> None:
    """Exchange all that two norms know."""
    for name in LEAVES:
        one, other = getattr(first, name), getattr(second, name)
        kept = one.data().copy()
        one.set_data(other.data())
        other.set_data(kept)


def main() -> None:
    """Print the largest gap of each case."""
    print(f"warned of above {MOST}")
    photos, digits = load_sample_images().images, load_digits().images[:32] * 255 / 16
    for side in (64, 128, 224):
        base = efficientnet_lite.build("efficientnet_lite0", Size.square(side))
        efficientnet_lite.load_packaged("efficientnet_lite0", base)
        for name, images in (("photos", photos), ("digits", digits)):
            print(f"{side}px, {name}: {max(norm_gaps(base, inputs(images, side)).values()):.2f}")
        by_shape: dict[Any, list[Any]] = {}
        for _, norm in norms(base):
            by_shape.setdefault(norm.gamma.shape, []).append(norm)
        gaps = []
        for first, second in (pair for alike in by_shape.values() for pair in pairwise(alike)):
            swap(first, second)
            gaps.append(max(norm_gaps(base, inputs(photos, side)).values()))
            swap(first, second)
        print(f"{side}px, photos, {len(gaps)} swaps: {min(gaps):.2f} to {max(gaps):.2f}", flush=True)


if __name__ == "__main__":
    main()
