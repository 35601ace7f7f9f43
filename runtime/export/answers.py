"""What a network says, as answers in an ONNX graph: classes of pixels, objects.

In goes what the task serves (`Served`, `runtime/tasks/protocol.py`); its `form` says which nodes make the answers of
it. They are those that `ftr predict` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import Shape
from runtime.export.preprocessing import Prepared, in_image
from runtime.plan.size import Size
from runtime.tasks.protocol import Objects, PixelClasses

FLOAT, UINT8, INT64 = 1, 2, 7  # ONNX's numbers of types
_NEVER = -1e30  # a score that no threshold lets through


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers in the graph, their type, and their sides, where a name stands for one that may be any."""

    name: str
    dtype: int
    sides: tuple[int | str, ...]


def answers(graph: OnnxGraph, output: str, shape: Shape, form: Any, size: Size, prepared: Prepared | None) -> Answers:
    """Add what makes answers of a network's output; `prepared` says where an image is that is prepared inside."""
    if form is None:
        return Answers(output, FLOAT, tuple("batch" if side is None else side for side in shape))
    return _FORMS[type(form)](graph, output, shape, form, size, prepared)


def _pixel_classes(
    graph: OnnxGraph, scores: str, shape: Shape, form: PixelClasses, size: Size, prepared: Prepared | None
) -> Answers:
    """Enlarge the scores of cells to the size that the network sees, bilinear, and take the best of each pixel."""
    if shape[2:] != tuple(size):
        head = graph.add("Shape", scores, start=0, end=2)
        sizes = graph.add("Concat", head, graph.integers(*size), axis=0)
        scores = graph.add("Resize", scores, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")
    best = graph.add("ArgMax", scores, axis=1, keepdims=0)
    return Answers(graph.add("Cast", best, to=UINT8), UINT8, ("batch", *size))


def _objects(
    graph: OnnxGraph, points: str, shape: Shape, form: Objects, size: Size, prepared: Prepared | None
) -> Answers:
    """Take the largest scores, leave out boxes that overlap surer ones, and lay the others back onto the image."""
    count, classes = int(shape[1] or 0), len(form.thresholds)
    kept = min(form.kept, count * classes)
    corners = _columns(graph, points, classes, classes + 4)
    logits = graph.add("Reshape", _columns(graph, points, 0, classes), graph.integers(-1, count * classes))
    surest = _distinct(graph, corners, logits, (count, classes), form)
    best, places = graph.add("TopK", surest, graph.integers(kept), axis=1, outputs=2)
    labels = graph.add("Mod", places, graph.integers(classes))
    scores = graph.add("Sigmoid", best)
    boxes = _chosen(graph, corners, graph.add("Div", places, graph.integers(classes)))
    inside = graph.add("Min", boxes, graph.constant([size.width, size.height] * 2))
    boxes = graph.add("Max", inside, graph.constant(0.0))
    if prepared is not None:
        boxes = in_image(graph, boxes, prepared)
    limits = graph.add("Gather", graph.constant(form.thresholds), labels)
    shown = graph.add(
        "And",
        graph.add("GreaterOrEqual", scores, limits),
        graph.add("Greater", best, graph.constant(_NEVER / 2)),
    )
    parts = (_last(graph, graph.add("Cast", labels, to=FLOAT)), _last(graph, scores), boxes)
    rows = graph.add("Where", _last(graph, shown), graph.add("Concat", *parts, axis=2), graph.constant(-1.0))
    ranks = graph.add("Where", shown, scores, graph.constant(-1.0))
    _, order = graph.add("TopK", ranks, graph.integers(kept), axis=1, outputs=2)
    return Answers(_chosen(graph, rows, order), FLOAT, ("batch", kept, 6))


def _distinct(graph: OnnxGraph, corners: str, logits: str, sides: tuple[int, int], form: Objects) -> str:
    """Return the scores (batch, points x classes) of boxes that no surer one of their class covers; others never."""
    count, classes = sides
    most = graph.integers(min(form.candidates, count * classes))
    best, places = graph.add("TopK", logits, most, axis=1, outputs=2)
    nothing = _filled(graph, logits)
    looked_at = graph.add("Reshape", graph.add("ScatterElements", nothing, places, best, axis=1), _grid(graph, sides))
    chosen = graph.add(
        "NonMaxSuppression",
        corners,
        graph.add("Transpose", looked_at, perm=(0, 2, 1)),
        most,
        graph.constant([form.overlap]),
        graph.constant([log(form.least / (1 - form.least))]),
    )
    there = graph.add("Gather", chosen, graph.constant([0, 2, 1], "int64"), axis=1)  # image, point, class
    grid = graph.add("Reshape", nothing, _grid(graph, sides))
    found = graph.add("ScatterND", grid, there, graph.add("GatherND", looked_at, there))
    return str(graph.add("Reshape", found, graph.integers(-1, count * classes)))


def _filled(graph: OnnxGraph, like: str) -> str:
    from onnx import helper

    value = helper.make_tensor("value", FLOAT, [1], [_NEVER])
    return str(graph.add("ConstantOfShape", graph.add("Shape", like), value=value))


def _grid(graph: OnnxGraph, sides: tuple[int, int]) -> str:
    return graph.integers(-1, *sides)


def _columns(graph: OnnxGraph, rows: str, begin: int, end: int) -> str:
    return str(graph.add("Slice", rows, graph.integers(begin), graph.integers(end), graph.integers(2)))


def _chosen(graph: OnnxGraph, rows: str, places: str) -> str:
    """Return some rows of each image, (batch, k, …), by their places, (batch, k)."""
    return str(graph.add("GatherND", rows, _last(graph, places), batch_dims=1))


def _last(graph: OnnxGraph, values: str) -> str:
    return str(graph.add("Unsqueeze", values, graph.integers(2)))


_FORMS: Mapping[type, Callable[..., Answers]] = {PixelClasses: _pixel_classes, Objects: _objects}
