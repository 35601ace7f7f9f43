"""What is counted at one overlap, .5, of the detections and objects of images: VOC's average precision, and confusions.

Both take pairs, an image each: what was found, and what is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from runtime.data.boxes import Boxes, overlaps
from runtime.tasks.detection.precision import Detections, shares

Pairs = Sequence[tuple[Detections, Boxes]]
_ENOUGH = 0.5
_RECALLS = np.linspace(0.0, 1.0, 11)


def voc07(pairs: Pairs, label: int) -> float:
    """Return the average precision of a class as VOC 2007 has it: the mean precision at 11 recalls.

    A detection belongs to the object that it overlaps most, whether that is taken or not; the second one of an object
    is wrong. Difficult objects, and crowds, which VOC has not, count for nothing. NaN without objects.
    """
    scores, right, total = [np.zeros(0)], [np.zeros(0, bool)], 0
    for found, truth in pairs:
        own, objects = found.chosen(found.classes == label), truth.chosen(truth.classes == label)
        own = own.chosen(np.argsort(-own.scores, kind="stable"))
        total += int(objects.counts.sum())
        hits, counted = _belonging(own, objects)
        scores.append(own.scores[counted])
        right.append(hits[counted])
    if not total:
        return float("nan")
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hits = np.cumsum(np.concatenate(right)[order])
    recall, precision = hits / total, hits / np.arange(1, len(hits) + 1)
    return float(np.mean([precision[recall >= least].max(initial=0.0) for least in _RECALLS]))


def _belonging(own: Detections, objects: Boxes) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which detections, the surest first, are right, and which count."""
    hits, counted = np.zeros(len(own), bool), np.ones(len(own), bool)
    if not len(objects) or not len(own):
        return hits, counted
    shared = shares(own.corners, objects)
    nearest = shared.argmax(axis=1)
    taken = np.zeros(len(objects), bool)
    for number in np.flatnonzero(shared.max(axis=1) >= _ENOUGH):
        place = nearest[number]
        counted[number] = objects.counts[place]
        hits[number] = counted[number] and not taken[place]
        taken[place] = True
    return hits, counted


def confusion(pairs: Pairs, thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return how often objects of a class (rows) are found as one (columns), int64 (classes + 1, classes + 1).

    Detections are those at or above the threshold of their class, NaN for none. In an image the pair that overlaps most
    comes first, whatever the classes; who has a partner takes no other. The last row and column are the background:
    what was found where nothing is, and what was missed.
    """
    count = len(thresholds)
    matrix = np.zeros((count + 1, count + 1), np.int64)
    for found, truth in pairs:
        shown = found.chosen(found.scores >= thresholds[found.classes])
        objects, others = truth.chosen(truth.counts), truth.chosen(~truth.counts)
        rows, columns = _partners(overlaps(objects.corners, shown.corners))
        np.add.at(matrix, (objects.classes[rows], shown.classes[columns]), 1)
        matrix[:count, count] += np.bincount(np.delete(objects.classes, rows), minlength=count)
        alone = shown.chosen(~np.isin(np.arange(len(shown)), columns))
        excused = (shares(alone.corners, others) >= _ENOUGH).any(axis=1)
        matrix[count, :count] += np.bincount(alone.classes[~excused], minlength=count)
    return matrix


def _partners(shared: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows and columns of pairs, the largest overlap first; each is in one pair at most."""
    rows, columns = np.nonzero(shared >= _ENOUGH)
    order = np.argsort(-shared[rows, columns], kind="stable")
    kept: list[tuple[int, int]] = []
    free_rows, free_columns = set(rows.tolist()), set(columns.tolist())
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row in free_rows and column in free_columns:
            kept.append((row, column))
            free_rows.remove(row)
            free_columns.remove(column)
    found = np.array(kept, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
