"""The steps that resize, crop and mirror.

Definitions are those of torchvision's Pillow back end (`torchvision.transforms.v2`) unless a docstring says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Either, Entry, ListOf, NothingType, Number, RangeOf, Word
from runtime.data.transforms.changes import Change, Crop, Interpolation, Mirror, Pad, Place, Resize
from runtime.data.transforms.row import Args, Sides, Transform
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np

_SIZE = Number(1, 4096, whole=True, unit="px")
_OWN_SIZE = Either((NothingType(), _SIZE, ListOf(_SIZE, 2, 2)))
_INTERPOLATION = Arg(
    "interpolation",
    Word({"bicubic": "Pillow's, with antialiasing.", "bilinear": "Pillow's, with antialiasing."}),
    "How pixels between pixels are found.",
    "bicubic",
    since="0.2",
)


def _enlarged(least: Size, size: Size) -> Iterator[Change]:
    """Enlarge an image with a side that is too short, until both fit."""
    if size.height < least.height or size.width < least.width:
        yield from _resized(least, size)


def _resized(least: Size, size: Size, interpolation: Interpolation = "bicubic") -> Iterator[Change]:
    """Make an image as small as both sides allow, and keep the proportions; the longer side is rounded down."""
    from fractions import Fraction

    scale = max(Fraction(least.height, size.height), Fraction(least.width, size.width))
    if scale != 1:
        to = Size(*(max(each, int(side * scale)) for each, side in zip(least, size, strict=True)))
        yield Resize(to, interpolation)


def _after(changes: list[Change], size: Size) -> Size:
    for change in changes:
        size = change.size(size)
    return size


def _resize(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    return _resized(Size.of(args["size"]), size, _interpolation(args))


def _interpolation(args: Args) -> Interpolation:
    """Return how a step resizes; those of runs of before the word do not say."""
    found: Interpolation = args.get("interpolation", "bicubic")
    return found


def _center_crop(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Cut the central part, a square unless the size is not.

    An image with a side shorter than that is enlarged first, until its shorter side fits (torchvision would
    pad it with black, which no photo of training has).
    """
    to = Size.of(args["size"])
    changes = list(_enlarged(to, size))
    height, width = _after(changes, size)
    return iter([*changes, Crop(round((width - to.width) / 2), round((height - to.height) / 2), to)])


