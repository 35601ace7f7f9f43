"""A recipe for masks: `body(survey, division, folder, size)` gives what stands below its name.

The constants are rules of thumb (`docs/new.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.data import splits
from runtime.data.images import ImageError
from runtime.data.listing import Listing
from runtime.data.masks import IGNORED
from runtime.data.tiles import tiled_sets, tiles_of
from runtime.plan.size import Size
from runtime.plan.types import TilePlan
from runtime.tasks.segmentation.network import best_classes
from runtime.tasks.segmentation.task import SEGMENTATION
from runtime.workflows.new.division import Division
from runtime.workflows.new.lines import Field, block, comment, source_text, unreadable, untested
from runtime.workflows.new.scan import Survey

_STEP = 32  # px; the base halves its input five times
_USUAL = 256**2  # pixels of the network's image; half of its time goes there at strides of 8
_FINE = 512**2  # the same where masks are fine
_FINEST = {8: 64, 4: 32, 2: 24}  # channels of the pyramid at each stride that it may end at
_FITS = 0.93  # mean IoU that masks have with themselves at a stride, from which on it is fine enough
_LOOKED = 30  # masks
_WORK = 9_000  # images of 256 px at stride 8 through the head
_TOP_WORK = 1_500  # the same through the upper half of the base as well
_COSTS = {8: 1.0, 4: 2.0, 2: 4.0}  # of an image's pixel through the head, by stride
_EPOCHS, _TOP_EPOCHS = (10, 24), (4, 8)
_BATCH = 8
_TILE = 512  # px
_LARGE = 4  # times the largest piece, from which many pixels on images are cut
_ENOUGH_FOR_TEST = 150  # images


@dataclass(frozen=True, slots=True)
class _Choices:
    """The size of the network's image, the stride of its scores, and why; and how large images are cut, if they are."""

    size: Size
    stride: int
    fits: float
    tiles: TilePlan | None = None
    per_image: int = 1


def body(survey: Survey, division: Division, folder: Path, size: int | None) -> Iterator[str]:
    """Yield the lines of a recipe below its name.

    Raises:
        RecipeError: the images cannot be split.
    """
    train, sets = survey.train, division.sets
    chosen = _chosen(survey, size)
    training = division.training * chosen.per_image
    what = "images" if chosen.tiles is None else "tiles"
    batch = _batch(training)
    if problems := splits.too_small(tiled_sets(sets, chosen.tiles), batch):
        raise RecipeError(problems)
    work = chosen.size.pixels / _USUAL * training
    source = source_text(survey.sets["train"], folder)
    fields = [
        Field("train", source, f"{len(train.samples):,} images, {SEGMENTATION.suggest(train).summary}."),
        *_others(survey, division, folder),
        Field("size", chosen.size.written, _why_size(survey, chosen.size)),
        *_cut(chosen),
        Field("augment", _augment(survey), "Leave out what makes another thing of an image."),
        Field("features", "half", "Features of frozen parts take half the space."),
        Field("batch", str(batch)),
        *unreadable(survey.sampled),
    ]
    yield from block("data", fields)
    yield ""
    yield "# ImageNet weights that come as a Python package: no download."
    yield 'base = packaged("efficientnet_lite0")'
    side = chosen.stride
    yield from comment(
        f"Masks in cells of {side} x {side} pixels have an IoU of {chosen.fits:.2f} with those as they are."
    )
    yield f"head = [fpn(channels = {_FINEST[chosen.stride]}, finest = stride{chosen.stride})]"
    yield "# Rare classes and small areas count more than their pixels alone would."
    yield "loss = pixel_cross_entropy(weights = sqrt, dice = 1)"
    yield ""
    epochs = _within(_EPOCHS, _WORK / (work * _COSTS[chosen.stride]))
    yield from comment(f"The new head alone, on a frozen base: {epochs} times {training:,} {what}.")
    fields = [
        Field("train", "head"),
        Field("for", f"{epochs} epochs"),
        Field("optimizer", "adam(lr = 5e-3)"),
        Field("schedule", "cosine(warmup = 10%)"),
        Field("keep", "last"),
    ]
    yield from block('stage "head"', fields)
    yield ""
    yield from _top_stage(division.training, work, chosen.stride)
    yield "# After the first run, claim a little less than it reached; later runs are tested against it:"
    yield f"# expect {{ {'test' if 'test' in sets else 'valid'}.miou >= … }}"


def _top_stage(training: int, work: float, stride: int) -> Iterator[str]:
    if training < SEGMENTATION.few_images or stride < 8:
        few = f"{training} images are too few to train more of it"
        why = few if training < SEGMENTATION.few_images else "with so many cells more of it would train slowly"
        yield from comment(f"The base stays as it is: {why}.")
        yield ""
        return
    epochs = _within(_TOP_EPOCHS, _TOP_WORK / work)
    yield from comment(f"Then the upper half of the base as well, at a lower learning rate: {epochs} times.")
    fields = (
        Field("train", "base.block4 .. head"),
        Field("for", f"{epochs} epochs"),
        Field("optimizer", "adam(lr = 1e-3)"),
        Field("lr_scale", "{ base.block4 .. base.block7 = 0.5 }"),
        Field("norm", "frozen"),
        Field("schedule", "cosine(warmup = 1 epoch)"),
        Field("keep", "last"),
    )
    yield from block('stage "top"', fields)
    yield ""


