"""Changes to an image with all their parameters, and what each does to pixels and to points.

Pixels are an 8-bit Pillow image of mode RGB or L, sizes (height, width). Points are float64 (N, 2), x to the right and
y down in pixels from the upper left corner of the image: the middle of the first pixel is (0.5, 0.5). What has a place
in an image, such as a box, moves as its points do.

All resizing is Pillow's, bicubic unless a recipe says bilinear, and averages over all pixels that it shrinks into one
(antialiasing); fine structures survive where OpenCV's plain bilinear, as GluonCV uses it, loses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from runtime.plan.size import Size

if TYPE_CHECKING:  # a recipe is checked without Pillow and NumPy
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

Interpolation: TypeAlias = Literal["bicubic", "bilinear"]
Enhancement: TypeAlias = Literal["Brightness", "Contrast", "Color", "Sharpness"]
Points: TypeAlias = "npt.NDArray[np.float64]"


class Change(Protocol):
    """One change of an image."""

    def size(self, before: Size) -> Size:
        """Return the size of the changed image."""

    def pixels(self, image: Image.Image) -> Image.Image:
        """Return the changed image; the given one stays as it is."""

    def points(self, points: Points, size: Size) -> Points:
        """Return where points of an image of a size are in the changed one, which may be outside."""

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:
        """Return labels of pixels, of mode L, after the change, none of them mixed; beyond the image is `outside`."""


def changed(image: Image.Image, changes: Iterable[Change]) -> Image.Image:
    """Return an image after changes, in order."""
    return reduce(lambda before, change: change.pixels(before), changes, image)


def moved(points: Points, size: Size, changes: Iterable[Change]) -> tuple[Points, Size]:
    """Return where points of an image of a size are after changes, and the size of the image then."""
    for change in changes:
        points, size = change.points(points, size), change.size(size)
    return points, size


@dataclass(frozen=True, slots=True)
class Resize:
    """Resizes to a size."""

    to: Size
    interpolation: Interpolation = "bicubic"

    def size(self, before: Size) -> Size:  # noqa: ARG002, D102
        return self.to

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        from PIL import Image

        return image.resize((self.to.width, self.to.height), Image.Resampling[self.interpolation.upper()])

    def points(self, points: Points, size: Size) -> Points:  # noqa: D102
        return points * (self.to.width / size.width, self.to.height / size.height)

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: ARG002, D102
        from PIL import Image

        return labels.resize((self.to.width, self.to.height), Image.Resampling.NEAREST)


@dataclass(frozen=True, slots=True)
class Crop:
    """Cuts a part of a size, whose upper left corner is at (left, top)."""

    left: int
    top: int
    to: Size

    def size(self, before: Size) -> Size:  # noqa: ARG002, D102
        return self.to

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        return image.crop((self.left, self.top, self.left + self.to.width, self.top + self.to.height))

    def points(self, points: Points, size: Size) -> Points:  # noqa: ARG002, D102
        return points - (self.left, self.top)

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: ARG002, D102
        return self.pixels(labels)


@dataclass(frozen=True, slots=True)
class Pad:
    """Adds black pixels on each side."""

    by: int

    def size(self, before: Size) -> Size:  # noqa: D102
        return Size(before.height + 2 * self.by, before.width + 2 * self.by)

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        from PIL import ImageOps

        return ImageOps.expand(image, self.by)

    def points(self, points: Points, size: Size) -> Points:  # noqa: ARG002, D102
        return points + self.by

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: D102
        from PIL import ImageOps

        return ImageOps.expand(labels, self.by, fill=outside)


@dataclass(frozen=True, slots=True)
class Place:
    """Puts the image on a canvas of a size, its upper left corner at (left, top); around it is the mean of ImageNet."""

    left: int
    top: int
    to: Size

    def size(self, before: Size) -> Size:  # noqa: ARG002, D102
        return self.to

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        return self._on(image, (124, 116, 104) if image.mode == "RGB" else 117)

    def points(self, points: Points, size: Size) -> Points:  # noqa: ARG002, D102
        return points + (self.left, self.top)

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: D102
        return self._on(labels, outside)

    def _on(self, image: Image.Image, color: int | tuple[int, int, int]) -> Image.Image:
        from PIL import Image

        canvas = Image.new(image.mode, (self.to.width, self.to.height), color)
        canvas.paste(image, (self.left, self.top))
        return canvas


@dataclass(frozen=True, slots=True)
class Mirror:
    """Mirrors left to right (`horizontal`) or top to bottom."""

    direction: Literal["horizontal", "vertical"]

    def size(self, before: Size) -> Size:  # noqa: D102
        return before

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        from PIL import Image

        is_horizontal = self.direction == "horizontal"
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT if is_horizontal else Image.Transpose.FLIP_TOP_BOTTOM)

    def points(self, points: Points, size: Size) -> Points:  # noqa: D102
        if self.direction == "horizontal":
            return points * (-1, 1) + (size.width, 0)
        return points * (1, -1) + (0, size.height)

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: ARG002, D102
        return self.pixels(labels)


@dataclass(frozen=True, slots=True)
class Warp:
    """Moves each pixel by a projective map, bilinear; what comes from outside of the image is black.

    `origins` are the numbers a to h that say where the point (x, y) of the changed image comes from:
    ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)).
    """

    origins: tuple[float, ...]

    @classmethod
    def by(cls, *matrix: float) -> Warp:
        """Return the change that moves points by a homogeneous matrix, its six (affine) or nine numbers row by row."""
        a, b, c, d, e, f, g, h, i = _inverse(matrix if len(matrix) == 9 else (*matrix, 0.0, 0.0, 1.0))
        return cls(tuple(each / i for each in (a, b, c, d, e, f, g, h)))

    def size(self, before: Size) -> Size:  # noqa: D102
        return before

    def pixels(self, image: Image.Image) -> Image.Image:  # noqa: D102
        from PIL import Image

        return self._transformed(image, Image.Resampling.BILINEAR, 0)

    def points(self, points: Points, size: Size) -> Points:  # noqa: ARG002, D102
        a, b, c, d, e, f, g, h, i = _inverse((*self.origins, 1.0))
        x, y = points[:, :1], points[:, 1:]
        depth = g * x + h * y + i
        return _columns((a * x + b * y + c) / depth, (d * x + e * y + f) / depth)

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: D102
        from PIL import Image

        return self._transformed(labels, Image.Resampling.NEAREST, outside)

    def _transformed(self, image: Image.Image, resampling: Image.Resampling, ground: int) -> Image.Image:
        from PIL import Image

        is_affine = not any(self.origins[6:])
        method, numbers = (
            (Image.Transform.AFFINE, self.origins[:6]) if is_affine else (Image.Transform.PERSPECTIVE, self.origins)
        )
        fill = (ground,) * 3 if image.mode == "RGB" else ground
        return image.transform(image.size, method, numbers, resampling, fillcolor=fill)


def _inverse(matrix: tuple[float, ...]) -> tuple[float, ...]:  # by hand: LAPACK's last bits depend on the processor
    """Return the inverse of a matrix (3, 3) up to a factor: its adjugate."""
    a, b, c, d, e, f, g, h, i = matrix
    first = (e * i - f * h, c * h - b * i, b * f - c * e)
    return (*first, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d)


def _columns(x: Points, y: Points) -> Points:
    import numpy as np

    return np.concatenate([x, y], axis=1)


@dataclass(frozen=True, slots=True)
class Recolor:
    """Changes colours; nothing moves."""

    pixels: Callable[[Image.Image], Image.Image]

    def size(self, before: Size) -> Size:  # noqa: D102
        return before

    def points(self, points: Points, size: Size) -> Points:  # noqa: ARG002, D102
        return points

    def labels(self, labels: Image.Image, outside: int) -> Image.Image:  # noqa: ARG002, D102
        return labels


def enhanced(kind: Enhancement, factor: float) -> Recolor:
    """Return the change by a factor, with Pillow's enhancement of that name."""
    from PIL import ImageEnhance

    return Recolor(lambda image: getattr(ImageEnhance, kind)(image).enhance(factor))


def hue_shifted(shift: float) -> Recolor:
    """Return the change that turns hues by a fraction of the colour circle."""
    from PIL import Image

    turn = round(shift * 255)

    def pixels(image: Image.Image) -> Image.Image:
        hue, saturation, value = image.convert("HSV").split()
        turned = hue.point([(level + turn) % 256 for level in range(256)])
        return Image.merge("HSV", (turned, saturation, value)).convert("RGB")

    return Recolor(pixels)


# Standard deviations and directions of the colours of ImageNet's training images on the scale 0 .. 255, as
# published with fb.resnet.torch and used by MXNet's RandomLighting.
_COLOR_VALUES = (55.46, 4.794, 1.148)
_COLOR_VECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


def lit(amounts: npt.NDArray[np.float64]) -> Recolor:
    """Return the change that adds so much of each principal component of ImageNet's colours."""
    import numpy as np

    offset = (np.multiply(_COLOR_VECTORS, _COLOR_VALUES) * amounts).sum(axis=1)
    table = np.clip(np.round(np.arange(256) + offset[:, None]), 0, 255).astype(int).ravel().tolist()
    return Recolor(lambda image: image.point(table))
