"""How well the outlines of masks fit: the boundary F1 of Csurka et al., BMVC 2013.

In go classes of pixels, (H, W); out come counts for each class. A pixel lies on the boundary of its class where one of
its four neighbours has another class. All classes are looked at together, as bits of a word for each pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 0.0075  # of the image's diagonal, as in the paper

Words = NDArray[Any]  # unsigned integers, as large as the classes need


def boundary_f1(truth: NDArray[np.uint8], found: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """Return the F1 of the boundaries of each class, (classes,); NaN of a class that has none in the truth.

    A pixel of one boundary is right where the other has one of its class within a distance of 0.75% of the diagonal.
    Pixels whose true class is none of `classes` count for nothing.
    """
    known = truth < classes
    radius = max(1, round(_TOLERANCE * float(np.hypot(truth.shape[0], truth.shape[1]))))
    edges = [_on_boundary(each, known) for each in (truth, found)]
    scores = np.full(classes, np.nan)
    kind = np.uint8 if classes <= 8 else np.uint64
    bits = 8 * np.dtype(kind).itemsize
    for first in range(0, classes, bits):
        chosen = range(first, min(first + bits, classes))
        words = [_words(each, edge, first, kind) for each, edge in zip((truth, found), edges, strict=True)]
        near = [_dilated(each, radius) for each in words]
        recalled, true = _hits(truth, words[0], near[1], chosen)
        right, said = _hits(found, words[1], near[0], chosen)
        for place, label in enumerate(chosen):
            if true[place]:
                precision, recall = right[place] / max(1, said[place]), recalled[place] / true[place]
                scores[label] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return scores


def _on_boundary(classes: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    edge = np.zeros(classes.shape, bool)
    for axis in (0, 1):
        one, other = _neighbours(classes, axis)
        both = np.logical_and(*_neighbours(known, axis)) & (one != other)
        for part in _neighbours(edge, axis):
            part |= both
    return edge


def _neighbours(values: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    return (values[:-1], values[1:]) if axis == 0 else (values[:, :-1], values[:, 1:])


def _words(classes: NDArray[np.uint8], edge: NDArray[np.bool_], first: int, kind: Any) -> Words:
    """Return the bit of each pixel's class where it lies on a boundary, of as many classes as fit, from `first` on."""
    bits = 8 * np.dtype(kind).itemsize
    place = classes.astype(np.int64) - first
    chosen = edge & (place >= 0) & (place < bits)
    return np.where(chosen, kind(1) << (place % bits).astype(kind), kind(0))


def _dilated(words: Words, radius: int) -> Words:
    """Return the bits that are set within a distance of each pixel."""
    rows, found, width = words.copy(), np.zeros_like(words), 0
    for down in range(radius, -1, -1):
        while (width + 1) ** 2 + down**2 <= radius**2:
            width += 1
            rows[:, width:] |= words[:, :-width]
            rows[:, :-width] |= words[:, width:]
        found[down:] |= rows[: len(rows) - down]
        found[: len(rows) - down] |= rows[down:]
    return found


def _hits(classes: NDArray[np.uint8], words: Words, near: Words, chosen: range) -> tuple[Any, Any]:
    """Return for each class how many of its boundary pixels are near one of the other boundary, and how many it has."""
    labels = classes[words > 0].astype(np.int64) - chosen.start
    right = (near & words)[words > 0] > 0
    return np.bincount(labels[right], minlength=len(chosen)), np.bincount(labels, minlength=len(chosen))
