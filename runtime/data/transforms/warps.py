"""The steps that turn, shear, scale and tilt.

Definitions are those of torchvision (`torchvision.transforms.v2`), with bilinear resampling; what a change uncovers is
black. The image keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Entry, Number, RangeOf
from runtime.data.transforms.changes import Change, Warp
from runtime.data.transforms.row import Args, Transform
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np

_ANGLE = Number(0, 180)
_PROBABILITY = Number(0, 1)


def turned(angle: float, size: Size) -> Change:
    """Return the turn about the centre by an angle in degrees, counter-clockwise (torchvision's `rotate`)."""
    return _about_centre(size, -angle)


def sheared(x: float, y: float) -> Change:
    """Return the shear that moves the point (u, v) to (u - x v, v - y u), one of x and y being 0, as policies do."""
    return Warp.by(1.0, -x, 0.0, -y, 1.0, 0.0)


def shifted(x: int, y: int) -> Change:
    """Return the shift by whole pixels, to the right and down."""
    return Warp.by(1.0, 0.0, x, 0.0, 1.0, y)


def _about_centre(
    size: Size, angle: float, shear: float = 0.0, scale: float = 1.0, shift: tuple[int, int] = (0, 0)
) -> Change:
    """Return a clockwise turn, a horizontal shear (both in degrees), a scale and a shift, as torchvision's `affine`."""
    turn, slope = math.radians(angle), math.tan(math.radians(shear))
    cos, sin = math.cos(turn), math.sin(turn)
    a, b, d, e = (scale * each for each in (cos, -cos * slope - sin, sin, -sin * slope + cos))
    x, y = size.width / 2, size.height / 2
    return Warp.by(a, b, x + shift[0] - a * x - b * y, d, e, y + shift[1] - d * x - e * y)


def _rotation(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Turn by an angle that is uniform in [-degrees, degrees]."""
    yield turned(rng.uniform(-args["degrees"], args["degrees"]), size)


def _affine(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Turn, shift, scale and shear at once; each is uniform in its range, shifts are whole pixels."""
    degrees, shear, translate = args["degrees"], args["shear"], args["translate"]
    angle = rng.uniform(-degrees, degrees)
    x, y = (round(rng.uniform(-translate, translate) * side) for side in (size.width, size.height))
    scale = rng.uniform(*args["scale"])
    yield _about_centre(size, angle, rng.uniform(-shear, shear), scale, (x, y))


def _perspective(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Move each corner inwards by up to `distortion` of half the side, with probability `p`."""
    if rng.random() >= args["p"]:
        return
    most = [args["distortion"] * side / 2 for side in (size.width, size.height)]
    inwards = rng.uniform(0, most, (4, 2)).tolist()
    corners = ((0, 0), (size.width, 0), (size.width, size.height), (0, size.height))
    yield tilted(size, [(abs(x - u), abs(y - v)) for (x, y), (u, v) in zip(corners, inwards, strict=True)])


def tilted(size: Size, corners: Sequence[tuple[float, float]]) -> Change:
    """Return the change that moves the corners of an image, clockwise from the upper left, to four points.

    The projective map of Heckbert, "Fundamentals of texture mapping and image warping" (1989), section 2.2.3.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    right_x, right_y, down_x, down_y = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    area = right_x * down_y - down_x * right_y
    g, h = (sum_x * down_y - down_x * sum_y) / area, (right_x * sum_y - sum_x * right_y) / area
    top = ((x1 - x0 + g * x1) / size.width, (x3 - x0 + h * x3) / size.height, x0)
    middle = ((y1 - y0 + g * y1) / size.width, (y3 - y0 + h * y3) / size.height, y0)
    return Warp.by(*top, *middle, g / size.width, h / size.height, 1.0)


ROTATION = Transform(
    Entry(
        "rotation",
        "Rotates by a random angle about the centre; uncovered corners are black.",
        (Arg("degrees", _ANGLE, "Angles from -x to x.", 15),),
        source="torchvision RandomRotation, bilinear",
        examples=("augment = [rotation(15), flip]", "augment = [rotation(degrees = 180)]"),
    ),
    _rotation,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not args["degrees"],
    example="rotation(15)",
)

AFFINE = Transform(
    Entry(
        "affine",
        "Rotates, shifts, scales and shears at random, in one step; what it uncovers is black.",
        (
            Arg("degrees", _ANGLE, "Angles from -x to x.", 0),
            Arg("translate", Number(0, 1), "Shifts from -x to x, as a fraction of each side.", 0.0),
            Arg("scale", RangeOf(Number(0, 10, above=True)), "Range of scale factors.", (1.0, 1.0)),
            Arg("shear", Number(0, 80), "Horizontal shear from -x to x, in degrees.", 0),
        ),
        source="torchvision RandomAffine, bilinear",
        examples=(
            "augment = [affine(degrees = 10, translate = 10%, scale = 0.8 .. 1.2)]",
            "augment = [affine(degrees = 5, shear = 10), flip]",
        ),
    ),
    _affine,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not (args["degrees"] or args["translate"] or args["shear"]) and args["scale"] == (1, 1),
    example="affine(degrees = 10, translate = 10%)",
)

PERSPECTIVE = Transform(
    Entry(
        "perspective",
        "Tilts the image at random: each corner moves inwards; what it uncovers is black.",
        (
            Arg("distortion", Number(0, 0.99), "How far corners move, as a fraction of half a side.", 0.5),
            Arg("p", _PROBABILITY, "Probability.", 0.5),
        ),
        source="torchvision RandomPerspective",
        examples=("augment = [perspective(0.3), flip]", "augment = [perspective(distortion = 0.3, p = 0.8)]"),
    ),
    _perspective,
    augments=True,
    outcomes=None,
    is_idle=lambda args: not (args["p"] and args["distortion"]),
    example="perspective(0.3)",
)
