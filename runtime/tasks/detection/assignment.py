"""Which points of a network learn which object, and all that a step and an evaluation need, as one array.

The rule is ATSS (Zhang et al., arXiv 1912.02424): a point stands for a square of five strides; of each object the nine
nearest points of each map are candidates, and those learn it that lie inside and whose squares overlap it by the mean
of the candidates and their standard deviation, at least. It depends on the boxes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.data.boxes import Boxes, Corners, overlaps
from runtime.models.anchor_free import STRIDES
from runtime.plan.size import Size

Floats = npt.NDArray[np.float32]
COLUMNS = 8
NOTHING, IGNORED = -1, -2
"""What stands in place of a class where a point learns that there is no object, and where it learns nothing."""

_NEAREST = 9
_SQUARE = 5  # strides
LEAST_SIDE = 2.0  # pixels of a side: a smaller object is none that could be learned


def collated(targets: Sequence[Boxes]) -> Floats:
    """Return the targets of a batch: float32 (N, points + 1 + objects, 8).

    A row of a point is its class and the box that it learns. The next row is how many pixels of the stored image a
    pixel is worth, then width and height, and 1 in the last column. A row of an object is its class, box, 1 where it is
    difficult, 2 a crowd, and its area in the stored image; rows that fill up have the class -1.
    """
    objects = -(-max(len(each) for each in targets) // _FILLED) * _FILLED  # few different shapes
    frames = {each.frame for each in targets}
    assert len(frames) == 1
    (frame,) = frames
    assert frame is not None
    points = len(points_of(frame)[0])
    found = np.zeros((len(targets), points + 1 + objects, COLUMNS), np.float32)
    found[:, :points, 0] = found[:, points + 1 :, 0] = NOTHING
    for row, each in zip(found, targets, strict=True):
        places, values = _assigned(each)
        row[places, :5] = values
        row[points, [0, 1, 2, -1]] = each.unit, frame.width, frame.height, 1
        own = row[points + 1 : points + 1 + len(each)]
        own[:, 0], own[:, 1:5], own[:, 6] = each.classes, each.corners, each.areas
        own[:, 5] = np.where(each.crowd, 2, each.difficult)
    return found


_FILLED = 16


@lru_cache(4)
def points_of(frame: Size) -> tuple[Corners, npt.NDArray[np.int64]]:
    """Return the points of an image, (points, 2), in the order of the network's outputs, and the stride of each."""
    points, strides = [], []
    for stride in STRIDES:
        x, y = ((np.arange(ceil(side / stride)) + 0.5) * stride for side in (frame.width, frame.height))
        each = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        points.append(each)
        strides.append(np.full(len(each), stride))
    return np.concatenate(points), np.concatenate(strides)


@lru_cache(20_000)
def _assigned(boxes: Boxes) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the points that learn something else than nothing, and for each a class and a box.

    Views come again in each epoch, which is why this remembers: a few kilobytes for each.
    """
    assert boxes.frame is not None
    points, _ = points_of(boxes.frame)
    rows = np.zeros((len(points), 5))
    rows[:, 0] = NOTHING
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    learned = boxes.counts & (sides >= LEAST_SIDE).all(axis=1)
    for corners in boxes.corners[~learned]:
        rows[_inside(points, corners), 0] = IGNORED
    chosen = boxes.chosen(learned)
    places, objects = assign(chosen.corners, boxes.frame)
    rows[places, 0], rows[places, 1:] = chosen.classes[objects], chosen.corners[objects]
    told = np.flatnonzero(rows[:, 0] != NOTHING)
    return told, rows[told].astype(np.float32)


def assign(corners: Corners, frame: Size) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the points that learn an object, and which of the boxes (n, 4) that is."""
    points, strides = points_of(frame)
    if not len(corners):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    half = (strides * (_SQUARE / 2))[:, None]
    squares = np.concatenate([points - half, points + half], axis=1)
    middles = (corners[:, :2] + corners[:, 2:]) / 2
    distances = np.square(middles[:, None] - points[None]).sum(axis=2)
    nearest = []
    for stride in STRIDES:
        own = np.flatnonzero(strides == stride)
        order = np.argsort(distances[:, own], axis=1, kind="stable")[:, :_NEAREST]
        nearest.append(own[order])
    candidates = np.concatenate(nearest, axis=1)  # (n, candidates)
    shared = np.stack([overlaps(box[None], squares[own])[0] for box, own in zip(corners, candidates, strict=True)])
    least = shared.mean(axis=1) + shared.std(axis=1)
    inside = np.stack([_inside(points[own], box) for box, own in zip(corners, candidates, strict=True)])
    takes = (shared >= least[:, None]) & inside
    best = np.full(len(points), -1.0)
    owner = np.full(len(points), -1)
    for number, (own, taken, values) in enumerate(zip(candidates, takes, shared, strict=True)):
        if not taken.any():  # none lies inside: the nearest point learns it
            taken = np.arange(len(own)) == np.argmin(distances[number, own])
        wins = taken & (values > best[own])
        best[own[wins]], owner[own[wins]] = values[wins], number
    places = np.flatnonzero(owner >= 0)
    return places, owner[places]


def _inside(points: Corners, box: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = ((points > box[:2]) & (points < box[2:])).all(axis=1)
    return found


def truth_of(rows: Floats) -> Boxes:
    """Return the objects of an image of its collated targets."""
    points = int(rows[:, -1].argmax())
    unit, width, height = rows[points, :3].tolist()
    own = rows[points + 1 :][rows[points + 1 :, 0] != NOTHING].astype(np.float64)
    return Boxes(
        own[:, 1:5],
        own[:, 0].astype(np.int64),
        own[:, 5] == 1,
        own[:, 5] == 2,
        own[:, 6],
        Size(int(height), int(width)),
        unit=unit,
    )
