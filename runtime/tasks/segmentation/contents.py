"""How much of each mask each class takes: read once, and known from then on by the state of the file.

What is known is a table of the cache (`runtime/system/cache/disk.py`): a row for each mask.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from runtime.data.images import ImageError
from runtime.data.listing import Listing
from runtime.data.masks import IGNORED, Mask
from runtime.system.cache.disk import user_cache
from runtime.system.prefetch import in_order

Shares = npt.NDArray[np.float32]


def contents(listing: Listing) -> Shares:
    """Return the fraction of the pixels of each class in each mask, float32 (samples, classes).

    Pixels that count for nothing belong to no class. What cannot be read has NaN.
    """
    count = len(listing.names)
    masks = [sample.target for sample in listing.samples]
    found = np.full((len(masks), count), np.nan, np.float32)
    keys = [_key(mask) for mask in masks]
    cache = user_cache() if any(keys) else None
    about = {"base": "classes of masks"}
    table = cache.open({"of": "shares of masks", "classes": count}, about, 4 * count, len(masks)) if cache else None
    try:
        rows = [None if table is None or key is None else table.load(key) for key in keys]
        unknown = [place for place, row in enumerate(rows) if row is None]
        for place, row in enumerate(rows):
            if row is not None:
                found[place] = np.frombuffer(row, np.float32)
        threads = min(8, os.cpu_count() or 1)
        read = in_order(lambda place: _shares(masks[place], count), unknown, threads, 8 * threads)
        for place, shares in zip(unknown, read, strict=True):
            found[place] = shares
        if table is not None:
            sound = [place for place in unknown if not np.isnan(found[place]).any()]
            table.add([((key,), found[place].tobytes()) for place in sound if (key := keys[place]) is not None])
    finally:
        if table is not None:
            table.close()
    return found


def shown(listing: Listing) -> dict[str, tuple[int, ...]]:
    """Return for each image, by its id, the positions of the classes that its mask shows."""
    rows = contents(listing)
    return {
        sample.id: tuple(np.flatnonzero(row > 0).tolist()) for sample, row in zip(listing.samples, rows, strict=True)
    }


def _key(mask: Mask) -> bytes | None:
    origin = mask.origin
    return None if origin is None else blake2b(origin, digest_size=16, person=b"mask shares").digest()


def _shares(mask: Mask, count: int) -> Sequence[float] | Shares:
    try:
        classes = mask.stored()
    except ImageError:
        return [np.nan] * count
    shares: Shares = (np.bincount(classes.ravel(), minlength=IGNORED + 1)[:count] / classes.size).astype(np.float32)
    return shares
