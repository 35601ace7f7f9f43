"""Each transform against its definition, and the same result from the same generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from steps import Made, made, step

from runtime.data.transforms.catalog import TRANSFORMS
from runtime.data.transforms.changes import Recolor, changed, moved
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.vocabulary import VOCABULARY


def photo(width: int = 60, height: int = 40) -> Image.Image:
    small = Image.fromarray(rng().integers(0, 256, (8, 12, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def places(width: int, height: int) -> Image.Image:
    """Return an image whose pixels hold (x + 1, y + 1, 255): never black, each another one."""
    y, x = np.mgrid[1 : height + 1, 1 : width + 1]
    return Image.fromarray(np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8))


def plain(*colour: int) -> Image.Image:
    return Image.new("RGB", (4, 4), colour)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


ALL: dict[str, Callable[[], Made]] = {
    "resize": lambda: made("resize", 32),
    "center_crop": lambda: made("center_crop", 32),
    "stretch": lambda: made("stretch", 32),
    "letterbox": lambda: made("letterbox", 32),
    "random_crop": lambda: made("random_crop", 32, 4),
    "random_resized_crop": lambda: made("random_resized_crop", 32),
    "flip": lambda: made("flip", "horizontal"),
    "iou_crop": lambda: made("iou_crop", 32),
    "zoom_out": lambda: made("zoom_out"),
    "color_jitter": lambda: made("color_jitter", 0.4, hue=0.1),
    "lighting": lambda: made("lighting", 0.1),
    "rotation": lambda: made("rotation", 30),
    "affine": lambda: made("affine", degrees=20, translate=0.1, scale=(0.8, 1.2), shear=10),
    "perspective": lambda: made("perspective", 0.4, p=1.0),
    "blur": lambda: made("blur"),
    "sharpness": lambda: made("sharpness"),
    "posterize": lambda: made("posterize"),
    "solarize": lambda: made("solarize"),
    "grayscale": lambda: made("grayscale", p=0.5),
    "equalize": lambda: made("equalize"),
    "autocontrast": lambda: made("autocontrast"),
    "invert": lambda: made("invert"),
    "erasing": lambda: made("erasing"),
    "rand_augment": lambda: made("rand_augment"),
    "trivial_augment": lambda: made("trivial_augment"),
    "auto_augment": lambda: made("auto_augment"),
    "aug_mix": lambda: made("aug_mix"),
}
CROPS = ("center_crop", "random_crop", "random_resized_crop")


def test_every_step_of_the_language_is_a_row() -> None:
    families = VOCABULARY.families
    assert {name for name, row in TRANSFORMS.items() if row.augments} == set(families["augment"].entries)
    assert {name for name, row in TRANSFORMS.items() if not row.augments} == set(families["prepare"].entries)
    assert {name for name, row in TRANSFORMS.items() if row.draw} == set(ALL)


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_image_and_generator_decide_alone(make: Callable[[], Made]) -> None:
    image, transform = photo(), make()
    first = transform(image, rng(5))
    transform(photo(50, 70), rng(6))  # leaves nothing behind
    assert np.array_equal(pixels(first), pixels(transform(image, rng(5))))
    assert np.array_equal(pixels(image), pixels(photo()))
    assert first.mode == "RGB"


@pytest.mark.parametrize("name", [name for name in ALL if TRANSFORMS[name].augments])
def test_random_ones_differ(name: str) -> None:
    pale = photo().point(lambda value: 40 + value // 2)
    results = {pixels(ALL[name]()(pale, rng(seed))).tobytes() for seed in range(8)}
    assert len(results) > 1


# --- geometry --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stretch", "resize", "random_resized_crop"])
def test_an_image_is_resized_bilinear_where_the_step_says_so(name: str) -> None:
    image = photo(60, 60)
    whole = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0)} if name == "random_resized_crop" else {}
    found = Made(Component(name, {"size": 32, "interpolation": "bilinear", **whole}))(image, rng())
    assert np.array_equal(pixels(found), pixels(image.resize((32, 32), Image.Resampling.BILINEAR)))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((60, 40), (48, 32)), ((40, 60), (32, 48)), ((10, 10), (32, 32)), ((61, 40), (48, 32)), ((32, 99), (32, 99))],
)
def test_resize_is_bicubic_and_sets_the_shorter_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = photo(*size)
    resized = made("resize", 32)(image, rng())
    assert resized.size == expected
    assert np.array_equal(pixels(resized), pixels(image.resize(expected, Image.Resampling.BICUBIC)))


def test_stretch_is_bicubic_and_keeps_no_proportions() -> None:
    image = photo(60, 40)
    stretched = made("stretch", (24, 50))(image, rng())  # height, width
    assert np.array_equal(pixels(stretched), pixels(image.resize((50, 24), Image.Resampling.BICUBIC)))


def test_shrinking_averages_over_all_pixels() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::8] = 255  # a filter that looks at few pixels makes them vanish or shine
    shrunk = pixels(made("resize", 16)(Image.fromarray(stripes), rng()))
    assert np.abs(shrunk[2:-2, 2:-2].astype(int) - 255 // 8).max() <= 3


@pytest.mark.parametrize(
    ("size", "left", "top"), [((60, 40), 14, 4), ((61, 41), 14, 4), ((63, 43), 16, 6), ((32, 32), 0, 0)]
)
def test_center_crop_takes_the_middle(size: tuple[int, int], left: int, top: int) -> None:
    image = photo(*size)
    cropped = made("center_crop", 32)(image, rng())
    assert np.array_equal(pixels(cropped), pixels(image)[top : top + 32, left : left + 32])


def test_center_crop_enlarges_a_small_image() -> None:
    image = photo(20, 16)
    enlarged = image.resize((40, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels(made("center_crop", 32)(image, rng())), pixels(enlarged)[:, 4:36])


@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize("size", [(10, 10), (3, 90), (90, 3), (1, 1), (32, 31)])
def test_crops_take_any_image(name: str, size: tuple[int, int]) -> None:
    assert ALL[name]()(photo(*size), rng()).size == (32, 32)


def test_random_crop_cuts_every_window_alike() -> None:
    image = places(9, 8)
    windows = [pixels(made("random_crop", 7)(image, rng(seed))) for seed in range(600)]
    corners = [(x - 1, y - 1) for x, y, _ in (window[0, 0].tolist() for window in windows)]
    for window, (left, top) in zip(windows, corners, strict=True):
        assert np.array_equal(window, pixels(image)[top : top + 7, left : left + 7])
    counts = [corners.count((left, top)) for left in range(3) for top in range(2)]
    assert sum(counts) == 600
    assert min(counts) > 100 - 5 * 9.2  # five standard deviations


def test_random_crop_pads_with_black() -> None:
    padded = np.pad(pixels(places(8, 8)), ((2, 2), (2, 2), (0, 0)))
    windows = {padded[top : top + 8, left : left + 8].tobytes() for left in range(5) for top in range(5)}
    cut = {pixels(made("random_crop", 8, 2)(places(8, 8), rng(seed))).tobytes() for seed in range(300)}
    assert cut == windows


def boxes(width: int, height: int, count: int, *args: tuple[float, float]) -> np.ndarray:
    """Return (left, top, right, bottom) of the parts that are cut from an image of a size."""
    pipeline = made("random_resized_crop", 4, *args).pipeline
    cuts: list[Any] = [pipeline.draw(Size(height, width), rng(seed))[0] for seed in range(count)]
    return np.array([(cut.left, cut.top, cut.left + cut.to.width, cut.top + cut.to.height) for cut in cuts])


def test_random_resized_crop_draws_area_ratio_and_place_evenly() -> None:
    left, top, right, bottom = boxes(1000, 1000, 1000, (0.05, 0.2), (1 / 4, 4)).T
    width, height = right - left, bottom - top
    area = width * height / 1e6
    ratio = np.log(width / height) / math.log(4)
    for values, low, high in ((area, 0.05, 0.2), (ratio, -1, 1), (left / (1000 - width), 0, 1)):
        parts = np.histogram((values - low) / (high - low), bins=5, range=(-0.01, 1.01))[0]
        assert parts.sum() == 1000
        assert np.abs(parts - 200).max() < 5 * 12.6


@pytest.mark.parametrize("size", [(640, 480), (300, 900), (7, 5)])
def test_random_resized_crop_stays_inside(size: tuple[int, int]) -> None:
    left, top, right, bottom = boxes(*size, 200).T
    assert (left.min(), top.min()) >= (0, 0)
    assert right.max() <= size[0]
    assert bottom.max() <= size[1]
    assert (right > left).all()
    assert (bottom > top).all()


@pytest.mark.parametrize(
    ("size", "box"), [((1000, 30), (480, 0, 520, 30)), ((30, 1000), (0, 480, 30, 520)), ((1, 9), (0, 4, 1, 5))]
)
def test_random_resized_crop_of_a_long_image_is_its_middle(size: tuple[int, int], box: tuple[int, ...]) -> None:
    assert boxes(*size, 3, (1.0, 1.0)).tolist() == [list(box)] * 3


def test_random_resized_crop_of_the_whole_is_a_resize() -> None:
    image = photo(40, 40)
    whole = made("random_resized_crop", 32, (1.0, 1.0), (1.0, 1.0))(image, rng())
    assert np.array_equal(pixels(whole), pixels(image.resize((32, 32), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(("direction", "turned"), [("horizontal", np.s_[:, ::-1]), ("vertical", np.s_[::-1])])
def test_flip_mirrors_half_of_the_images(direction: str, turned: tuple[slice, ...]) -> None:
    image = photo()
    flip = made("flip", direction)  # type: ignore[arg-type]
    results = [pixels(flip(image, rng(seed))) for seed in range(400)]
    mirrored = sum(np.array_equal(result, pixels(image)[turned]) for result in results)
    assert abs(mirrored - 200) < 5 * 10
    assert mirrored + sum(np.array_equal(result, pixels(image)) for result in results) == 400


@pytest.mark.parametrize("size", [(60, 40), (40, 61), (90, 70)])
@pytest.mark.parametrize("name", [*(name for name in ALL if name != "aug_mix"), "all"])
def test_points_move_as_the_pixels_do(name: str, size: tuple[int, int]) -> None:
    """The centre of light of a soft spot is where its middle goes."""
    every = Made(step("random_crop", 36, 4), step("flip", "horizontal"), step("flip", "vertical"), step("resize", 50))
    for seed in range(12):
        x, y = rng(seed).uniform(0.45, 0.55, 2) * size
        far = (np.arange(size[0]) + 0.5 - x) ** 2 + (np.arange(size[1])[:, None] + 0.5 - y) ** 2
        spot = Image.fromarray((255 * np.exp(-far / 8)).astype(np.uint8)).convert("RGB")
        made_of = every if name == "all" else ALL[name]()
        changes = made_of.pipeline.draw(Size(size[1], size[0]), rng(seed))
        (found,), after = moved(np.array([[x, y]]), Size(size[1], size[0]), changes)
        geometry = [change for change in changes if not isinstance(change, Recolor)]
        image, ground = (changed(each, geometry) for each in (spot, Image.new("RGB", spot.size)))
        assert (image.height, image.width) == after
        light = pixels(image)[..., 0].astype(float) - pixels(ground)[..., 0]
        if not (8 < found[0] < after.width - 8 and 8 < found[1] < after.height - 8):
            continue  # cut off, or too near to the edge
        middle = [
            (light.sum(axis) * (np.arange(length) + 0.5)).sum() for axis, length in ((0, after[1]), (1, after[0]))
        ]
        np.testing.assert_allclose(np.array(middle) / light.sum(), found, atol=0.2)


# --- colour ----------------------------------------------------------------------------------


def test_no_jitter_and_no_lighting_change_nothing() -> None:
    image = photo()
    assert np.array_equal(pixels(made("color_jitter")(image, rng())), pixels(image))
    assert np.array_equal(pixels(made("lighting", 0.0)(image, rng())), pixels(image))


@pytest.mark.parametrize(("strength", "low", "high"), [(0.5, 0.5, 1.5), (2.0, 0.0, 3.0)])
def test_brightness_is_a_factor_around_one(strength: float, low: float, high: float) -> None:
    image = places(60, 60)
    factors = []
    for seed in range(200):
        bright = pixels(made("color_jitter", brightness=strength)(image, rng(seed))).astype(float)
        factors.append(bright[59, 59, 0] / 60)
        assert np.abs(bright - np.clip(pixels(image) * factors[-1], 0, 255)).max() <= 256 / 60
    assert np.histogram(factors, bins=4, range=(low - 0.02, high + 0.02))[0].min() > 20


def test_contrast_is_a_factor_of_the_distance_from_the_mean() -> None:
    halves = Image.fromarray(np.repeat(np.uint8([[[80] * 3, [120] * 3]]), 10, axis=0))
    results = [pixels(made("color_jitter", contrast=0.5)(halves, rng(seed))).astype(int) for seed in range(100)]
    spans = [int(result[0, 1, 0] - result[0, 0, 0]) for result in results]
    assert all(abs(result.mean() - 100) <= 1 for result in results)
    assert 19 <= min(spans) < 25
    assert 55 < max(spans) <= 61


def test_saturation_is_a_factor_of_the_distance_from_grey() -> None:
    colour = np.array([150, 100, 60])
    grey = colour @ [0.299, 0.587, 0.114]
    factors = []
    for seed in range(100):
        result = pixels(made("color_jitter", saturation=0.5)(plain(*colour), rng(seed)))[0, 0].astype(float)
        factors.append((result[0] - result[2]) / 90)
        assert np.abs(result - (grey + factors[-1] * (colour - grey))).max() <= 1.5
    assert 0.48 <= min(factors) < 0.6
    assert 1.4 < max(factors) <= 1.52


def test_hue_turns_red_as_far_as_it_is_told() -> None:
    turned = np.array(
        [pixels(made("color_jitter", hue=1 / 12)(plain(255, 0, 0), rng(seed)))[0, 0] for seed in range(200)]
    )
    assert (turned[:, 0] == 255).all()
    assert (turned.min(axis=1) == 0).all()
    for channel in (1, 2):  # towards orange and towards pink, at most half the way to yellow and to magenta
        assert 110 < turned[:, channel].max() <= 132
    assert {tuple(pixels(made("color_jitter", hue=0.5)(plain(99, 99, 99), rng(seed)))[0, 0]) for seed in range(9)} == {
        (99, 99, 99)
    }


class Drawn:
    """Stands for a generator that draws a given order and always the largest factor."""

    def __init__(self, *order: int) -> None:
        self.order = order

    def permutation(self, count: int) -> tuple[int, ...]:
        assert count == len(self.order)
        return self.order

    def uniform(self, low: float, high: float) -> float:
        return high


def test_amount_is_the_jitter_of_what_is_not_given() -> None:
    image = plain(90, 120, 150)
    short = made("color_jitter", 0.4, contrast=0.0)
    full = made("color_jitter", brightness=0.4, saturation=0.4)
    assert [short(image, rng(s)).tobytes() for s in range(9)] == [full(image, rng(s)).tobytes() for s in range(9)]
    assert len({short(image, rng(seed)).tobytes() for seed in range(9)}) > 1


def test_jitter_takes_its_steps_in_the_order_that_is_drawn() -> None:
    image = places(200, 40)
    results = [made("color_jitter", brightness=0.5, contrast=0.5)(image, Drawn(*order)) for order in ((0, 1), (1, 0))]  # type: ignore[arg-type]
    bright_first = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(1.5)).enhance(1.5)
    bright_last = ImageEnhance.Brightness(ImageEnhance.Contrast(image).enhance(1.5)).enhance(1.5)
    assert [result.tobytes() for result in results] == [bright_first.tobytes(), bright_last.tobytes()]
    assert bright_first != bright_last


def test_lighting_follows_the_principal_colours_of_imagenet() -> None:
    grey = plain(128, 128, 128)
    shifts = []
    for seed in range(1500):
        moved = pixels(made("lighting", 0.1)(grey, rng(seed))).reshape(-1, 3)
        assert (moved == moved[0]).all()
        shifts.append(moved[0].astype(float) - 128)
    values = np.array([55.46, 4.794, 1.148])
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    expected = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T + np.eye(3) / 12  # a rounding's variance is 1/12
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.5
    assert np.abs(np.cov(np.array(shifts).T) / expected - 1).max() < 0.15


def test_lighting_stays_within_the_range() -> None:
    for seed in range(20):
        black, white = (
            pixels(made("lighting", 1.0)(plain(level, level, level), rng(seed)))[0, 0] for level in (0, 255)
        )
        assert (white.astype(int) - black >= 0).all()
        assert (black == 0).any() or (white == 255).any()


def test_steps_apply_in_order_with_one_generator() -> None:
    image = photo()
    generator = rng(4)
    flipped = made("flip", "horizontal")(image, generator)
    by_hand = made("random_crop", 32)(flipped, generator)
    assert np.array_equal(
        pixels(Made(step("flip", "horizontal"), step("random_crop", 32))(image, rng(4))), pixels(by_hand)
    )
    assert Made()(image, rng()) is image
