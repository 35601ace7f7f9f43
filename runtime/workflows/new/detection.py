"""A recipe for boxes of objects: `body(survey, division, folder, size)` gives what stands below its name.

The constants are rules of thumb (`docs/new.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.data import splits
from runtime.data.boxes import FRACTIONS, Boxes, area
from runtime.data.listing import Listing
from runtime.data.tiles import tiled_sets, tiles_of
from runtime.plan.size import Size
from runtime.plan.types import TilePlan
from runtime.tasks.detection.task import DETECTION
from runtime.workflows.new.division import Division
from runtime.workflows.new.lines import Field, block, comment, source_text, unreadable, untested
from runtime.workflows.new.scan import Survey

_SEEN = 24  # pixels of a side, of the network's input, below which objects are found badly
_SIDES = (256, 448)  # px; the smallest input, and the largest that leaves a run at some minutes
_WORK = 3_300  # images of 320 px through what trains: some minutes on two cores
_EPOCHS = (6, 30)
_BATCH = 8
_ENOUGH_FOR_TEST = 150  # images
_ENOUGH_TO_CHOOSE = 50  # validation images, below which chance chooses
_TOO_SMALL = 16  # pixels of a side, of the largest input, below which large images are cut
_MOST_PARTS = 5  # tiles along a side
_OVERLAPS = (0.1, 0.5)


@dataclass(frozen=True, slots=True)
class _Choices:
    """The side of the network's input, what it shows of the small objects, and how images are cut, if they are."""

    side: int
    seen: float
    tiles: TilePlan | None = None
    per_image: int = 1
    uncut: float = 0.0  # pixels of the small objects, if images were not cut


