"""Average precision of detections as COCO defines it: `Matches` takes image by image, `averages` gives the numbers.

The definition is that of pycocotools (`COCOeval`, boxes, at most 100 detections of a class and image), and so are all
digits: ten overlaps from .50 to .95, precision at 101 recalls, classes and overlaps weighing the same; detections are
matched in the order of their scores, each to the free object with the largest overlap, and to an ignored one only
where no other fits. Objects outside of a range of areas are ignored within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.data.boxes import Boxes, Corners, area

OVERLAPS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST = 100  # detections of an image and class
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of areas in pixels of the stored image."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a network finds in an image, surest first: corners (n, 4), classes, scores."""

    corners: Corners
    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, which: npt.NDArray[Any]) -> Detections:
        """Return some of them, by a mask or by their places."""
        return Detections(self.corners[which], self.classes[which], self.scores[which])


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """The detections of a class in an image: whether each is right, and whether it counts for nothing.

    Both are (areas, overlaps, detections).
    """

    scores: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    ignored: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClassAverages:
    """The numbers of one class: AP by name of area, at an overlap of .5 and .75, and a threshold.

    `objects` are those that count. `threshold` is the score from which on the class is shown, if none is given that at
    which F1 at an overlap of .5 is largest; there it is `f1`, with `precision` and `recall`. What is not defined is
    NaN.
    """

    objects: int
    ap: dict[str, float]
    ap50: float
    ap75: float
    recall_limit: float  # the mean over overlaps of the recall that all detections reach
    threshold: float
    f1: float
    precision: float
    recall: float


class Matches:
    """Collects the detections of each class; a few bytes for each of them."""

    def __init__(self, classes: int) -> None:
        self._matched: list[list[_Matched]] = [[] for _ in range(classes)]
        self._objects = np.zeros((classes, len(AREAS)), np.int64)

    def update(self, found: Detections, truth: Boxes, unit: float = 1.0) -> None:
        """Take the detections and the objects of an image; `unit` is how many pixels of the stored image one is."""
        for label in np.union1d(found.classes, truth.classes):
            own = found.chosen(found.classes == label)
            order = np.argsort(-own.scores, kind="stable")[:_MOST]
            self._take(int(label), own.corners[order], own.scores[order], truth.chosen(truth.classes == label), unit)

    def _take(self, label: int, corners: Corners, scores: npt.NDArray[np.float64], truth: Boxes, unit: float) -> None:
        low, high = np.array(list(AREAS.values())).T[..., None]
        out = (truth.areas < low) | (truth.areas > high)  # (areas, objects)
        ignored = out | ~truth.counts
        self._objects[label] += (~ignored).sum(axis=1)
        if not len(scores):
            return
        areas = area(corners) * unit
        right, passed = matched(shares(corners, truth), truth.crowd, ignored)
        unmatched = ~right & ((areas < low) | (areas > high))[:, None]
        self._matched[label].append(_Matched(scores, right & ~passed, passed | unmatched))

    def averages(self, thresholds: Sequence[float] = ()) -> list[ClassAverages]:
        """Return the numbers of each class; F1, precision and recall at its threshold where there are such."""
        own = thresholds or (None,) * len(self._matched)
        return [_class_averages(*each) for each in zip(self._matched, self._objects, own, strict=True)]


def shares(corners: Corners, truth: Boxes) -> npt.NDArray[np.float64]:
    """Return the overlaps (detections, objects): with a crowd, the share of the detection inside of it."""
    low = np.maximum(corners[:, None, :2], truth.corners[None, :, :2])
    sides = np.maximum(np.minimum(corners[:, None, 2:], truth.corners[None, :, 2:]) - low, 0)
    common = sides[..., 0] * sides[..., 1]
    own = area(corners)[:, None]
    whole = np.where(truth.crowd[None], own, own + area(truth.corners)[None] - common)
    found: npt.NDArray[np.float64] = np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
    return found


