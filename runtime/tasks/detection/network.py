"""What detection does with a network's outputs: the objects that they show, and predictions of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recipe_lang.words import printable
from runtime.backend.mx import mx
from runtime.data.boxes import clipped, overlaps
from runtime.data.images import upright_size
from runtime.data.tiles import extent_after
from runtime.plan.size import Size
from runtime.plan.types import Component, DataPlan
from runtime.tasks.detection.centers import cells_of, peaks
from runtime.tasks.detection.precision import Detections

LEAST, CANDIDATES, KEPT, SAME = 0.05, 300, 100, 0.6
"""The least score; the scores that are looked at; the objects that are kept; the overlap of two that are one."""


def detections(outputs: npt.NDArray[np.float32], size: Size, count: int) -> Detections:
    """Return the objects of an image of a size; `outputs` are (points, classes + 4) as the head gives them.

    `count` is how many classes there are: what stands behind these columns is for the loss.

    Where they are of one map, the scores that are looked at are its peaks. Of the largest scores of a class at a point,
    each box is left out that overlaps a surer one of its class.
    """
    logits = outputs[:, :count].ravel()
    counted = logits > log(LEAST / (1 - LEAST))
    if cells := cells_of(len(outputs), size):
        counted &= peaks(outputs[:, :count], cells).ravel()
    places = np.flatnonzero(counted)
    places = places[np.argsort(-logits[places], kind="stable")][:CANDIDATES]
    labels, corners = places % count, outputs[places // count, count : count + 4].astype(np.float64)
    kept = _distinct(corners, labels)[:KEPT]
    scores = 1 / (1 + np.exp(-logits[places[kept]].astype(np.float64)))
    return Detections(clipped(corners[kept], size), labels[kept], scores)


def _distinct(corners: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    same = (overlaps(corners, corners) > SAME) & (labels[:, None] == labels[None])
    out = np.zeros(len(corners), bool)
    for number in range(len(corners)):
        if not out[number]:
            out[number + 1 :] |= same[number, number + 1 :]
    return np.flatnonzero(~out)


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its class, its score from 0 to 1, and its box (x0, y0, x1, y1) in pixels of the upright image."""

    name: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The objects of an image, the surest first, or why it could not be read.

    `names` are those of all classes, `size` is the image's, upright, `seen` that of what the network saw.
    """

    image: str
    names: tuple[str, ...] = ()
    objects: tuple[Found, ...] = ()
    size: Size | None = None
    error: str = ""
    seen: Size | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without image and error."""
        rows = [{"class": each.name, "score": each.score, "box": list(each.box)} for each in self.objects]
        return {"size": None if self.size is None else [self.size.width, self.size.height], "objects": rows}

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return a row of a CSV file for each object, the cells between image and error."""
        return tuple((each.name, f"{each.score:.6f}", *(f"{side:.2f}" for side in each.box)) for each in self.objects)

    def text(self) -> str:
        """Return it in one line."""
        counts = Counter(each.name for each in self.objects)
        return ", ".join(f"{count:,} × {printable(name)}" for name, count in counts.most_common()) or "nothing"


def predictions(
    outputs: Any, images: Sequence[str], names: Sequence[str], thresholds: Sequence[float], plan: DataPlan
) -> list[Prediction]:
    """Return the objects of images that were prepared as a plan says; `outputs` is an NDArray of which the first count.

    An object is left out whose score is below the threshold of its class.
    """
    found = []
    for image, each in zip(images, outputs[: len(images)].asnumpy(), strict=True):
        own = upright_size(Path(image))
        whole = detections(each, plan.size, len(names))
        whole = replace(whole, corners=_in_image(whole.corners, own, plan.prepare))
        found.append(prediction(whole, image, own, names, thresholds, plan))
    return found


def prediction(
    found: Detections, image: str, size: Size, names: Sequence[str], thresholds: Sequence[float], plan: DataPlan
) -> Prediction:
    """Return what is found in an image of a size, in its own pixels, but what is below the threshold of its class."""
    shown = found.chosen(found.scores >= np.array(thresholds)[found.classes])
    rows = zip(shown.classes.tolist(), shown.scores.tolist(), shown.corners.tolist(), strict=True)
    objects = tuple(Found(names[label], score, tuple(box)) for label, score, box in rows)
    return Prediction(image, tuple(names), objects, size, seen=plan.size)


def _in_image(corners: npt.NDArray[np.float64], size: Size, prepare: Sequence[Component]) -> npt.NDArray[np.float64]:
    """Return boxes in pixels of the image itself, given those in the prepared one: both axes are scaled and moved."""
    after = extent_after(size, prepare)
    scale = (after[1] - after[0]) / (size.width, size.height)
    return clipped((corners - np.tile(after[0], 2)) / np.tile(scale, 2), size)


def difference(
    prediction: Prediction, rows: npt.NDArray[np.float32], thresholds: Sequence[float], tolerance: float
) -> float:
    """Return how far the objects of an image are from those of a graph, rows of class, score and corners; 1 of others.

    An object may be missing on one side whose score is the threshold, but for rounding.
    """
    size = prediction.size
    assert size is not None
    theirs = [_Row(int(row[0]), float(row[1]), row[2:].tolist()) for row in rows if row[0] >= 0]
    apart = 0.0
    for each in prediction.objects:
        own = _Row(prediction.names.index(each.name), each.score, each.box)
        far = {place: own.apart(other, size) for place, other in enumerate(theirs) if other.label == own.label}
        nearest = min(far, key=far.__getitem__, default=None)
        if nearest is None or far[nearest] > max(_SAME_OBJECT, tolerance):
            apart = max(apart, _missing(own.score - thresholds[own.label], tolerance))
        else:
            apart = max(apart, far[nearest])
            del theirs[nearest]
    return max([apart, *(_missing(each.score - thresholds[each.label], tolerance) for each in theirs)])


_SAME_OBJECT = 0.01  # scores, or corners by the longer side, that are further apart are of another object


class _Row(NamedTuple):
    label: int
    score: float
    corners: Sequence[float]

    def apart(self, other: _Row, size: Size) -> float:
        """Return how far two objects are from each other, by their scores or by their corners."""
        far = max(abs(one - two) for one, two in zip(self.corners, other.corners, strict=True))
        return max(abs(self.score - other.score), far / max(size))


def _missing(above: float, tolerance: float) -> float:
    return abs(above) if above <= tolerance else 1.0


def exported(symbol: Any, count: int, size: Size) -> Any:
    """Return the symbol that gives the objects of each image, (batch, 100, 6): class, score, x0, y0, x1, y1.

    They are those of `detections`, surest first; rows beyond the last have -1 everywhere.
    """
    scores = mx.sym.sigmoid(_of_peaks(symbol, count, size)).expand_dims(3)
    corners = mx.sym.slice_axis(symbol, axis=2, begin=count, end=count + 4).expand_dims(2)
    labels = mx.sym.broadcast_add(mx.sym.zeros_like(scores), mx.sym.arange(count).reshape((1, 1, -1, 1)))
    rows = mx.sym.concat(labels, scores, mx.sym.broadcast_axis(corners, axis=2, size=count), dim=3)
    found = mx.sym.contrib.box_nms(
        rows.reshape((0, -3, 0)),
        overlap_thresh=SAME,
        valid_thresh=LEAST,
        topk=CANDIDATES,
        coord_start=2,
        score_index=1,
        id_index=0,
    )
    found = mx.sym.slice_axis(found, axis=1, begin=0, end=KEPT)
    parts = [mx.sym.slice_axis(found, axis=2, begin=begin, end=begin + 1) for begin in range(6)]
    bounds = (size.width, size.height)
    inside = [mx.sym.clip(part, 0, bounds[place % 2]) for place, part in enumerate(parts[2:])]
    is_object = parts[0] >= 0
    return mx.sym.concat(*parts[:2], *(mx.sym.where(is_object, one, -mx.sym.ones_like(one)) for one in inside), dim=2)


def _of_peaks(symbol: Any, count: int, size: Size) -> Any:
    """Return the scores of all points, very low where these are the cells of one map and no peak is there."""
    scores = mx.sym.slice_axis(symbol, axis=2, begin=0, end=count)
    _, ((_, points, _),), _ = symbol.infer_shape(data=(1, 3, *size))
    cells = cells_of(points, size)
    if cells is None:
        return scores
    grid = scores.transpose((0, 2, 1)).reshape((0, 0, *cells))
    around = mx.sym.Pooling(grid, kernel=(3, 3), pad=(1, 1), pool_type="max")
    kept = mx.sym.where(grid == around, grid, grid * 0 - _NEVER)
    return kept.reshape((0, 0, -1)).transpose((0, 2, 1))


_NEVER = 50.0  # before the sigmoid
