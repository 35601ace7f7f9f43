"""Draws masks over their images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from recipe_lang.words import printable
from runtime.data.images import ImageError
from runtime.data.listing import Pixels
from runtime.data.masks import Mask
from runtime.plan.size import Size
from runtime.tasks.captions import caption
from runtime.tasks.segmentation.network import Prediction
from runtime.tasks.segmentation.palette import palette

_STRENGTH = 0.45  # of the colours over the picture


def overlay(picture: Image.Image, prediction: Prediction) -> None:
    """Lay the colours of the classes over a picture, the first class's left out, and say which they are."""
    if prediction.classes is None:
        return
    classes = prediction.at((picture.height, picture.width)) if prediction.whole else prediction.classes
    _lay(picture, classes, len(prediction.names))
    tones = dict(zip(prediction.names, palette(len(prediction.names)), strict=True))
    shares = prediction.shares()
    caption(picture, [f"{printable(name)} {share:.1%}" for name, share in shares], [tones[name] for name, _ in shares])


def lay_over(picture: Image.Image, target: Mask | Pixels, count: int, size: Size) -> None:
    """Lay a mask over a picture of its image, whose upright size is `size`; one that cannot be read is not drawn.

    It is a file, or class positions as they are after transforms.
    """
    if isinstance(target, Mask):
        try:
            target = target.read(size)
        except ImageError:
            return
    _lay(picture, target, count)


def _lay(picture: Image.Image, classes: Pixels, count: int) -> None:
    mask = Image.fromarray(classes).resize(picture.size, Image.Resampling.NEAREST)
    mask = mask.point([min(value, count) for value in range(256)])  # what counts for nothing gets a colour of its own
    colors = np.array(palette(count + 1), np.uint8)[np.asarray(mask)]
    shown = Image.blend(picture.convert("RGB"), Image.fromarray(colors), _STRENGTH)
    where = mask.point([0, *[255] * 255])
    picture.paste(shown, (0, 0), where)
    edges = mask.filter(ImageFilter.FIND_EDGES).point([0, *[255] * 255])
    picture.paste((255, 255, 255), (0, 0), edges)
