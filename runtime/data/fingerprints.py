"""What an image is known by: its pixels, or the state of its file before anybody opens it.

In go an image, the steps that prepare it, and a view of it; out come keys of 16 bytes. Two images with the same key
have the same pixels, so that what was once made of the pixels can be used again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import PIL
from PIL import features

from runtime.data import images
from runtime.data.listing import Embedded, ImageRef, Pixels, Tile
from runtime.data.transforms import catalog, changes, color, geometry, views
from runtime.plan.types import Component

SETTLED_NS = 2 * 10**9  # the coarsest clock of a file system; a file changed since may change again within a tick


def pixels_key(pixels: Pixels) -> bytes:
    """Return the key of uint8 pixels (H, W, 3), by content and shape."""
    return _digest(b"pixels", str(pixels.shape).encode(), np.ascontiguousarray(pixels).tobytes())


def origin_of(image: ImageRef) -> bytes | None:
    """Return what an image's content is known by, without reading a file; None where it cannot be known.

    A file's change time says that nobody has written to it since. No program can set it back, unlike the time of
    modification. A file that was changed a moment ago has no origin yet: the next change could bear the same time.
    """
    if isinstance(image, Tile):
        whole = origin_of(image.whole.image)
        place = repr((image.left, image.top, image.size.plain))
        return None if whole is None else _digest(b"tile", whole, place.encode())
    if isinstance(image, Embedded):
        whole = origin_of(image.file)
        return None if whole is None else _digest(b"part", whole, repr(image.spans).encode())
    if isinstance(image, np.ndarray):
        return _digest(b"array", f"{image.dtype} {image.shape}".encode(), np.ascontiguousarray(image).tobytes())
    try:
        found = os.stat(image)
    except OSError:
        return None
    if time.time_ns() - found.st_ctime_ns < SETTLED_NS:
        return None
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return _digest(b"file", repr(state).encode())


def view_key(origin: bytes, steps: Sequence[Component], view: views.View) -> bytes:
    """Return the key of what steps make of an image of known origin, in one view.

    The view of a fixed version is its seed, so that runs with another seed find none of it.
    """
    described = [(step.name, sorted(step.args.items())) for step in steps]
    return _digest(b"view", origin, reading(), repr((described, view)).encode())


@cache
def reading() -> bytes:
    """Return a digest of what turns a file into pixels: Pillow, its libraries, and our own code."""
    libraries = [features.version(name) for name in ("jpg", "libjpeg_turbo", "zlib", "webp", "jpg_2000", "libtiff")]
    code = [Path(str(module.__file__)).read_bytes() for module in (images, catalog, changes, color, geometry, views)]
    return _digest(b"reading", repr((PIL.__version__, libraries)).encode(), *code)


def _digest(kind: bytes, *parts: bytes) -> bytes:
    state = blake2b(digest_size=16, person=kind)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()
