"""Mixup and cutmix: pixels and shares by their definitions, and losses mixed as the pixels are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from steps import step

from runtime.data.transforms.mixed import MixedTargets, mixed, mixes


def batch(count: int = 6, height: int = 20, width: int = 30) -> tuple[Any, Any]:
    """Return images of one grey each, and the grey as their target."""
    greys = np.arange(count) * 40
    return np.repeat(greys, height * width * 3).reshape(count, height, width, 3).astype(np.uint8), greys


def after(*steps: Any, seed: int = 0) -> tuple[Any, Any]:
    return mixed(steps, *batch(), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_the_mean_of_an_image_is_that_of_its_targets(name: str, seed: int) -> None:
    images, targets = after(step(name, 1.0), seed=seed)
    assert isinstance(targets, MixedTargets)
    expected = targets.share * targets.targets + (1 - targets.share) * targets.others
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), expected, atol=0.5)
    assert sorted(targets.others) == sorted(targets.targets)


def test_cutmix_puts_one_rectangle_at_the_same_position_into_all() -> None:
    images, targets = after(step("cutmix", 1.0), seed=3)
    changed = images[..., 0] != np.array(targets.targets)[:, None, None]
    where = changed.any(axis=0)
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    assert where[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert where.mean() == pytest.approx(1 - targets.share)


def test_the_share_of_mixup_is_of_the_beta_distribution() -> None:
    shares = np.array([after(step("mixup", 0.4), seed=seed)[1].share for seed in range(400)])
    assert abs(shares.mean() - 0.5) < 0.05
    assert abs(shares.var() - 1 / (4 * (2 * 0.4 + 1))) < 0.02


def test_at_most_one_step_mixes_a_batch() -> None:
    half, rest = step("mixup", 1.0, p=0.5), step("cutmix", 1.0, p=0.5)
    found = []
    for seed in range(300):
        images, targets = after(half, rest, seed=seed)
        blended = len(np.unique(images[1:])) > 12 or not set(np.unique(images)) <= set(batch()[1])
        found.append("none" if not isinstance(targets, MixedTargets) else "mixup" if blended else "cutmix")
    assert abs(found.count("mixup") - 150) < 50
    assert abs(found.count("none") - 75) < 40
    assert found.count("cutmix") > 30


def test_nothing_is_mixed_without_a_step_for_it() -> None:
    images, targets = batch()
    assert not mixes([step("flip", "horizontal")])
    found = mixed([step("flip", "horizontal")], images, targets, np.random.default_rng(0))
    assert found[0] is images
    assert found[1] is targets
