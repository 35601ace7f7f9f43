"""Tiles: large images as parts of one size, each of which is a sample of its own.

In go samples and a `TilePlan`; out come samples with a `Tile` in place of the image, those of an image together, row by
row. Tiles reach the borders and lie evenly, so that neighbours share what was asked for or a little more. An image that
is no larger than a tile is one tile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.data.images import ImageError, upright_size
from runtime.data.listing import ImageRef, Listing, Sample, Tile
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import Change, Crop, moved
from runtime.plan.size import Size
from runtime.plan.types import Component, TilePlan


@dataclass(frozen=True, slots=True)
class TileTarget:
    """The target of a tile: what is inside of it of the target of the whole image, which has a place in it."""

    tile: Tile

    def moved(self, size: Size, changes: Sequence[Change]) -> Any:  # noqa: ARG002
        """Return it after changes of the tile; `size` is that of the tile."""
        return self.tile.whole.target.moved(self.tile.of, (crop_of(self.tile), *changes))


def crop_of(tile: Tile) -> Crop:
    """Return the change that makes a tile of its image."""
    return Crop(tile.left, tile.top, tile.size)


def tiled(samples: Sequence[Sample], tiles: TilePlan | None) -> Sequence[Sample]:
    """Return a sample for each tile of each image; the samples themselves where there are no tiles.

    An image whose size cannot be read stays as it is: what reads it says why.
    """
    if tiles is None:
        return samples
    return tuple(part for sample in samples for part in _parts(sample, tiles))


def _parts(sample: Sample, tiles: TilePlan) -> Iterator[Sample]:
    try:
        size = _size(sample.image)
    except ImageError:
        yield sample
        return
    for tile in tiles_of(sample, size, tiles):
        yield Sample(f"{sample.id}@{tile.left},{tile.top}", TileTarget(tile), tile)


def tiles_of(whole: Sample, size: Size, tiles: TilePlan) -> list[Tile]:
    """Return the tiles of an image of a size, upright."""
    part = Size(min(size.height, tiles.side), min(size.width, tiles.side))
    return [
        Tile(whole, size, left, top, part)
        for top in _starts(size.height, part.height, tiles.overlap)
        for left in _starts(size.width, part.width, tiles.overlap)
    ]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    count = ceil((length - side) / (side * (1 - overlap))) + 1
    return [round(number * (length - side) / max(1, count - 1)) for number in range(count)]


def tiled_sets(sets: Mapping[str, Listing], tiles: TilePlan | None) -> dict[str, Listing]:
    """Return the sets with tiles in the place of images, where these are cut."""
    return {name: replace(listing, samples=tuple(tiled(listing.samples, tiles))) for name, listing in sets.items()}


def tile_counts(sets: Mapping[str, Listing], tiles: TilePlan) -> dict[str, int]:
    """Return how many tiles each set has."""
    return {name: len(tiled(listing.samples, tiles)) for name, listing in sets.items()}


def _size(image: ImageRef) -> Size:
    if not isinstance(image, Path):
        return upright_size(image)
    try:
        state = os.stat(image).st_mtime_ns
    except OSError as fault:
        raise ImageError(fault.strerror or str(fault)) from fault
    return _size_of_file(image, state)


@lru_cache(100_000)
def _size_of_file(path: Path, state: int) -> Size:  # noqa: ARG001
    return upright_size(path)


def extent_after(size: Size, steps: Sequence[Component]) -> npt.NDArray[np.float64]:
    """Return where fixed steps put the upper left and the lower right corner of an image of a size, (2, 2)."""
    ends = np.array([[0.0, 0.0], [size.width, size.height]])
    return moved(ends, size, Pipeline(steps).draw(size, np.random.default_rng(0)))[0]