def _random_crop(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Cut a square at a random place, after adding black pixels on each side.

    An image that is still too small is enlarged as by `center_crop`.
    """
    to, padding = Size.of(args["size"]), args["padding"]
    changes: list[Change] = [Pad(padding)] if padding else []
    changes += _enlarged(to, _after(changes, size))
    height, width = _after(changes, size)
    left = int(rng.integers(width - to.width + 1))
    top = int(rng.integers(height - to.height + 1))
    return iter([*changes, Crop(left, top, to)])


def _random_resized_crop(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Cut a random part and make it a square (the Inception crop, Szegedy et al. 2014)."""
    yield _random_part(args, size, rng)
    yield Resize(Size.of(args["size"]), _interpolation(args))


def _random_part(args: Args, size: Size, rng: np.random.Generator) -> Change:
    """Draw a part whose area is uniform in `scale` (fractions), its width over height log-uniform in `ratio`.

    After ten draws that do not fit it is the largest central part within `ratio`.
    """
    (height, width), (low, high) = size, args["ratio"]
    for _ in range(10):
        area = width * height * rng.uniform(*args["scale"])
        aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left = int(rng.integers(width - w + 1))
            return Crop(left, int(rng.integers(height - h + 1)), Size(h, w))
    # A very long image: as much of it as the ratio allows.
    w = max(1, min(width, round(height * high)))
    h = max(1, min(height, round(width / low)))
    return Crop((width - w) // 2, (height - h) // 2, Size(h, w))


def _flip(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    if rng.random() < 0.5:
        yield Mirror(args["direction"])


def _fits(args: Args, sides: Sides) -> str | None:
    """Where no image is larger than the square, there is one place to crop from."""
    return "center_crop" if sides[1] <= args["size"] and not args["padding"] else None


def _is_whole(args: Args, sides: Sides) -> str | None:  # noqa: ARG001
    return "resize" if args["scale"] == args["ratio"] == (1, 1) else None


def _stretch(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    to = Size.of(args["size"])
    if size != to:
        yield Resize(to, _interpolation(args))


def _letterbox(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:  # noqa: ARG001
    """Make the whole image fit, its proportions kept, in the middle of a canvas of the mean colour."""
    from fractions import Fraction

    to = Size.of(args["size"])
    scale = min(Fraction(there, here) for there, here in zip(to, size, strict=True))
    shown = Size(*(max(1, round(side * scale)) for side in size))
    if shown != size:
        yield Resize(shown)
    if shown != to:
        yield Place((to.width - shown.width) // 2, (to.height - shown.height) // 2, to)


RESIZE = Transform(
    Entry(
        "resize",
        "Resizes so that the shorter side has this length.",
        (Arg("size", _SIZE, "Length of the shorter side."), _INTERPOLATION),
        examples=(
            "prepare = [resize(256px), center_crop(224px)]",
            "prepare = [resize(size = 256px, interpolation = bilinear), center_crop(size = 224px)]",
        ),
    ),
    _resize,
    resizes=True,
)

STRETCH = Transform(
    Entry(
        "stretch",
        "Resizes to exactly this size; the proportions change.",
        (
            Arg(
                "size", _OWN_SIZE, "Side of a square, or `[height, width]`; `size` of the data block by default.", None
            ),
            _INTERPOLATION,
        ),
        examples=("prepare = [stretch]", "prepare = [stretch(size = 256px, interpolation = bilinear)]"),
    ),
    _stretch,
    crops=True,
    resizes=True,
)

LETTERBOX = Transform(
    Entry(
        "letterbox",
        "Resizes until the whole image fits, and fills what is left of this size with the mean colour.",
        (Arg("size", _OWN_SIZE, "Size; `size` of the data block by default.", None),),
        source="YOLO: Redmon et al., github.com/pjreddie/darknet",
        examples=("prepare = [letterbox]", "prepare = [letterbox(size = 256px)]"),
        only=frozenset((("task", "detection"),)),
    ),
    _letterbox,
    crops=True,
    resizes=True,
)

CENTER_CROP = Transform(
    Entry(
        "center_crop",
        "Crops a square from the centre.",
        (
            Arg(
                "size",
                _OWN_SIZE,
                "Side of the square, or `[height, width]`; `size` of the data block by default.",
                None,
            ),
        ),
        examples=("prepare = [resize(256px), center_crop]",),
    ),
    _center_crop,
    crops=True,
)

RANDOM_CROP = Transform(
    Entry(
        "random_crop",
        "Crops a square at a random position.",
        (
            Arg(
                "size",
                _OWN_SIZE,
                "Side of the square, or `[height, width]`; `size` of the data block by default.",
                None,
            ),
            Arg("padding", Number(0, 1024, whole=True, unit="px"), "Black padding added first.", 0),
        ),
        examples=("augment = [random_crop(padding = 4px)]", "size = 64px\naugment = [random_crop(size = 64px)]"),
    ),
    _random_crop,
    augments=True,
    outcomes=None,
    crops=True,
    fixed=_fits,
)

RANDOM_RESIZED_CROP = Transform(
    Entry(
        "random_resized_crop",
        "Crops a random fraction of the area at a random aspect ratio and resizes it to the square.",
        (
            Arg(
                "size",
                _OWN_SIZE,
                "Side of the square, or `[height, width]`; `size` of the data block by default.",
                None,
            ),
            Arg("scale", RangeOf(Number(0, 1, above=True)), "Range of fractions of the area.", (0.08, 1.0)),
            Arg("ratio", RangeOf(Number(0, 10, above=True)), "Aspect ratios, width / height.", (3 / 4, 4 / 3)),
            _INTERPOLATION,
        ),
        source="Szegedy et al., arXiv 1409.4842; torchvision RandomResizedCrop",
        examples=(
            "augment = [random_resized_crop(scale = 0.4 .. 1.0), flip]",
            "augment = [random_resized_crop(size = 224px, scale = 0.2 .. 1.0, ratio = 0.8 .. 1.25)]",
            "augment = [random_resized_crop(interpolation = bilinear)]",
        ),
    ),
    _random_resized_crop,
    augments=True,
    outcomes=None,
    crops=True,
    resizes=True,
    fixed=_is_whole,
)

FLIP = Transform(
    Entry(
        "flip",
        "Mirrors an image with probability 1/2.",
        (
            Arg(
                "direction",
                Word({"horizontal": "Left to right.", "vertical": "Top to bottom."}),
                "Which way.",
                "horizontal",
            ),
        ),
        examples=("augment = [flip(horizontal), flip(vertical)]", "augment = [flip(direction = vertical)]"),
    ),
    _flip,
    augments=True,
    outcomes=2,
    mirrors=True,
)