def _within(bounds: tuple[int, int], value: float) -> int:
    low, high = bounds
    return max(low, min(high, round(value)))


def _batch(training: int) -> int:
    """Return a power of two that leaves eight steps an epoch where it can."""
    return min(_BATCH, 1 << max(0, (training // 8).bit_length() - 1))


def shares(survey: Survey) -> dict[str, float]:
    """Return what is held out of `train`: a validation set where there is none, a test set where images allow it."""
    tests = "test" in survey.sets or len(survey.train.samples) >= _ENOUGH_FOR_TEST
    share = 0.15 if tests else 0.2
    return {name: share for name in ("valid", "test")[: 1 + tests] if name not in survey.sets}


def _others(survey: Survey, division: Division, folder: Path) -> Iterator[Field]:
    sets = division.sets
    for name in ("valid", "test"):
        if name in sets:
            share, reason = division.shares.get(name), f"{len(sets[name].samples):,} images"
            if share is None:
                yield Field(name, source_text(survey.sets[name], folder), f"{reason}.")
            else:
                reason += f", {SEGMENTATION.suggest(survey.train).held}"
                if "test" not in sets:
                    reason += f". {untested(len(survey.train.samples), _ENOUGH_FOR_TEST)}"
                yield Field(name, f"holdout({share:.0%})", f"{reason}.")


def _augment(survey: Survey) -> str:
    """Return flips: in both directions of grey pictures, which microscopes and scanners make, mostly."""
    return "[flip(horizontal), flip(vertical)]" if survey.sampled.grey else "[flip(horizontal)]"


def _chosen(survey: Survey, side: int | None) -> _Choices:
    """Choose the size first; where masks are too fine for it, a larger one and scores of finer cells."""
    found = _Choices(Size(0, 0), 2, 0.0)
    for stride, most in ((8, _USUAL), (4, _FINE), (2, _FINE)):
        size = Size.square(side) if side else _size(survey.sampled.sizes, most)
        fits = _self_iou(survey.train, size, stride)
        found = _Choices(size, stride, fits)
        if fits >= _FITS:
            return found
    return found if side else _in_tiles(survey) or found


def _in_tiles(survey: Survey) -> _Choices | None:
    """Choose tiles for masks that are too fine for one piece, of images with more pixels than it would show."""
    sizes = survey.sampled.sizes
    usual = _size(sizes, max(size.pixels for size in sizes))
    if usual.pixels < _LARGE * _FINE:
        return None
    tiles, size = TilePlan(_TILE, 0.2), Size.square(_TILE)
    per_image = round(float(np.mean([len(tiles_of(survey.train.samples[0], each, tiles)) for each in sizes])))
    tried = (_Choices(size, stride, _self_iou(survey.train, usual, stride), tiles, per_image) for stride in _FINEST)
    return next((each for each in tried if each.fits >= _FITS or each.stride == min(_FINEST)), None)


def _cut(chosen: _Choices) -> Iterator[Field]:
    """Yield the line that cuts large images, where there is one."""
    if chosen.tiles is not None:
        reason = f"Images are cut, about {chosen.per_image} tiles each: in one piece they would lose fine areas."
        yield Field("tiles", f"tiles({chosen.tiles.side}px, overlap = {chosen.tiles.overlap:.0%})", reason)


def _size(sizes: tuple[Size, ...], most: int) -> Size:
    """Return a size in steps of 32 px with the usual proportions, of about so many pixels, or the images' own."""
    aspect = float(np.median([size.width / size.height for size in sizes]))
    pixels = min(most, float(np.median([size.pixels for size in sizes])))
    height = sqrt(pixels / aspect)
    return Size(*(max(2 * _STEP, round(side / _STEP) * _STEP) for side in (height, height * aspect)))


def _why_size(survey: Survey, size: Size) -> str:
    sizes = sorted(survey.sampled.sizes, key=lambda each: each.pixels)
    own = sizes[len(sizes) // 2]
    return f"{'Height and width; half' if size.height != size.width else 'Half'} the images have up to {own} pixels."


def _self_iou(listing: Listing, size: Size, stride: int) -> float:
    """Return the mean IoU of masks with what is left of them in cells of a stride, enlarged again.

    This is what a network can reach whose scores are right in each cell.
    """
    count = len(listing.names)
    cells = Size(size.height // stride, size.width // stride)
    matrix = np.zeros((count, count), np.int64)
    samples = listing.samples[:: -(-len(listing.samples) // _LOOKED)]
    for sample in samples:
        try:
            stored = sample.target.stored()
        except ImageError:  # said where all are read
            continue
        truth = np.asarray(Image.fromarray(stored).resize((size.width, size.height), Image.Resampling.NEAREST))
        middles = truth[stride // 2 :: stride, stride // 2 :: stride][: cells.height, : cells.width]
        best = best_classes((middles == np.arange(count)[:, None, None]).astype(np.float32), size)
        known = truth != IGNORED
        pairs = truth[known].astype(np.int64) * count + best[known]
        matrix += np.bincount(pairs, minlength=count**2).reshape(count, count)
    right = np.diag(matrix)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - right
    return float((right[union > 0] / union[union > 0]).mean()) if union.any() else 1.0
