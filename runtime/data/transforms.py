"""What is done to an image before it reaches the network: geometry and colour, on 8-bit RGB.

Each public function takes the arguments that a recipe gives and returns a `Transform`: in go an RGB Pillow
image and a NumPy generator, out comes an RGB Pillow image. The result depends on these two alone.
Definitions are those of torchvision's Pillow back end (`torchvision.transforms.v2`) unless a docstring says
otherwise.

All resizing is Pillow's bicubic, which averages over all pixels that it shrinks into one (antialiasing); fine
structures survive where OpenCV's plain bilinear, as GluonCV uses it, loses them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Transform: TypeAlias = Callable[[Image.Image, np.random.Generator], Image.Image]

_FILTER = Image.Resampling.BICUBIC


def compose(transforms: Sequence[Transform]) -> Transform:
    """Apply transforms one after the other, all drawing from the same generator."""

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for transform in transforms:
            image = transform(image, rng)
        return image

    return apply


def resize(size: int) -> Transform:
    """Make the shorter side `size` pixels and keep the proportions (the longer side is rounded down)."""
    return lambda image, rng: _resized(image, size)


def center_crop(size: int) -> Transform:
    """Cut the central square of `size` pixels.

    An image with a side shorter than that is enlarged first, until its shorter side fits (torchvision would
    pad it with black, which no photo of training has).
    """

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        image = _at_least(image, size)
        left, top = round((image.width - size) / 2), round((image.height - size) / 2)
        return image.crop((left, top, left + size, top + size))

    return apply


def random_crop(size: int, padding: int = 0) -> Transform:
    """Cut a square of `size` pixels at a random place, after adding `padding` black pixels on each side.

    An image that is still too small is enlarged as in `center_crop`.
    """

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        image = _at_least(ImageOps.expand(image, padding) if padding else image, size)
        left = int(rng.integers(image.width - size + 1))
        top = int(rng.integers(image.height - size + 1))
        return image.crop((left, top, left + size, top + size))

    return apply


def random_resized_crop(
    size: int, scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)
) -> Transform:
    """Cut a random part and make it a square of `size` pixels (the Inception crop, Szegedy et al. 2014).

    The part's area is uniform in `scale` (a fraction of the image), its width over height log-uniform in
    `ratio`. After ten draws that do not fit, the largest central part within `ratio` is cut.
    """

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        box = _random_box(image.width, image.height, scale, ratio, rng)
        return image.crop(box).resize((size, size), _FILTER)

    return apply


def _random_box(
    width: int,
    height: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[int, int, int, int]:
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    # A very long image: as much of it as the ratio allows.
    w = max(1, min(width, round(height * ratio[1])))
    h = max(1, min(height, round(width / ratio[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def flip(direction: Literal["horizontal", "vertical"]) -> Transform:
    """Mirror every other image, at random: left to right, or top to bottom."""
    mirror = {
        "horizontal": Image.Transpose.FLIP_LEFT_RIGHT,
        "vertical": Image.Transpose.FLIP_TOP_BOTTOM,
    }[direction]
    return lambda image, rng: image.transpose(mirror) if rng.random() < 0.5 else image


def color_jitter(
    brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
) -> Transform:
    """Change brightness, contrast, saturation and hue at random, in random order.

    Each of the first three is a strength x >= 0: the factor is uniform in [max(0, 1 - x), 1 + x], 1 changes
    nothing. `hue` is in 0 .. 0.5: the shift is uniform in [-hue, hue] of the colour circle.
    """
    steps: list[Transform] = [
        _enhanced(kind, strength)
        for kind, strength in (
            (ImageEnhance.Brightness, brightness),
            (ImageEnhance.Contrast, contrast),
            (ImageEnhance.Color, saturation),
        )
        if strength
    ]
    if hue:
        steps.append(lambda image, rng: _hue_shifted(image, rng.uniform(-hue, hue)))

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for step in rng.permutation(len(steps)):
            image = steps[step](image, rng)
        return image

    return apply


def _enhanced(
    kind: Callable[[Image.Image], ImageEnhance.Brightness | ImageEnhance.Contrast | ImageEnhance.Color],
    strength: float,
) -> Transform:
    low, high = max(0.0, 1 - strength), 1 + strength
    return lambda image, rng: kind(image).enhance(rng.uniform(low, high))


def _hue_shifted(image: Image.Image, shift: float) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turn = round(shift * 255)
    turned = hue.point([(level + turn) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


# Standard deviations and directions of the colours of ImageNet's training images on the scale 0 .. 255, as
# published with fb.resnet.torch and used by MXNet's RandomLighting.
_COLOUR_VALUES = np.array([55.46, 4.794, 1.148])
_COLOUR_VECTORS = np.array(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ]
)


def lighting(alpha_std: float = 0.1) -> Transform:
    """Add one colour to all pixels, along the principal components of ImageNet's colours (AlexNet's noise).

    The three weights are normal with standard deviation `alpha_std` (Krizhevsky et al. 2012, section 4.1).
    """

    def apply(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        offset = (_COLOUR_VECTORS * _COLOUR_VALUES * rng.normal(0.0, alpha_std, 3)).sum(axis=1)
        table = np.clip(np.round(np.arange(256) + offset[:, None]), 0, 255)
        return image.point(table.astype(int).ravel().tolist())

    return apply


def _resized(image: Image.Image, size: int) -> Image.Image:
    short = min(image.size)
    if short == size:
        return image
    width, height = (max(size, size * side // short) for side in image.size)
    return image.resize((width, height), _FILTER)


def _at_least(image: Image.Image, size: int) -> Image.Image:
    return image if min(image.size) >= size else _resized(image, size)
