"""Scenes that are made: scikit-learn's digits 0 to 3 on pieces of its two photos, with boxes that are exact.

They are the same on every machine, and so small that a detector learns them in a minute.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.data import problems
from runtime.data.boxes import Boxes
from runtime.data.images import open_rgb
from runtime.data.listing import Listing, Pixels, Sample
from runtime.data.masks import Mask
from runtime.data.painted import Painted
from runtime.data.sources.files import existing
from runtime.data.sources.packaged import digits
from runtime.plan.size import Size
from runtime.system.installation import install_command
from runtime.system.random import generator

SIDE = 128
COUNTS = {"train": 320, "test": 80}
_FIRST_TEST = 1400  # digits from here on are shown in test scenes alone
_NAMES = tuple("0123")
_INK = 0.35
_CONTRAST = 100


def scenes(part: str, with_masks: bool = False) -> Listing:
    """List the scenes of a part: 128 x 128 pixels, one to four digits of 24 to 56 pixels, which hardly overlap.

    Masks show the ink of each digit as its class, and all else as `background`.
    """
    glyphs, photos = digits(), _photos()
    parted = glyphs.samples[:_FIRST_TEST] if part == "train" else glyphs.samples[_FIRST_TEST:]
    chosen = tuple(sample for sample in parted if sample.target < len(_NAMES))
    rows = [_scene(chosen, photos, generator(0, "scenes", part, number)) for number in range(COUNTS[part])]
    ids = [f"{part}/{number:04d}" for number in range(len(rows))]
    if with_masks:
        names = ("background", *_NAMES)
        painted = [Painted(name, Size(SIDE, SIDE), pixels=mask) for name, (_, _, mask) in zip(ids, rows, strict=True)]
        targets: list[Any] = [Mask(each, tuple(range(len(names))), None) for each in painted]
        return Listing(tuple(map(Sample, ids, targets, [pixels for pixels, _, _ in rows])), names)
    return Listing(
        tuple(Sample(name, boxes, pixels) for name, (pixels, boxes, _) in zip(ids, rows, strict=True)), _NAMES
    )


def _photos() -> list[Pixels]:
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise RecipeError(problems.NotInstalled(what="scenes", package="scikit-learn", command=install_command()))
    folder = existing(Path(spec.origin).parent / "datasets" / "images", "folder")
    return [np.asarray(open_rgb(folder / name)) for name in ("china.jpg", "flower.jpg")]


def _scene(glyphs: tuple[Sample, ...], photos: list[Pixels], rng: np.random.Generator) -> tuple[Pixels, Boxes, Pixels]:
    photo = photos[int(rng.integers(len(photos)))]
    top, left = (int(rng.integers(side - SIDE + 1)) for side in photo.shape[:2])
    scene = photo[top : top + SIDE, left : left + SIDE].astype(np.float64)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    corners, labels = [], []
    for _ in range(int(rng.integers(1, 5))):
        sample = glyphs[int(rng.integers(len(glyphs)))]
        side = int(rng.integers(24, 57))
        ink = (
            np.asarray(Image.fromarray(np.asarray(sample.image)).resize((side, side), Image.Resampling.BICUBIC)) / 255.0
        )
        y, x = (int(rng.integers(SIDE - side + 1)) for _ in range(2))
        place = (slice(y, y + side), slice(x, x + side))
        color = _seen(rng, scene[place].mean(axis=(0, 1)))
        shown = ink > _INK
        if mask[place][shown].any():
            continue
        scene[place] += ink[..., None] * (color - scene[place])
        mask[place][shown] = 1 + sample.target
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        corners.append((x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1))
        labels.append(sample.target)
    return np.round(scene).astype(np.uint8), Boxes.of(corners, labels, frame=Size(SIDE, SIDE)), mask


def _seen(rng: np.random.Generator, ground: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Return a colour that is seen before a ground."""
    while True:
        color = rng.uniform(0, 255, 3)
        if np.abs(color - ground).max() >= _CONTRAST:
            return color
