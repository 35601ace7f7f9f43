"""Images as people really have them: turned by EXIF, grey, of palettes, CMYK, transparent, deep, tiny, oblong."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Pixels = np.ndarray[Any, Any]
Made = tuple[str, bytes]


def photos(count: int, side: int) -> Pixels:
    """Return squares cut out of scikit-learn's two sample photos: uint8 (count, side, side, 3)."""
    from sklearn.datasets import load_sample_images

    whole = [Image.fromarray(each) for each in load_sample_images().images]
    rng = np.random.default_rng(0)
    cut = []
    for number in range(count):
        photo = whole[number % 2]
        edge = int(rng.integers(100, 400))
        left, top = (int(rng.integers(0, length - edge)) for length in photo.size)
        cut.append(np.asarray(photo.resize((side, side), box=(left, top, left + edge, top + edge))))
    return np.stack(cut)


def odd_images(folder: Path, count: int) -> list[Path]:
    """Write so many odd images, and return their paths; each kind comes again, of another photo."""
    makers = list(_odd())
    paths = []
    for number, pixels in enumerate(photos(count, 400)):
        ending, content = makers[number % len(makers)](pixels)
        paths.append(folder / f"{number:02}{ending}")
        paths[-1].write_bytes(content)
    return paths


def _saved(ending: str, form: str, change: Callable[[Pixels], Image.Image], **options: Any) -> Callable[[Pixels], Made]:
    def made(pixels: Pixels) -> Made:
        out = io.BytesIO()
        change(pixels).save(out, form, **options)
        return ending, out.getvalue()

    return made


def _odd() -> Iterator[Callable[[Pixels], Made]]:
    for orientation in (3, 6, 8, 5):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield _saved(".jpg", "JPEG", lambda pixels: Image.fromarray(pixels[:300]), exif=exif)
    for mode, ending, form in (
        *(("L", ".png", "PNG"), ("P", ".gif", "GIF"), ("CMYK", ".jpg", "JPEG"), ("1", ".png", "PNG")),
        ("LA", ".png", "PNG"),
    ):
        yield _saved(ending, form, partial(_as_mode, mode))
    yield _saved(".png", "PNG", lambda pixels: Image.fromarray(pixels).quantize(17), transparency=0)
    yield _saved(".png", "PNG", _faded)
    yield _saved(".tif", "TIFF", lambda pixels: Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257))
    yield _saved(".bmp", "BMP", lambda pixels: Image.fromarray(np.tile(pixels, (5, 7, 1))))
    for height, width in ((5, 3), (1, 1), (30, 400), (400, 7), (400, 90)):
        yield _saved(".png", "PNG", partial(_part, height, width))


def _as_mode(mode: str, pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).convert(mode)


def _part(height: int, width: int, pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:height, :width])


def _faded(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image
