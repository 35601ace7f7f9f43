"""What each image is, as a hash of its content: the bytes of its file, or its pixels where it is an array.

In go samples; out come SHA-256 digests of 32 bytes in their order. Those of files are kept on the disk by the state of
the file (`runtime/data/fingerprints.py`), so that a large set is read once. A file whose state does not tell whether it
was written to again, as one changed a moment ago, is read each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from runtime.data.fingerprints import origin_of
from runtime.data.images import ImageError, pixels_of
from runtime.data.listing import Embedded, ImageRef, Listing, Pixels, Sample, Tile
from runtime.system.cache.disk import FeatureCache
from runtime.system.prefetch import in_order

_PIECE = 2**20
_KEPT_TOGETHER = 256


Hashes = Mapping[str, Sequence[bytes | None]]  # of the samples of each set


def set_hashes(
    listings: Mapping[str, Listing],
    threads: int,
    cache: FeatureCache | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Hashes:
    """Return the hashes of all sets, as `content_hashes` gives them."""
    samples = [sample for listing in listings.values() for sample in listing.samples]
    rest = iter(content_hashes(samples, threads, cache, progress, stopped))
    return {name: list(islice(rest, len(listing.samples))) for name, listing in listings.items()}


def content_hashes(
    samples: Sequence[Sample],
    threads: int,
    cache: FeatureCache | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[bytes | None]:
    """Return the hash of each sample's content; None for a file that cannot be read, or was not when it was stopped.

    `progress` is called with (done, total) from the calling thread; `stopped` is asked after each file that is read.
    """
    about = {"base": "hashes of image files"}
    table = cache.open({"of": "content hashes"}, about, hashlib.sha256().digest_size, len(samples)) if cache else None
    # From before any file is opened: whatever is written meanwhile gives a file another origin.
    origins = [_origin(sample.image) if table else None for sample in samples]
    hashes = [table.load(origin) if table and origin else None for origin in origins]
    unknown = [index for index, known in enumerate(hashes) if known is None]
    progress(len(samples) - len(unknown), len(samples))
    found = in_order(content_hash, (samples[index].image for index in unknown), threads, 8 * threads)
    new: list[tuple[tuple[bytes], bytes]] = []
    try:
        for done, (index, content) in enumerate(zip(unknown, found, strict=True), start=1):
            hashes[index], origin = content, origins[index]
            if table and content and origin:
                new.append(((origin,), content))
            if table and len(new) == _KEPT_TOGETHER:
                table.add(new)
                new = []
            progress(len(samples) - len(unknown) + done, len(samples))
            if stopped():
                break
    finally:
        found.close()
        if table:
            table.add(new)
            table.close()
    return hashes


def content_hash(image: ImageRef) -> bytes | None:
    """Return the SHA-256 of a file's bytes (None where it cannot be read), or of an array's type, shape and bytes."""
    if isinstance(image, Tile):
        return content_hash(image.whole.image)
    try:
        if (pixels := pixels_of(image)) is not None:
            return _of_array(pixels)
    except ImageError:
        return None
    assert not isinstance(image, np.ndarray)
    state = hashlib.sha256()
    try:
        if isinstance(image, Embedded):
            return hashlib.sha256(image.read()).digest()
        with open(image, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                state.update(piece)
    except OSError:
        return None
    return state.digest()


def _of_array(pixels: Pixels) -> bytes:
    state = hashlib.sha256(f"{pixels.dtype} {pixels.shape}\n".encode())
    state.update(np.ascontiguousarray(pixels).tobytes())
    return state.digest()


def _origin(image: ImageRef) -> bytes | None:
    """Return what a file is known by; None for an array, whose hash is had as fast."""
    return origin_of(image) if isinstance(image, Path | Embedded) else None