def matched(
    overlaps: npt.NDArray[np.float64], crowd: npt.NDArray[np.bool_], ignored: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Match detections, the surest first, with objects.

    Args:
        overlaps: (detections, objects).
        crowd: which objects may be matched again, (objects,).
        ignored: which count for nothing, for each range of areas, (areas, objects).

    Returns:
        Whether each detection is matched, and whether with an ignored object, (areas, overlaps, detections).
    """
    count, objects = overlaps.shape
    shape = (len(ignored), len(OVERLAPS), count)
    right, passed = np.zeros(shape, bool), np.zeros(shape, bool)
    taken = np.zeros((*shape[:2], objects), bool)
    limits = np.minimum(OVERLAPS, 1 - 1e-10)[:, None]
    for number in np.flatnonzero((overlaps >= limits[0]).any(axis=1) if objects else ()):
        fits = (overlaps[number] >= limits)[None] & (~taken | crowd)
        counts = fits & ~ignored[:, None]
        value = np.where(np.where(counts.any(axis=2, keepdims=True), counts, fits), overlaps[number], -1.0)
        best = objects - 1 - np.argmax(value[..., ::-1], axis=2)  # of equal ones the last
        is_matched = fits.any(axis=2)
        areas, limit = np.nonzero(is_matched)
        own = best[areas, limit]
        taken[areas, limit, own] = True
        right[areas, limit, number] = True
        passed[areas, limit, number] = ignored[areas, own]
    return right, passed


def _class_averages(
    found: Sequence[_Matched], objects: npt.NDArray[np.int64], threshold: float | None
) -> ClassAverages:
    names = list(AREAS)
    scores = np.concatenate([each.scores for each in found]) if found else np.zeros(0)
    order = np.argsort(-scores, kind="mergesort")
    empty = np.zeros((len(names), len(OVERLAPS), 0), bool)
    right, ignored = (
        np.concatenate([getattr(each, what) for each in found] or [empty], axis=2)[..., order]
        for what in ("right", "ignored")
    )
    curves = [_precisions(right[place], ignored[place], int(objects[place])) for place in range(len(names))]
    whole, reached = curves[0]
    ap = {name: float(curve.mean()) for name, (curve, _) in zip(names, curves, strict=True)}
    ap50, ap75 = (float(whole[place].mean()) for place in (0, 5))
    best = _at_threshold(scores[order], right[0, 0], ignored[0, 0], int(objects[0]), threshold)
    return ClassAverages(int(objects[0]), ap, ap50, ap75, float(reached.mean()), *best)


def _precisions(
    right: npt.NDArray[np.bool_], ignored: npt.NDArray[np.bool_], objects: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the precision at each overlap and recall, and the recall of all detections; NaN without objects."""
    found, reached = np.zeros((len(OVERLAPS), len(_RECALLS))), np.zeros(len(OVERLAPS))
    if not objects:
        return found + np.nan, reached + np.nan
    for place in range(len(OVERLAPS)):
        hits = np.cumsum(right[place] & ~ignored[place]).astype(float)
        misses = np.cumsum(~right[place] & ~ignored[place]).astype(float)
        if not len(hits):
            continue
        recall, precision = hits / objects, hits / (misses + hits + np.spacing(1))
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, _RECALLS, side="left")
        found[place] = np.append(precision, 0.0)[np.minimum(at, len(precision))]
        reached[place] = recall[-1]
    return found, reached


def _at_threshold(
    scores: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    ignored: npt.NDArray[np.bool_],
    objects: int,
    threshold: float | None,
) -> tuple[float, float, float, float]:
    """Return a threshold, and F1, precision and recall there.

    Where none is given it is the score at which F1 is largest, of equal ones the highest; NaN where nothing is right.
    """
    counts = ~ignored
    last = np.append(scores[1:] != scores[:-1], True) if len(scores) else np.zeros(0, bool)  # equal scores go together
    hits, shown, reached = np.cumsum(right & counts)[last], np.cumsum(counts)[last], scores[last]
    if threshold is None:
        at = int(np.argmax(2 * hits / (shown + objects))) if objects and len(hits) and hits[-1] else -1
        threshold = float(reached[at]) if at >= 0 else np.nan
    else:
        at = int((reached >= threshold).sum()) - 1
    hit, seen = (int(hits[at]), int(shown[at])) if at >= 0 else (0, 0)
    if not objects:
        return threshold, np.nan, np.nan, np.nan
    return threshold, 2 * hit / (seen + objects), hit / seen if seen else np.nan, hit / objects


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are defined; NaN where none is."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
