"""The guard on the statistics of norms, with the real weights of EfficientNet-Lite0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from runtime.backend.mx import nd
from runtime.models import efficientnet_lite
from runtime.models.base import Base
from runtime.models.norm_statistics import MOST, norm_advice, norm_gaps
from runtime.plan.size import Size

SIDE = 128


def inputs(images: Any) -> Any:
    """Return images as the base's input."""
    pictures = [Image.fromarray(np.uint8(each)).convert("RGB").resize((SIDE, SIDE)) for each in images]
    return nd.array((np.stack([np.asarray(each, np.float32) for each in pictures]).transpose(0, 3, 1, 2) - 127) / 128)


@pytest.fixture(scope="module")
def base() -> Base:
    found = efficientnet_lite.build("efficientnet_lite0", Size.square(SIDE))
    efficientnet_lite.load_packaged("efficientnet_lite0", found)
    return found


def test_weights_in_their_place_are_not_warned_of(base: Base) -> None:
    assert max(norm_gaps(base, inputs(load_sample_images().images)).values()) < 0.8
    assert norm_advice(base, inputs(load_digits().images[:16] * 255 / 16), "net.pth") == ()


@pytest.mark.parametrize(("part", "layers"), [("block4", (1, 2)), ("block6", (2, 3)), ("block3", (0, 1))])
def test_two_norms_of_equal_shape_that_are_swapped_are_warned_of(
    base: Base, part: str, layers: tuple[int, int]
) -> None:
    block = dict(base.parts)[part]
    first, second = (block[layer].body[-1].norm for layer in layers)
    assert first.gamma.shape == second.gamma.shape
    swap(first, second)
    try:
        (problem,) = norm_advice(base, inputs(load_sample_images().images), "net.pth")
    finally:
        swap(first, second)
    assert problem.code == "W771"
    assert problem.gap > MOST
    assert f"{problem.gap:.2f} standard deviations" in problem.message()


def swap(first: Any, second: Any) -> None:
    """Exchange all that two norms know."""
    for name in ("gamma", "beta", "running_mean", "running_var"):
        one, other = getattr(first, name), getattr(second, name)
        kept = one.data().copy()
        one.set_data(other.data())
        other.set_data(kept)
