"""One look at each image: whether it can be read, what its file says of it, and how it looks when it is small.

In go samples; out come a `Thumbnail` for each, from one decoding at a reduced size where the format allows it (JPEG).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from runtime.data.images import USUAL, ImageError, Reading, Traits, open_small
from runtime.data.listing import ImageRef, Pixels, Sample
from runtime.plan.size import Size
from runtime.system.prefetch import in_order

SIDE = 32  # of the small picture that is compared; the brightness of an image, squeezed into a square
_COLOURS = 4  # side of the grid of mean colours


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """What an image is. `fault` is why it cannot be read; all else is then empty.

    `size` is that of the stored image, `upright` that of the upright one; `mode` is Pillow's name of the kind of
    pixels; `turned` says that EXIF turns it; `several` that the file holds more pictures; `traits` are what a recipe
    may choose about. `grey` is uint8 (SIDE, SIDE), `colour` uint8 (4, 4, 3); `spread` is the standard deviation
    of the brightness of the small picture, from 0 to 127.
    """

    fault: str = ""
    size: Size = Size(0, 0)
    mode: str = ""
    turned: bool = False
    several: bool = False
    traits: Traits = Traits()
    spread: float = 0.0
    grey: Pixels | None = None
    colour: Pixels | None = None
    upright: Size = Size(0, 0)


def thumbnail_of(image: ImageRef, reading: Reading = USUAL) -> Thumbnail:
    """Read one image and look at it."""
    try:
        small, facts = open_small(image, 2 * SIDE, reading)
    except ImageError as fault:
        return Thumbnail(fault=str(fault))
    # A box would take whole pixels only, so that pictures of other sizes, as a JPEG half decoded, would not fit.
    grey = np.asarray(small.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    colour = np.asarray(small.convert("RGB").resize((_COLOURS, _COLOURS), Image.Resampling.BOX))
    lies = facts.turned and (small.width > small.height) != (facts.size.width > facts.size.height)
    upright = Size(facts.size.width, facts.size.height) if lies else facts.size
    told = (facts.size, facts.mode, facts.turned, facts.several, facts.traits)
    return Thumbnail("", *told, float(grey.std()), grey, colour, upright)


def thumbnails(
    samples: Sequence[Sample],
    threads: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    reading: Reading = USUAL,
) -> Iterator[Thumbnail]:
    """Yield the look of each sample, in order; `progress` is called with (done, total) from the calling thread."""
    found = in_order(partial(thumbnail_of, reading=reading), (sample.image for sample in samples), threads, 8 * threads)
    try:
        for done, look in enumerate(found, start=1):
            progress(done, len(samples))
            yield look
    finally:
        found.close()
