"""Draws masks over their images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from recipe_lang.words import printable
from runtime.tasks.captions import caption
from runtime.tasks.segmentation.network import Prediction

_STRENGTH = 0.45  # of the colours over the picture


def palette(count: int) -> list[tuple[int, int, int]]:
    """Return the colours of Pascal VOC: black, then dark and light ones that are far apart."""
    colors = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << 7 - bit
        colors.append((channels[0], channels[1], channels[2]))
    return colors


def overlay(picture: Image.Image, prediction: Prediction) -> None:
    """Lay the colours of the classes over a picture, the first class's left out, and say which they are."""
    if prediction.classes is None:
        return
    mask = Image.fromarray(prediction.classes).resize(picture.size, Image.Resampling.NEAREST)
    tones = dict(zip(prediction.names, palette(len(prediction.names)), strict=True))
    colors = np.array([*tones.values()], np.uint8)[np.asarray(mask)]
    shown = Image.blend(picture.convert("RGB"), Image.fromarray(colors), _STRENGTH)
    where = mask.point([0, *[255] * 255])
    picture.paste(shown, (0, 0), where)
    edges = mask.filter(ImageFilter.FIND_EDGES).point([0, *[255] * 255])
    picture.paste((255, 255, 255), (0, 0), edges)
    shares = prediction.shares()
    caption(picture, [f"{printable(name)} {share:.1%}" for name, share in shares], [tones[name] for name, _ in shares])
