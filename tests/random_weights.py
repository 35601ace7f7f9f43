"""Weights and images that are random and the same everywhere: made of a name and a shape by NumPy alone.

What records the outputs of another framework and the test that compares ours with them both make them here, so that no
weights have to be kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def random_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return values of a moderate size for parameters by their names in a PyTorch file, and for statistics of norms."""
    return {name: _values(name, shape).astype(np.float32) for name, shape in shapes.items()}


def _values(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    leaf = name.rpartition(".")[2]
    if leaf == "running_var":
        return rng.uniform(0.5, 2.0, shape)
    if len(shape) > 1:
        return rng.normal(size=shape) * np.sqrt(1.5 / np.prod(shape[1:]))
    if leaf in ("weight", "gamma"):  # of a norm, or the scale of a layer
        return rng.uniform(0.7, 1.3, shape)
    return rng.normal(size=shape) * 0.2


def random_images(count: int, height: int, width: int) -> Array:
    """Return images of soft noise as a network's input, (count, 3, height, width)."""
    rng = np.random.default_rng(height * 10_000 + width)
    coarse = rng.normal(size=(count, 3, -(-height // 8), -(-width // 8)))
    smooth = coarse.repeat(8, axis=2).repeat(8, axis=3)[:, :, :height, :width]
    return (smooth + 0.5 * rng.normal(size=smooth.shape)).astype(np.float32)


def random_sums(features: npt.NDArray[np.floating]) -> Array:
    """Return 32 random sums of an image's features, in which each of them shows."""
    return (features @ np.random.default_rng(7).normal(size=(len(features), 32))).astype(np.float32)
