"""Which images are nearly the same: saved again, resized, or brighter; not cropped, mirrored or turned.

In go the small pictures of images (`runtime/data/looks.py`); out come pairs of their positions. Pictures are compared
without their own brightness and contrast. The distance of two is the root of the mean squared difference, in standard
deviations of brightness. It cannot be less than that of a few coefficients of their cosine transform, so that a k-d
tree over those finds every pair without comparing all.

In a set whose images all look alike, as photos of one product do, two may be close for that reason alone. What differs
from the mean of all the others must therefore be alike too. Pictures without contrast are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from runtime.data.looks import SIDE, Look

Floats = npt.NDArray[np.float32]

FLAT = 3.0  # standard deviation of brightness, of 255, below which a picture is nearly blank
_FAR = 0.06  # saved as JPEG again at quality 75: 0.03; the nearest of two different solar cells: 0.06
_ALIKE = 0.995  # correlation of what differs from the mean
_COLOUR = 20  # of 255, between the tints of a part of the picture
_COEFFICIENTS = 16
_FREQUENCIES = 6  # of each axis, of which the coefficients with the largest variance are taken
_CHUNK = 5000  # pairs that are compared at once: 20 MB for each step of it
_MOST = 20_000_000  # pairs that may be compared


def near_pairs(found: Sequence[Look | None]) -> list[tuple[int, int]]:
    """Return the pairs of positions, the first the smaller, of looks that are nearly the same; None takes no part."""
    places = [place for place, look in enumerate(found) if look and look.grey is not None and look.spread >= FLAT]
    if len(places) < 2:
        return []
    grey = np.empty((len(places), SIDE * SIDE), np.float32)  # 4 kB an image: the largest thing here
    for row, place in zip(grey, places, strict=True):
        row[:] = _grey(found[place])
    tints = np.stack([_tint(found[place]) for place in places])
    close, total = _close(grey), grey.sum(axis=0)
    kept = [part[_same(part, grey, total, tints)] for part in np.array_split(close, len(close) // _CHUNK + 1)]
    return sorted((places[one], places[other]) for one, other in np.concatenate(kept).tolist())


def _grey(look: Look | None) -> Floats:
    """Return the small picture flat, with mean 0 and standard deviation 1, float32 (SIDE * SIDE)."""
    assert look is not None
    assert look.grey is not None
    values = look.grey.astype(np.float32).ravel()
    values -= values.mean()
    return np.asarray(values / look.spread, np.float32)


def _tint(look: Look | None) -> Floats:
    """Return the grid of colours less its brightness, float32 (4, 4, 3)."""
    assert look is not None
    assert look.colour is not None
    values = look.colour.astype(np.float32)
    return np.asarray(values - values.mean(axis=2, keepdims=True))


def _close(grey: Floats) -> npt.NDArray[np.intp]:
    """Return the pairs, shape (number, 2), whose coefficients are close: all that are close, and some others."""
    from scipy.spatial import KDTree

    cosines = _cosines()
    pictures = grey.reshape(len(grey), SIDE, SIDE)
    spectra = (cosines @ pictures @ cosines.T).reshape(len(grey), -1)
    strongest = np.argsort(-spectra.var(axis=0))[:_COEFFICIENTS]
    tree = KDTree(spectra[:, strongest] / SIDE)
    radius = _FAR
    # A set of thousands of copies of one image has too many pairs for the memory: the closest are found all the same.
    while tree.count_neighbors(tree, radius) > 2 * _MOST + len(grey) and radius > _FAR / 100:
        radius /= 2
    return np.asarray(tree.query_pairs(radius, output_type="ndarray"), dtype=np.intp).reshape(-1, 2)


def _cosines() -> Floats:
    """Return the first rows of the orthonormal cosine transform (type II), float32 (_FREQUENCIES, SIDE)."""
    frequency, place = np.mgrid[:_FREQUENCIES, :SIDE]
    rows = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE))
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


def _same(pairs: npt.NDArray[np.intp], grey: Floats, total: Floats, tints: Floats) -> npt.NDArray[np.bool_]:
    """Return which pairs are nearly the same; `total` is the sum of all pictures."""
    one, other = grey[pairs[:, 0]], grey[pairs[:, 1]]
    far = np.sqrt(np.square(one - other).mean(axis=1))
    mean = (total - one - other) / (len(grey) - 2) if len(grey) > 2 else np.zeros_like(one)
    one, other = one - mean, other - mean
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    alike = (one * other).sum(axis=1) > _ALIKE * size
    tint = np.abs(tints[pairs[:, 0]] - tints[pairs[:, 1]]).max(axis=(1, 2, 3))
    return np.asarray((far <= _FAR) & alike & (tint <= _COLOUR))
