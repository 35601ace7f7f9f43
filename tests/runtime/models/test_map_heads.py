"""The heads over several maps beside NumPy: pyramids for pixels, and the points of a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from runtime.backend.mx import autograd, mx, nd
from runtime.models.anchor_free import AnchorFree
from runtime.models.pyramid import FeaturePyramid, FullyConvolutional

CHANNELS = (3, 4, 5)
MAPS = [
    np.random.default_rng(place).normal(size=(2, channels, 16 // 2**place, 24 // 2**place)).astype(np.float32)
    for place, channels in enumerate(CHANNELS)
]


def initialized(block: Any) -> tuple[Any, dict[str, Any]]:
    """Return a block with random weights that computes as it predicts, and its weights by name."""
    mx.random.seed(3)
    block.initialize(mx.init.Normal(0.4), force_reinit=True)
    block(*map(nd.array, MAPS))
    values = {name: each.data().asnumpy() for name, each in block._collect_params_with_prefix().items()}
    return block, values


def doubled(maps: Any) -> Any:
    """Return maps of twice the size, bilinear between the middles of cells."""
    height, width = maps.shape[2:]
    rows, columns = ((np.arange(2 * side) + 0.5) / 2 - 0.5 for side in (height, width))
    places = np.meshgrid(rows, columns, indexing="ij")
    large = [map_coordinates(plane, places, order=1, mode="nearest") for plane in maps.reshape(-1, height, width)]
    return np.reshape(large, (*maps.shape[:2], 2 * height, 2 * width))


def across(maps: Any, values: dict[str, Any], name: str) -> Any:
    """Return a 1 x 1 convolution."""
    found = np.einsum("bchw,oc->bohw", maps, values[f"{name}.weight"][:, :, 0, 0])
    return found + values[f"{name}.bias"][:, None, None]


def smoothed(maps: Any, values: dict[str, Any], name: str) -> Any:
    """Return a 3 x 3 convolution, the norm by statistics of mean 0 and variance 1, and ReLU."""
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    found = np.einsum("bchwij,ocij->bohw", windows, values[f"{name}.0.weight"])
    return np.maximum(found / np.sqrt(1 + 1e-3), 0)


def test_a_feature_pyramid_adds_coarser_maps_to_finer_ones() -> None:
    block, values = initialized(FeaturePyramid(CHANNELS, 6, 2))
    value = None
    for place in (2, 1, 0):
        own = across(MAPS[place], values, f"lateral.{place}")
        value = smoothed(own if value is None else own + doubled(value), values, f"smooth.{place}")
    expected = across(value, values, "scores")
    np.testing.assert_allclose(block(*map(nd.array, MAPS)).asnumpy(), expected, rtol=1e-3, atol=1e-4)


def test_an_fcn_adds_the_scores_of_all_maps() -> None:
    block = FullyConvolutional(CHANNELS, 2)
    block.initialize()
    assert not block(*map(nd.array, MAPS)).asnumpy().any()  # without an opinion
    rng = np.random.default_rng(9)
    for each in block.collect_params().values():
        each.set_data(nd.array(rng.normal(size=each.shape)))
    values = {name: each.data().asnumpy() for name, each in block._collect_params_with_prefix().items()}
    one, two, three = (across(maps, values, f"scores.{place}") for place, maps in enumerate(MAPS))
    expected = one + doubled(two + doubled(three))
    np.testing.assert_allclose(block(*map(nd.array, MAPS)).asnumpy(), expected, rtol=1e-4, atol=1e-4)


def test_points_of_a_detector_reach_from_the_middles_of_their_cells() -> None:
    """With nothing but biases each box reaches 2 log(1 + exp(scale)) cells far, and each class 1%."""
    block = AnchorFree(CHANNELS, 8, 3)
    block.initialize()
    for name, each in block._collect_params_with_prefix().items():
        if name.endswith("weight"):
            each.set_data(nd.zeros(each.shape))
    block.scales.set_data(nd.array([1, 2, 3]))
    with autograd.predict_mode():
        found = block(*map(nd.array, MAPS)).asnumpy()[1]
    np.testing.assert_allclose(1 / (1 + np.exp(-found[:, :3])), 0.01, rtol=1e-4)
    expected = [
        [(x + 0.5 - reach) * stride, (y + 0.5 - reach) * stride, (x + 0.5 + reach) * stride, (y + 0.5 + reach) * stride]
        for stride, scale, maps in zip((8, 16, 32), (1, 2, 3), MAPS, strict=True)
        for reach in (2 * np.log(1 + np.exp(scale)),)
        for y in range(maps.shape[2])
        for x in range(maps.shape[3])
    ]
    np.testing.assert_allclose(found[:, 3:], expected, rtol=1e-4, atol=1e-3)
