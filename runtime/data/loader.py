"""Batches of decoded and transformed images, prepared ahead by threads.

In go samples, the order in which to visit them, a transform, and what gives each sample its randomness; out
comes an iterator of `Batch`. Pillow and NumPy let go of Python's lock while they work, so threads suffice.
Order and content are the same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from recipe_lang.problem import InternalError, RecipeError
from runtime.data.decoded import Opening
from runtime.data.images import ImageError, upright_size
from runtime.data.listing import Pixels, Sample
from runtime.data.problems import UnequalSizes, UnreadableImages
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import Change, changed
from runtime.plan.size import Size
from runtime.system.prefetch import in_order
from runtime.system.random import derive_each

# Pillow gives the memory of each image back to the system, which hands it out in fresh pages: a third of the time to
# cut a piece out of a photo. It keeps so many pieces of memory (of 16 MiB at most) for the next image instead.
Image.core.set_blocks_max(4)  # type: ignore[attr-defined]


Collate: TypeAlias = Callable[[Sequence[Any]], "npt.NDArray[Any]"]
"""Makes one array of targets, the first axis of which counts them."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N images of one size: `images` uint8 (N, H, W, 3), RGB; `targets` as `collate` gives them; `ids` of
    the samples, with their `weights`."""

    images: Pixels
    targets: npt.NDArray[Any]
    ids: tuple[str, ...]
    weights: tuple[float, ...]


_ANY = Opening()


def epoch_order(samples: Sequence[Sample], seed: int, stage: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the positions of all samples in the random order of one epoch, int64 of shape (N,).

    Each sample has its own random key, so two samples keep their order when others are added or left out, and
    the order of the listing does not matter. 60,000 samples take about 70 ms.
    """
    keys = derive_each(seed, "order", stage, epoch, ids=(sample.id for sample in samples))
    return np.argsort(keys, kind="stable")


def batches(
    samples: Sequence[Sample],
    order: Sequence[int] | npt.NDArray[np.int64],
    batch_size: int,
    steps: Pipeline,
    sample_rng: Callable[[Sample], np.random.Generator],
    workers: int,
    drop_last: bool,
    collate: Collate,
    open_image: Opening = _ANY,
) -> Generator[Batch, None, None]:
    """Yield the samples in the given order, as batches of `batch_size`.

    `workers` threads prepare up to two batches ahead (0: none, each batch is made when it is asked for).
    `collate` makes one array of the targets of a batch.
    `open_image` gives the RGB image that `steps` change; it may know images already.
    `drop_last` leaves out a last batch that is not full. Closing the iterator ends the threads.

    Raises:
        RecipeError: an image cannot be read, or its size after the transforms differs from the others'.
    """

    def prepare(together: Sequence[Sample]) -> list[tuple[Pixels, Any]]:
        return [prepared_sample(sample, open_image, steps, sample_rng) for sample in together]

    indices = [int(index) for index in order]
    if drop_last:
        indices = indices[: len(indices) - len(indices) % batch_size]
    # A task takes a thread about 30 us to hand over, as long as a kept image takes; several share one.
    share = max(1, batch_size // (4 * workers)) if workers else 1
    pieces = [
        [samples[index] for index in indices[first : min(first + share, start + batch_size)]]
        for start in range(0, len(indices), batch_size)
        for first in range(start, min(start + batch_size, len(indices)), share)
    ]
    prepared = in_order(prepare, pieces, workers, -(-2 * batch_size // share))
    pairs = chain.from_iterable(prepared)
    try:
        for start in range(0, len(indices), batch_size):
            chosen = [samples[index] for index in indices[start : start + batch_size]]
            yield _batch(chosen, islice(pairs, len(chosen)), collate)
    finally:
        prepared.close()


def prepared_sample(
    sample: Sample,
    open_image: Opening,
    steps: Pipeline,
    sample_rng: Callable[[Sample], np.random.Generator],
) -> tuple[Pixels, Any]:
    """Return an image's pixels and its target, both after the same changes.

    Raises:
        RecipeError: it cannot be read.
    """
    try:
        image = open_image(sample.image)
        seen = target_after(sample, open_image.changes) if steps.sees else None
        changes = steps.draw(Size(image.height, image.width), sample_rng(sample), seen)
        target = target_after(sample, lambda size: (*open_image.changes(size), *changes))
        return np.asarray(changed(image, changes)), target
    except ImageError as fault:
        raise RecipeError(UnreadableImages(images=((sample.id, str(fault)),), since=True)) from fault
    except MemoryError as fault:
        raise RecipeError(UnreadableImages(images=((sample.id, "it does not fit into memory"),), since=True)) from fault
    except Exception as fault:
        raise InternalError(f"image `{sample.id}`: {type(fault).__name__}: {fault}") from fault


def target_after(sample: Sample, draw: Callable[[Size], Sequence[Change]]) -> Any:
    """Return a sample's target as it is after the changes that `draw` gives for the size of the image.

    A target with a place in the image has a method `moved`, which takes the size and the changes.
    """
    if not hasattr(sample.target, "moved"):
        return sample.target
    size = upright_size(sample.image)
    return sample.target.moved(size, draw(size))


def _batch(samples: Sequence[Sample], pairs: Iterator[tuple[Pixels, Any]], collate: Collate) -> Batch:
    images: Pixels | None = None
    targets = []
    for index, (sample, (picture, target)) in enumerate(zip(samples, pairs, strict=True)):
        if images is None:
            images = np.empty((len(samples), *picture.shape), np.uint8)
        if picture.shape != images.shape[1:]:
            (height, width, _), (high, wide, _) = picture.shape, images.shape[1:]
            raise RecipeError(UnequalSizes(name=sample.id, size=(width, height), expected=(wide, high)))
        images[index] = picture
        targets.append(target)
    assert images is not None
    ids, weights = zip(*((sample.id, sample.weight) for sample in samples), strict=True)
    return Batch(images, collate(targets), ids, weights)
