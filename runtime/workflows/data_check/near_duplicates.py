"""Which images are nearly the same: saved again, resized, brighter or mirrored left to right; not cropped or turned.

In go the thumbnails of images; out come pairs of their indices. Pictures are compared
without their own brightness and contrast. The distance of two is the root of the mean squared difference, in standard
deviations of brightness. It cannot be less than that of a few coefficients of their cosine transform, so that a k-d
tree over those finds every pair without comparing all.

In a set whose images all look alike, as photos of one product do, two may be close for that reason alone. What differs
from the mean of all the others must therefore be alike too. Pictures without contrast are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runtime.workflows.data_check.thumbnails import SIDE, Thumbnail

if TYPE_CHECKING:
    from scipy.spatial import KDTree

Floats = npt.NDArray[np.float32]

FLAT = 3.0  # standard deviation of brightness, of 255, below which a picture is nearly blank
_FAR = 0.055  # saved as JPEG again at quality 75: 0.03 to 0.043; the nearest of two different solar cells: 0.057
_ALIKE = 0.995  # correlation of what differs from the mean
_COLOUR = 20  # of 255, between the tints of a part of the picture
_COEFFICIENTS = 16
_FREQUENCIES = 6  # of each axis, of which the coefficients with the largest variance are taken
_CHUNK = 5000  # pairs that are compared at once: 20 MB for each step of it
_MOST = 2_000_000  # pairs that may be close, in both orders
_NEAREST = 16


def near_pairs(found: Sequence[Thumbnail | None]) -> list[tuple[int, int]]:
    """Return the pairs of positions, the first the smaller, of looks that are nearly the same; None takes no part."""
    indices = [index for index, look in enumerate(found) if look and look.grey is not None and look.spread >= FLAT]
    if len(indices) < 2:
        return []
    grey = np.empty((len(indices), SIDE * SIDE), np.float32)  # 4 kB an image: the largest thing here
    for row, index in zip(grey, indices, strict=True):
        row[:] = _grey(found[index])
    tints = np.stack([_tint(found[index]) for index in indices])
    total, kept = grey.sum(axis=0), set()
    for is_mirrored, close in zip((False, True), _close(grey), strict=True):
        if is_mirrored:
            total = (total + _mirrored(total)) / 2
        for part in np.array_split(close, len(close) // _CHUNK + 1):
            kept |= {tuple(pair) for pair in part[_same(part, grey, total, tints, is_mirrored)].tolist()}
    return sorted((indices[one], indices[other]) for one, other in kept)


def _mirrored(grey: Floats) -> Floats:
    """Return pictures, float32 (…, SIDE * SIDE), mirrored left to right."""
    return grey.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(grey.shape)


def _grey(look: Thumbnail | None) -> Floats:
    """Return the small picture flat, with mean 0 and standard deviation 1, float32 (SIDE * SIDE)."""
    assert look is not None
    assert look.grey is not None
    values = look.grey.astype(np.float32).ravel()
    values -= values.mean()
    return np.asarray(values / look.spread, np.float32)


def _tint(look: Thumbnail | None) -> Floats:
    """Return the grid of colours less its brightness, float32 (4, 4, 3)."""
    assert look is not None
    assert look.colour is not None
    values = look.colour.astype(np.float32)
    return np.asarray(values - values.mean(axis=2, keepdims=True))


def _close(grey: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the pairs, shape (number, 2), whose coefficients are close: all that are close, and some others.

    The second array has those of which one is mirrored: its waves with an odd number of half periods change sign.
    """
    from scipy.spatial import KDTree

    cosines = _cosines()
    pictures = grey.reshape(len(grey), SIDE, SIDE)
    spectra = (cosines @ pictures @ cosines.T).reshape(len(grey), -1)
    strongest = np.argsort(-spectra.var(axis=0))[:_COEFFICIENTS]
    points = spectra[:, strongest] / SIDE
    tree, mirror = KDTree(points), KDTree(np.where(strongest % _FREQUENCIES % 2, -points, points))
    return _within(tree, tree), _within(tree, mirror)


def _within(tree: KDTree, other: KDTree) -> npt.NDArray[np.intp]:
    """Return the pairs of different points, one of each tree, that are close; of very many each point's nearest."""
    if tree.count_neighbors(other, _FAR) <= _MOST + tree.n:
        found = tree.sparse_distance_matrix(other, _FAR, output_type="ndarray")
        pairs = np.stack([found["i"], found["j"]], axis=1)
    else:  # thousands of copies of one picture
        _, near = other.query(tree.data, _NEAREST, distance_upper_bound=_FAR)
        pairs = np.stack([np.repeat(np.arange(tree.n), _NEAREST), near.ravel()], axis=1)
        pairs = np.unique(np.sort(pairs[near.ravel() < tree.n], axis=1), axis=0)
    return np.asarray(pairs[pairs[:, 0] < pairs[:, 1]], np.intp)


def _cosines() -> Floats:
    """Return the first rows of the orthonormal cosine transform (type II), float32 (_FREQUENCIES, SIDE)."""
    frequency, place = np.mgrid[:_FREQUENCIES, :SIDE]
    rows = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE))
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


def _same(
    pairs: npt.NDArray[np.intp], grey: Floats, total: Floats, tints: Floats, is_mirrored: bool
) -> npt.NDArray[np.bool_]:
    """Return which pairs are nearly the same, the second one mirrored or not; `total` is the sum of all pictures."""
    one, other = grey[pairs[:, 0]], grey[pairs[:, 1]]
    theirs = tints[pairs[:, 1]]
    if is_mirrored:
        other, theirs = _mirrored(other), theirs[:, :, ::-1]
    far = np.sqrt(np.square(one - other).mean(axis=1))
    mean = (total - one - other) / (len(grey) - 2) if len(grey) > 2 else np.zeros_like(one)
    one, other = one - mean, other - mean
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    alike = (one * other).sum(axis=1) > _ALIKE * size
    tint = np.abs(tints[pairs[:, 0]] - theirs).max(axis=(1, 2, 3))
    return np.asarray((far <= _FAR) & alike & (tint <= _COLOUR))
