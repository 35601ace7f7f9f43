"""Each transform against its definition, and the same result from the same generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from runtime import transforms as t


def photo(width: int = 60, height: int = 40) -> Image.Image:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


ALL: dict[str, Callable[[], t.Transform]] = {
    "resize": lambda: t.resize(32),
    "center_crop": lambda: t.center_crop(32),
    "random_crop": lambda: t.random_crop(32, 4),
    "random_resized_crop": lambda: t.random_resized_crop(32),
    "flip": lambda: t.flip("horizontal"),
    "color_jitter": lambda: t.color_jitter(0.4, 0.4, 0.4, 0.1),
    "lighting": lambda: t.lighting(0.1),
}


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_the_generator_decides_alone(make: Callable[[], t.Transform]) -> None:
    first, second = (make()(photo(), rng(5)) for _ in range(2))
    assert np.array_equal(pixels(first), pixels(second))
    assert first.mode == "RGB"


@pytest.mark.parametrize("name", ["random_crop", "random_resized_crop", "flip", "color_jitter", "lighting"])
def test_random_ones_differ(name: str) -> None:
    results = {pixels(ALL[name]()(photo(), rng(seed))).tobytes() for seed in range(8)}
    assert len(results) > 1


@pytest.mark.parametrize(("size", "expected"), [((60, 40), (48, 32)), ((40, 60), (32, 48)), ((10, 10), (32, 32))])
def test_resize_sets_the_shorter_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert t.resize(32)(photo(*size), rng()).size == expected


def test_center_crop_takes_the_middle() -> None:
    image = photo(60, 40)
    assert np.array_equal(pixels(t.center_crop(32)(image, rng())), pixels(image)[4:36, 14:46])


@pytest.mark.parametrize("name", ["center_crop", "random_crop", "random_resized_crop"])
@pytest.mark.parametrize("size", [(10, 10), (3, 90), (90, 3), (1, 1)])
def test_crops_take_any_image(name: str, size: tuple[int, int]) -> None:
    assert ALL[name]()(photo(*size), rng()).size == (32, 32)


def test_random_crop_pads_with_black() -> None:
    image = Image.new("RGB", (32, 32), (255, 255, 255))
    corners = [pixels(t.random_crop(32, 8)(image, rng(seed))) for seed in range(20)]
    assert any((corner[0] == 0).all() for corner in corners)
    assert all(corner.max() == 255 for corner in corners)


def test_random_resized_crop_of_the_whole_is_a_resize() -> None:
    image = photo(40, 40)
    whole = t.random_resized_crop(32, (1.0, 1.0), (1.0, 1.0))(image, rng())
    assert np.array_equal(pixels(whole), pixels(image.resize((32, 32), Image.Resampling.BICUBIC)))


def test_flip_mirrors_half_of_the_images() -> None:
    image = photo()
    flip = t.flip("horizontal")
    mirrored = [np.array_equal(pixels(flip(image, rng(seed))), pixels(image)[:, ::-1]) for seed in range(400)]
    assert 160 < sum(mirrored) < 240
    upside_down = t.flip("vertical", 1.0)(image, rng())
    assert np.array_equal(pixels(upside_down), pixels(image)[::-1])


def test_no_jitter_and_no_lighting_change_nothing() -> None:
    image = photo()
    assert np.array_equal(pixels(t.color_jitter()(image, rng())), pixels(image))
    assert np.array_equal(pixels(t.lighting(0.0)(image, rng())), pixels(image))


def test_brightness_is_a_factor() -> None:
    grey = Image.new("RGB", (4, 4), (100, 100, 100))
    values = [int(pixels(t.color_jitter(brightness=0.5)(grey, rng(seed)))[0, 0, 0]) for seed in range(200)]
    assert 50 <= min(values) < 60
    assert 140 < max(values) <= 150


def test_hue_keeps_grey_grey() -> None:
    grey = Image.new("RGB", (4, 4), (100, 100, 100))
    assert np.array_equal(pixels(t.color_jitter(hue=0.5)(grey, rng(3))), pixels(grey))


def test_lighting_shifts_all_pixels_of_a_channel_alike() -> None:
    grey = Image.new("RGB", (4, 4), (100, 100, 100))
    moved = pixels(t.lighting(0.1)(grey, rng(3))).reshape(-1, 3)
    assert (moved == moved[0]).all()
    assert (moved[0] != 100).any()


def test_compose_applies_in_order() -> None:
    image = photo()
    both = t.compose([t.resize(36), t.center_crop(32)])(image, rng())
    assert np.array_equal(pixels(both), pixels(t.center_crop(32)(t.resize(36)(image, rng()), rng())))