def body(survey: Survey, division: Division, folder: Path, size: int | None) -> Iterator[str]:
    """Yield the lines of a recipe below its name.

    Raises:
        RecipeError: the images cannot be split.
    """
    train, sets = survey.train, division.sets
    chosen = _chosen(train, survey.sampled.sizes, size)
    side, training = chosen.side, division.training * chosen.per_image
    batch = _BATCH if training >= 8 * _BATCH else max(1, training // 8)
    if problems := [*DETECTION.problems(sets), *splits.too_small(tiled_sets(sets, chosen.tiles), batch)]:
        raise RecipeError(problems)
    few, many = _EPOCHS
    epochs = max(few, min(many, round(_WORK * (320 / side) ** 2 / training)))
    source = source_text(survey.sets["train"], folder)
    chooses = len(sets["valid"].samples) >= _ENOUGH_TO_CHOOSE
    fields = [
        Field("train", source, f"{len(train.samples):,} images, {DETECTION.suggest(train).summary}."),
        *_others(survey, division, folder),
        Field("size", f"{side}px", f"Half the objects of the class with the smallest have {chosen.seen:.0f}px then."),
        *_cut(chosen),
        Field("augment", "[flip(horizontal)]", "Leave it out where a mirror image is something else."),
        Field("features", "half", "Features of frozen parts take half the space."),
        Field("batch", str(batch)),
        *unreadable(survey.sampled),
    ]
    yield from block("data", fields)
    yield ""
    yield "# ImageNet weights that come as a Python package: no download."
    yield 'base = packaged("efficientnet_lite0")'
    yield "head = [anchor_free]"
    yield ""
    what = "images" if chosen.tiles is None else "tiles"
    yield from comment(f"The head and the top of the base together, {epochs} times {training:,} {what}.")
    few_images = division.training < DETECTION.few_images
    first, opened = ("base.block7",) * 2 if few_images else ("base.block6", "base.block6 .. base.block7")
    stage = (
        Field("train", f"{first} .. head"),
        Field("for", f"{epochs} epochs"),
        Field("optimizer", "adam(lr = 2e-3)"),
        Field("schedule", "cosine(warmup = 10%)"),
        Field("lr_scale", f"{{ {opened} = 0.2 }}"),
        Field("norm", "frozen"),
        Field("monitor", "valid.ap") if chooses else Field("keep", "last"),
    )
    yield from block('stage "all"', stage)
    yield ""
    yield "# After the first run, claim a little less than it reached; later runs are tested against it:"
    yield f"# expect {{ {'test' if 'test' in sets else 'valid'}.ap50 >= … }}"


def shares(survey: Survey) -> dict[str, float]:
    """Return what is held out of `train`: a validation set where there is none, a test set where images allow it."""
    tests = "test" in survey.sets or len(survey.train.samples) >= _ENOUGH_FOR_TEST
    return {name: 0.15 for name in ("valid", "test")[: 1 + tests] if name not in survey.sets}


def _others(survey: Survey, division: Division, folder: Path) -> Iterator[Field]:
    sets = division.sets
    for name in ("valid", "test"):
        if name in sets:
            share, reason = division.shares.get(name), f"{len(sets[name].samples):,} images"
            value = source_text(survey.sets[name], folder) if share is None else f"holdout({share:.0%})"
            if share is not None:
                reason += f", {DETECTION.suggest(survey.train).held}"
            if name == "valid" and len(sets[name].samples) < _ENOUGH_TO_CHOOSE:
                reason += ": too few to choose an epoch by, so the last is kept"
            if name == "valid" and "test" not in sets:
                reason += f". {untested(len(survey.train.samples), _ENOUGH_FOR_TEST)}"
            yield Field(name, value, f"{reason}.")


def _cut(chosen: _Choices) -> Iterator[Field]:
    """Yield the line that cuts large images, where there is one."""
    if chosen.tiles is not None:
        reason = (
            f"Images are cut, about {chosen.per_image} tiles each: those objects would have {chosen.uncut:.0f}px in one"
            " piece. Nearly all objects fit into what neighbours share."
        )
        yield Field("tiles", f"tiles({chosen.tiles.side}px, overlap = {chosen.tiles.overlap:.0%})", reason)


def _chosen(train: Listing, sizes: tuple[Size, ...], side: int | None) -> _Choices:
    """Choose the size by the small objects; where even the largest shows too little of them, cut large images."""
    usual = sqrt(float(np.median([size.pixels for size in sizes])))
    shares = np.sqrt(np.concatenate([_shares(sample.target, usual**2) for sample in train.samples]))
    small = _small_side(train, shares)
    shown = side or _side(small)
    whole = _Choices(shown, small * shown)
    tile = _rounded(max(small * usual * shown / _SEEN, usual / _MOST_PARTS))
    if whole.seen >= _TOO_SMALL or tile > 0.75 * usual:
        return whole
    few, many = _OVERLAPS
    overlap = min(many, max(few, ceil(20 * float(np.quantile(shares, 0.95)) * usual / tile) / 20))
    tiles = TilePlan(tile, overlap)
    parts = [len(tiles_of(train.samples[0], size, tiles)) for size in sizes]
    return _Choices(shown, small * usual * shown / tile, tiles, round(float(np.mean(parts))), whole.seen)


def _rounded(side: float) -> int:
    """Return a side in steps of 32 px."""
    return max(1, round(side / 32)) * 32


def _side(small: float) -> int:
    least, most = _SIDES
    return min(most, max(least, _rounded(_SEEN / small)))


def _small_side(train: Listing, shares: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the side that half of the objects have of the class with the smallest.

    `shares` are the sides of all objects, as fractions of their image's.
    """
    labels = np.concatenate([sample.target.classes for sample in train.samples])
    medians = [float(np.median(shares[labels == label])) for label in np.unique(labels)]
    return max(0.002, min(medians))


def _shares(boxes: Boxes, usual: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the areas of objects as fractions of their image."""
    whole = usual if boxes.frame is None else 1.0 if boxes.frame == FRACTIONS else boxes.frame.pixels
    return area(boxes.corners) / whole
