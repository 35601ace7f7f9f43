"""The steps that are made for objects: a crop that keeps some of them, and showing an image smaller.

Definitions are those of SSD (Liu et al., arXiv 1512.02325) as torchvision has them, unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_lang.check.vocabulary import Arg, Either, Entry, ListOf, NothingType, Number, RangeOf
from runtime.data.targets import BOXES
from runtime.data.transforms.changes import Change, Crop, Place, Resize
from runtime.data.transforms.row import Args, Transform
from runtime.plan.size import Size

if TYPE_CHECKING:
    import numpy as np

    from runtime.data.transforms.row import Corners

_TRIALS = 40
_LEAST_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
_SIZE = Number(1, 4096, whole=True, unit="px")


def _crop(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    import numpy as np

    return _iou_crop(args, size, rng, np.zeros((0, 4)))


def _iou_crop(args: Args, size: Size, rng: np.random.Generator, boxes: Corners) -> Iterator[Change]:
    """Cut a part in which some object lies with its centre and which overlaps each such by an amount that is drawn.

    One time in seven, or where no part is found, the image stays whole. Then it gets the size of the network.
    """
    which = int(rng.integers(len(_LEAST_OVERLAPS) + 1))
    part = _part(args, size, rng, boxes, _LEAST_OVERLAPS[which]) if which < len(_LEAST_OVERLAPS) else None
    if part is not None:
        yield part
    yield Resize(Size.of(args["size"]))


def _part(args: Args, size: Size, rng: np.random.Generator, boxes: Corners, least: float) -> Crop | None:
    import numpy as np

    low, high = args["scale"]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    for _ in range(_TRIALS):
        height, width = (max(1, int(side * rng.uniform(low, high))) for side in size)
        if not args["ratio"][0] <= width / height <= args["ratio"][1]:
            continue
        left, top = int(rng.integers(size.width - width + 1)), int(rng.integers(size.height - height + 1))
        corner = np.array([left, top])
        inside = ((middles > corner) & (middles < corner + (width, height))).all(axis=1)
        if not inside.any():
            if len(boxes):
                continue
            return Crop(left, top, Size(height, width))
        own = boxes[inside]
        sides = np.minimum(own[:, 2:], corner + (width, height)) - np.maximum(own[:, :2], corner)
        common = np.maximum(sides, 0).prod(axis=1)
        if (common / (areas[inside] + width * height - common)).max() >= least:
            return Crop(left, top, Size(height, width))
    return None


def _zoom_out(args: Args, size: Size, rng: np.random.Generator) -> Iterator[Change]:
    """Show the image smaller, somewhere on a canvas of its own size; else, with probability 1/2, leave it.

    Its sides are divided by a number that is uniform in `scale` (torchvision's canvas grows instead).
    """
    if rng.random() < 0.5:
        return
    scale = rng.uniform(*args["scale"])
    to = Size(*(max(1, round(side / scale)) for side in size))
    left, top = int(rng.integers(size.width - to.width + 1)), int(rng.integers(size.height - to.height + 1))
    yield Resize(to)
    yield Place(left, top, size)


IOU_CROP = Transform(
    Entry(
        "iou_crop",
        "Crops a random part around some of the objects and resizes it to the size of the network.",
        (
            Arg(
                "size",
                Either((NothingType(), _SIZE, ListOf(_SIZE, 2, 2))),
                "Size; `size` of the data block by default.",
                None,
            ),
            Arg("scale", RangeOf(Number(0, 1, above=True)), "Range of fractions of each side.", (0.3, 1.0)),
            Arg("ratio", RangeOf(Number(0, 10, above=True)), "Aspect ratios, width / height.", (0.5, 2.0)),
        ),
        source="SSD: Liu et al., arXiv 1512.02325; torchvision RandomIoUCrop",
        examples=(
            "augment = [zoom_out, iou_crop, flip]",
            "augment = [iou_crop(size = 224px, scale = 0.5 .. 1.0, ratio = 0.5 .. 2.0)]",
        ),
    ),
    _crop,
    augments=True,
    outcomes=None,
    crops=True,
    resizes=True,
    sees=_iou_crop,
    targets=(BOXES,),
)

ZOOM_OUT = Transform(
    Entry(
        "zoom_out",
        "With probability 1/2 shows the image smaller, at a random place on a canvas of the mean colour.",
        (Arg("scale", RangeOf(Number(1, 10)), "By what its sides are divided.", (1.0, 2.5)),),
        source="SSD: Liu et al., arXiv 1512.02325; torchvision RandomZoomOut",
        examples=("augment = [zoom_out(scale = 1 .. 4), iou_crop]",),
    ),
    _zoom_out,
    augments=True,
    outcomes=None,
    targets=(BOXES,),
)
