"""The steps of `prepare` and the normalization as nodes of an ONNX graph.

In go images of one size as they were decoded, uint8 (batch, height, width, 3), RGB; out comes what the network takes,
float32 (batch, 3, height, width). Resizing is the runtime's own of uint8, which is written after Pillow's: of random
pixels one in a thousand differs, by one level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.data.transforms.catalog import TRANSFORMS
from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import UntranslatableError
from runtime.plan.types import Component


@dataclass(frozen=True, slots=True)
class _Images:
    """Images in the graph, uint8 (batch, 3, height, width); `shorter` is their shorter side where it is known."""

    name: str
    shorter: int | None = None


Step = Callable[[OnnxGraph, _Images, Mapping[str, Any]], _Images]


def preprocess(
    graph: OnnxGraph, image: str, steps: Sequence[Component], mean: Sequence[float], std: Sequence[float]
) -> str:
    """Add the steps to a graph; return the name of the network's input.

    Raises:
        UntranslatableError: a step has no row.
    """
    images = _Images(graph.add("Transpose", image, perm=(0, 3, 1, 2)))
    for step in steps:
        if TRANSFORMS[step.name].draw is None:  # it says how files are read, or how numbers are normalized
            continue
        if step.name not in STEPS:
            raise UntranslatableError(step.name)
        images = STEPS[step.name](graph, images, step.args)
    shares = graph.add("Div", graph.add("Cast", images.name, to=1), graph.constant(255.0))
    centred = graph.add("Sub", shares, graph.constant(np.reshape(mean, (1, 3, 1, 1))))
    return str(graph.add("Div", centred, graph.constant(np.reshape(std, (1, 3, 1, 1)))))


def _sides(graph: OnnxGraph, images: _Images) -> tuple[str, str, str]:
    """Return height, width and the shorter of both, each as a vector of one."""
    height, width = (graph.add("Shape", images.name, start=axis, end=axis + 1) for axis in (2, 3))
    return height, width, graph.add("Min", height, width)


def _resized(graph: OnnxGraph, images: _Images, least: bool, shorter: int) -> _Images:
    """Make the shorter side so long, or with `least` at least so long; the longer one is rounded down."""
    height, width, short = _sides(graph, images)
    wanted = graph.integers(shorter)
    if least:
        wanted = graph.add("Max", short, wanted)
    sizes = [
        graph.add("Max", wanted, graph.add("Div", graph.add("Mul", wanted, side), short)) for side in (height, width)
    ]
    head = graph.add("Shape", images.name, start=0, end=2)
    resized = graph.add(
        "Resize",
        images.name,
        "",
        "",
        graph.add("Concat", head, *sizes, axis=0),
        mode="cubic",
        cubic_coeff_a=-0.5,
        antialias=1,
        exclude_outside=1,
    )
    return _Images(resized, None if least else shorter)


def _resize(graph: OnnxGraph, images: _Images, args: Mapping[str, Any]) -> _Images:
    return _resized(graph, images, False, args["size"])


def _center_crop(graph: OnnxGraph, images: _Images, args: Mapping[str, Any]) -> _Images:
    side = args["size"]
    if images.shorter is None or images.shorter < side:
        images = _resized(graph, images, True, side)
    height, width, _ = _sides(graph, images)
    starts = graph.add("Concat", *(_middle(graph, each, side) for each in (height, width)), axis=0)
    ends = graph.add("Add", starts, graph.integers(side))
    return _Images(graph.add("Slice", images.name, starts, ends, graph.integers(2, 3)), side)


def _middle(graph: OnnxGraph, length: str, side: int) -> str:
    """Return where a central part of a length begins: half of what remains, rounded to even as Python rounds."""
    rest = graph.add("Cast", graph.add("Sub", length, graph.integers(side)), to=1)
    return str(graph.add("Cast", graph.add("Round", graph.add("Mul", rest, graph.constant(0.5))), to=7))


STEPS: Mapping[str, Step] = {"resize": _resize, "center_crop": _center_crop}
"""What each step of `prepare` that changes a decoded image is."""
