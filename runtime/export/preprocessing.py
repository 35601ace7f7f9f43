"""The steps of `prepare` and the normalization as nodes of an ONNX graph.

In go images of one size as they were decoded, uint8 (batch, height, width, 3), RGB; out comes what the network takes,
float32 (batch, 3, height, width), and the way back from its pixels to the image's. Resizing is the runtime's own of
uint8, which is written after Pillow's: of random pixels one in a thousand differs, by one level (bilinear, whose sums
are often halves: one in ten, by two at most).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from runtime.data.transforms.catalog import TRANSFORMS
from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import UntranslatableError
from runtime.plan.size import Size
from runtime.plan.types import Component

Sides = tuple[str, str]
"""Height and width in the graph, each a vector of one whole number."""


@dataclass(frozen=True, slots=True)
class Resized:
    """The sides before and after an image was resized."""

    before: Sides
    after: Sides


@dataclass(frozen=True, slots=True)
class Cropped:
    """How far from the top and from the left a part was cut."""

    begin: Sides


@dataclass(frozen=True, slots=True)
class Prepared:
    """Images in the graph, uint8 (batch, 3, height, width), and later what the network takes of them.

    `given` are the sides of the image as it was decoded, `moves` what was done to them since; `least` are sides that
    they have at least, where such are known.
    """

    name: str
    given: Sides
    moves: tuple[Resized | Cropped, ...] = ()
    least: Size | None = None


Step = Callable[[OnnxGraph, Prepared, Mapping[str, Any]], Prepared]


def preprocess(
    graph: OnnxGraph, image: str, steps: Sequence[Component], mean: Sequence[float], std: Sequence[float]
) -> Prepared:
    """Add the steps to a graph; return the network's input, and where its pixels are in the image.

    Raises:
        UntranslatableError: a step has no row.
    """
    planes = graph.add("Transpose", image, perm=(0, 3, 1, 2))
    images = Prepared(planes, _sides(graph, planes))
    for step in steps:
        if TRANSFORMS[step.name].draw is None:  # it says how files are read, or how numbers are normalized
            continue
        if step.name not in STEPS:
            raise UntranslatableError(step.name)
        images = STEPS[step.name](graph, images, step.args)
    shares = graph.add("Div", graph.add("Cast", images.name, to=1), graph.constant(255.0))
    centred = graph.add("Sub", shares, graph.constant(np.reshape(mean, (1, 3, 1, 1))))
    return replace(images, name=str(graph.add("Div", centred, graph.constant(np.reshape(std, (1, 3, 1, 1))))))


def in_image(graph: OnnxGraph, corners: str, prepared: Prepared) -> str:
    """Return corners in pixels of the image as it was decoded, of those in the prepared one: (…, 4), x, y, x, y."""
    for move in reversed(prepared.moves):
        if isinstance(move, Cropped):
            corners = graph.add("Add", corners, _corners(graph, move.begin))
        else:
            scale = graph.add("Div", _corners(graph, move.before), _corners(graph, move.after))
            corners = graph.add("Mul", corners, scale)
    beyond = graph.add("Min", corners, _corners(graph, prepared.given))
    return str(graph.add("Max", beyond, graph.constant(0.0)))


def _corners(graph: OnnxGraph, sides: Sides) -> str:
    """Return height and width as a float vector for two corners: x, y, x, y."""
    height, width = sides
    return str(graph.add("Cast", graph.add("Concat", width, height, width, height, axis=0), to=1))


def _sides(graph: OnnxGraph, planes: str) -> Sides:
    height, width = (str(graph.add("Shape", planes, start=axis, end=axis + 1)) for axis in (2, 3))
    return height, width


_KIND = ("interpolation", "bicubic")


def _resized_to(
    graph: OnnxGraph, images: Prepared, before: Sides, after: Sides, least: Size | None, kind: str = "bicubic"
) -> Prepared:
    """Resize one axis after the other, as Pillow does: each pass rounds and clips, so that the order shows."""
    head = graph.add("Shape", images.name, start=0, end=2)
    resized = images.name
    for sides in (_between(graph, before, after), after):
        resized = graph.add(
            "Resize",
            resized,
            "",
            "",
            graph.add("Concat", head, *sides, axis=0),
            mode={"bicubic": "cubic", "bilinear": "linear"}[kind],
            cubic_coeff_a=-0.5,
            antialias=1,
            exclude_outside=1,
        )
    return Prepared(resized, images.given, (*images.moves, Resized(before, after)), least)


def _between(graph: OnnxGraph, before: Sides, after: Sides) -> Sides:
    """Return the sides after the first pass.

    Pillow changes the width first; Pillow 13 the height, where it loses more than twice as many pixels as the width.
    """
    first = before[0], after[1]
    if not _height_first():
        return first
    loss, other = (graph.add("Sub", *pair) for pair in zip(before, after, strict=True))
    least = graph.add("Max", graph.add("Mul", other, graph.integers(2)), graph.integers(0))
    is_tall = graph.add("Greater", loss, least)
    height, width = (graph.add("Where", is_tall, *pair) for pair in zip((after[0], before[1]), first, strict=True))
    return height, width


@cache
def _height_first() -> bool:
    """Whether this Pillow changes the height of a tall image first."""
    stripes = np.repeat(np.array([[0, 255], [255, 0]] * 12, np.uint8), 10, axis=1)
    image = Image.fromarray(stripes)
    whole, passes = (
        np.asarray(each.resize((40, 12), Image.Resampling.BICUBIC))
        for each in (image, image.resize((20, 12), Image.Resampling.BICUBIC))
    )
    return bool((whole == passes).all())


def _resize(graph: OnnxGraph, images: Prepared, args: Mapping[str, Any]) -> Prepared:
    """Make an image as small as both sides allow; the longer one is rounded down."""
    least, before = Size.of(args["size"]), _sides(graph, images.name)
    return _resized_to(graph, images, before, _covering(graph, before, least), least, args.get(*_KIND))


def _covering(graph: OnnxGraph, before: Sides, least: Size) -> Sides:
    """Return the sides of the smallest image of the same proportions that has both sides at least."""
    (height, width), (high, wide) = before, (graph.integers(least.height), graph.integers(least.width))
    return (
        graph.add("Max", high, _share(graph, wide, height, width)),
        graph.add("Max", wide, _share(graph, high, width, height)),
    )


def _share(graph: OnnxGraph, wanted: str, side: str, of: str) -> str:
    return str(graph.add("Div", graph.add("Mul", wanted, side), of))


def _stretch(graph: OnnxGraph, images: Prepared, args: Mapping[str, Any]) -> Prepared:
    to = Size.of(args["size"])
    after = graph.integers(to.height), graph.integers(to.width)
    return _resized_to(graph, images, _sides(graph, images.name), after, to, args.get(*_KIND))


def _center_crop(graph: OnnxGraph, images: Prepared, args: Mapping[str, Any]) -> Prepared:
    to = Size.of(args["size"])
    if images.least is None or images.least.height < to.height or images.least.width < to.width:
        images = _enlarged(graph, images, to)
    height, width = _sides(graph, images.name)
    top, left = _middle(graph, height, to.height), _middle(graph, width, to.width)
    starts = graph.add("Concat", top, left, axis=0)
    ends = graph.add("Add", starts, graph.integers(*to))
    cut = graph.add("Slice", images.name, starts, ends, graph.integers(2, 3))
    return Prepared(cut, images.given, (*images.moves, Cropped((top, left))), to)


def _enlarged(graph: OnnxGraph, images: Prepared, to: Size) -> Prepared:
    """Enlarge an image with a side that is too short, until both fit."""
    height, width = before = _sides(graph, images.name)
    least = graph.integers(to.height), graph.integers(to.width)
    is_small = graph.add("Or", graph.add("Less", height, least[0]), graph.add("Less", width, least[1]))
    larger = _covering(graph, before, to)
    after = tuple(graph.add("Where", is_small, *pair) for pair in zip(larger, before, strict=True))
    return _resized_to(graph, images, before, (after[0], after[1]), None)


def _letterbox(graph: OnnxGraph, images: Prepared, args: Mapping[str, Any]) -> Prepared:
    """Make the whole image fit, and lay it in the middle of a canvas of the mean colour of ImageNet."""
    to = Size.of(args["size"])
    height, width = before = _sides(graph, images.name)
    tall = graph.add("Mul", height, graph.integers(to.width)), graph.add("Mul", width, graph.integers(to.height))
    is_wide = graph.add("Less", *tall)  # not GreaterOrEqual: onnxruntime loses the sides behind it
    shown = (
        graph.add("Where", is_wide, _rounded(graph, height, to.width, width), graph.integers(to.height)),
        graph.add("Where", is_wide, graph.integers(to.width), _rounded(graph, width, to.height, height)),
    )
    resized = _resized_to(graph, images, before, shown, None)
    rest = [graph.add("Sub", graph.integers(side), own) for side, own in zip(to, shown, strict=True)]
    begin = [graph.add("Div", each, graph.integers(2)) for each in rest]
    end = [graph.add("Sub", *pair) for pair in zip(rest, begin, strict=True)]
    pads = graph.add("Concat", graph.integers(0, 0), *begin, graph.integers(0, 0), *end, axis=0)
    image = graph.add("Cast", resized.name, to=1)
    inside = graph.add("Pad", graph.add("Greater", image, graph.constant(-1.0)), pads, graph.constant(False, bool))
    canvas = graph.constant(np.reshape((124, 116, 104), (1, 3, 1, 1)))
    placed = graph.add("Cast", graph.add("Where", inside, graph.add("Pad", image, pads), canvas), to=2)
    negative = graph.add("Neg", begin[0]), graph.add("Neg", begin[1])
    return Prepared(placed, images.given, (*resized.moves, Cropped(negative)), to)


def _rounded(graph: OnnxGraph, side: str, wanted: int, of: str) -> str:
    """Return side x wanted / of, at least 1, rounded as Python rounds."""
    two, one = graph.integers(2), graph.integers(1)
    divisor = graph.add("Mul", of, two)
    twice = graph.add("Add", graph.add("Mul", side, graph.integers(2 * wanted)), of)
    up = graph.add("Div", twice, divisor)
    is_half = graph.add("Equal", graph.add("Mod", twice, divisor), graph.integers(0))
    is_odd = graph.add("Equal", graph.add("Mod", up, two), one)
    even = graph.add("Where", graph.add("And", is_half, is_odd), graph.add("Sub", up, one), up)
    return str(graph.add("Max", even, one))


def _middle(graph: OnnxGraph, length: str, side: int) -> str:
    """Return where a central part of a length begins: half of what remains, rounded to even as Python rounds."""
    rest = graph.add("Cast", graph.add("Sub", length, graph.integers(side)), to=1)
    return str(graph.add("Cast", graph.add("Round", graph.add("Mul", rest, graph.constant(0.5))), to=7))


STEPS: Mapping[str, Step] = {
    "resize": _resize,
    "center_crop": _center_crop,
    "stretch": _stretch,
    "letterbox": _letterbox,
}
"""What each step of `prepare` that changes a decoded image is."""
