"""Rotations, filters and policies beside what torchvision makes of the same image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from steps import made

from runtime.data.transforms import policies, warps
from runtime.data.transforms.changes import Change, Recolor
from runtime.data.transforms.policies import Mixture
from runtime.plan.size import Size

RECORDED = np.load(Path(__file__).parents[3] / "fixtures" / "torchvision_augmentations.npz")
FACTS = json.loads(str(RECORDED["facts"]))
PHOTO = Image.fromarray(RECORDED["photo"])
SIZE = Size(PHOTO.height, PHOTO.width)
SPACES = {
    "rand_augment": policies.RAND_AUGMENT_SPACE,
    "trivial_augment": policies.TRIVIAL_AUGMENT_SPACE,
    "auto_augment": policies.AUTO_AUGMENT_SPACE,
    "aug_mix": policies.AUG_MIX_SPACE,
}


def named(name: str) -> str:
    """Return our name of an operation of torchvision."""
    return name.replace("X", "_x").replace("Y", "_y").lower()


def recorded(kind: str) -> list[str]:
    return [name for name in RECORDED.files if name.startswith(f"{kind} ")]


def equals(change: Change, expected: np.ndarray, share: float = 0.0) -> None:
    """Compare pixels: rounding may move values by one, and a share of the pixels over the edge of the image."""
    found = np.asarray(change.pixels(PHOTO)).astype(int)
    assert (np.abs(found - expected) > 1).any(axis=2).mean() <= share


@pytest.mark.parametrize("case", recorded("op"))
def test_operations_are_those_of_torchvision(case: str) -> None:
    _, name, magnitude = case.split()
    equals(policies.OPERATIONS[named(name)](float(magnitude), SIZE), RECORDED[case])


@pytest.mark.parametrize("case", recorded("affine"))
def test_affine_is_that_of_torchvision(case: str) -> None:
    angle, shift, scale, shear = json.loads(case.split(maxsplit=1)[1])
    equals(warps._about_centre(SIZE, angle, shear, scale, shift), RECORDED[case])


@pytest.mark.parametrize("case", recorded("perspective"))
def test_perspective_is_that_of_torchvision(case: str) -> None:
    corners = json.loads(case.split(maxsplit=1)[1])
    change = warps.tilted(SIZE, corners)
    before = np.array([[0, 0], [24, 0], [24, 18], [0, 18]], float)
    np.testing.assert_allclose(change.points(before, SIZE), corners, atol=1e-9)
    equals(change, RECORDED[case], 0.01)


@pytest.mark.parametrize("policy", SPACES)
def test_magnitudes_are_those_of_torchvision(policy: str) -> None:
    ours, theirs = SPACES[policy], FACTS["spaces"][policy]
    assert set(ours) == {named(name) for name in theirs}
    for name, (values, signed) in theirs.items():
        scale = ours[named(name)]
        assert scale.signed == signed
        steps = np.linspace(0, 1, len(values)) if isinstance(values, list) else [0.0]
        found = [scale.at(named(name), float(fraction), SIZE) for fraction in steps]
        np.testing.assert_allclose(found, np.atleast_1d(values), atol=1e-4)


def test_the_policy_of_imagenet_is_that_of_torchvision() -> None:
    theirs = [[[named(name), p, magnitude or 0] for name, p, magnitude in pair] for pair in FACTS["policy"]]
    assert json.loads(json.dumps(policies.IMAGENET_POLICY)) == theirs


def drawn(name: str, *given: Any, seed: int = 0, **named: Any) -> tuple[Change, ...]:
    return made(name, *given, **named).pipeline.draw(SIZE, np.random.default_rng(seed))


@pytest.fixture
def amounts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """What the policies draw from here on: the amounts of each operation, none of which changes anything."""
    found: dict[str, list[float]] = {name: [] for name in policies.OPERATIONS}

    def noting(name: str) -> policies.Operation:
        def operation(amount: float, size: Size) -> Change:  # noqa: ARG001
            found[name].append(round(amount, 9))
            return Recolor(lambda image: image)

        return operation

    monkeypatch.setattr(policies, "OPERATIONS", {name: noting(name) for name in policies.OPERATIONS})
    return found


def test_the_policy_draws_its_operations_by_their_probabilities(
    amounts: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "IMAGENET_POLICY", ((("rotate", 0.25, 6), ("posterize", 1.0, 9)),))
    for seed in range(400):
        drawn("auto_augment", seed=seed)
    assert abs(len(amounts["rotate"]) - 100) < 4 * 8.7
    assert set(amounts["rotate"]) == {-20, 20}
    assert amounts["posterize"] == [4] * 400


@pytest.mark.parametrize(
    ("policy", "args", "steps"),
    [
        ("rand_augment", {"ops": 1, "magnitude": 15}, [15]),
        ("trivial_augment", {}, np.arange(31) * 4.5),
        ("aug_mix", {"severity": 3}, [0, 10 / 3, 20 / 3]),
    ],
)
def test_policies_draw_all_operations_alike(
    amounts: dict[str, list[float]], policy: str, args: dict[str, Any], steps: Any
) -> None:
    for seed in range(700):
        drawn(policy, seed=seed, **args)
    counts = np.array([len(found) for name, found in amounts.items() if name != "invert"])  # 13 of them, or none
    expected = 700 / 14 if policy != "aug_mix" else 700 * 3 * 2 / 13  # chains of one to three
    assert not amounts["invert"]
    assert (np.abs(counts - expected) < 4.5 * np.sqrt(expected)).all()
    turns = np.abs(amounts["rotate"])
    assert set(turns) <= set(np.round(steps, 9))
    assert abs(np.mean(turns) - np.mean(steps)) < 4 * np.std(steps) / np.sqrt(len(turns)) + 1e-9


def moved(change: Change) -> dict[str, float]:
    """Return how a change moves the middle of the image, and how it turns, stretches and leans there."""
    middle = np.array([SIZE.width, SIZE.height]) / 2
    place, right, down = change.points(middle + [[0, 0], [1, 0], [0, 1]], SIZE)
    (a, b), (c, d) = right - place, down - place
    x, y = (place - middle) / (SIZE.width, SIZE.height)
    angle, lean = np.degrees(np.arctan2(-b, a)), 90 - np.degrees(np.arccos((a * c + b * d) / np.hypot(c, d)))
    return {"angle": angle, "x": x, "y": y, "scale": np.sqrt(a * d - b * c), "lean": lean}


@pytest.mark.parametrize(
    ("name", "args", "what", "low", "high"),
    [
        ("rotation", {"degrees": 20}, "angle", -20, 20),
        ("affine", {"degrees": 20}, "angle", -20, 20),
        ("affine", {"translate": 0.5}, "x", -0.5, 0.5),
        ("affine", {"translate": 0.5}, "y", -0.5, 0.5),
        ("affine", {"scale": (0.5, 1.5)}, "scale", 0.5, 1.5),
        ("affine", {"shear": 10}, "lean", -10, 10),
    ],
)
def test_all_of_a_range_is_drawn_alike(name: str, args: dict[str, Any], what: str, low: float, high: float) -> None:
    found = [moved(drawn(name, seed=seed, **args)[0])[what] for seed in range(200)]
    counts, _ = np.histogram(found, bins=4, range=(low - 1e-9, high + 1e-9))
    assert counts.sum() == 200
    assert counts.min() > 50 - 4 * 6.2


def test_corners_move_inwards_by_all_of_a_distortion_alike() -> None:
    corners = np.array([[0, 0], [SIZE.width, 0], [SIZE.width, SIZE.height], [0, SIZE.height]], float)
    centre = np.array([SIZE.width, SIZE.height]) / 2
    drawn_all = [drawn("perspective", 0.4, p=1.0, seed=seed)[0].points(corners, SIZE) for seed in range(200)]
    inwards = (1 - (np.array(drawn_all) - centre) / (corners - centre)).reshape(200, 8)
    assert (np.abs(inwards - 0.2) <= 0.2 + 1e-9).all()
    for place in range(8):
        assert np.histogram(inwards[:, place], bins=4, range=(0, 0.4))[0].min() > 50 - 4 * 6.2


def test_policies_draw_as_many_operations_as_they_say() -> None:
    counts = [len(drawn("rand_augment", 3, seed=seed)) for seed in range(300)]
    assert max(counts) == 3
    assert abs(np.mean(counts) - 3 * 13 / 14) < 0.15  # one of fourteen is none
    assert {len(drawn("trivial_augment", seed=seed)) for seed in range(100)} == {0, 1}
    assert {len(drawn("auto_augment", seed=seed)) for seed in range(100)} == {0, 1, 2}


def test_the_weights_of_a_mixture_sum_to_one() -> None:
    mixtures = [drawn("aug_mix", seed=seed)[0] for seed in range(50)]
    for each in mixtures:
        assert isinstance(each, Mixture)
        assert each.kept + sum(each.weights) == pytest.approx(1)
        assert len(each.chains) == 3
    flat = Image.new("RGB", (9, 9), (40, 40, 40))
    untouched = Mixture(0.25, (0.5, 0.25), ((), ()))
    assert np.array_equal(np.asarray(untouched.pixels(flat)), np.asarray(flat))
    half = Mixture(0.5, (0.5,), ((Recolor(lambda image: image.point(lambda value: 3 * value)),),))
    assert (np.asarray(half.pixels(flat)) == 80).all()


OF_WORDS = {
    **dict.fromkeys(("Equalize", "AutoContrast", "Invert"), lambda magnitude: {}),
    "Posterize": lambda magnitude: {"bits": round(magnitude)},
    "Solarize": lambda magnitude: {"threshold": magnitude},
    "Sharpness": lambda magnitude: {"factor": 1 + magnitude},
}
"""The arguments of words that do what an operation of torchvision does."""


@pytest.mark.parametrize("case", [case for case in recorded("op") if case.split()[1] in OF_WORDS])
def test_words_do_what_the_operations_of_torchvision_do(case: str) -> None:
    _, name, magnitude = case.split()
    (change,) = drawn(named(name), p=1.0, **OF_WORDS[name](float(magnitude)))
    equals(change, RECORDED[case])


PROBABLE = (
    *("grayscale", "equalize", "autocontrast", "invert", "blur", "erasing", "perspective"),
    *("sharpness", "posterize", "solarize"),
)


@pytest.mark.parametrize("name", PROBABLE)
def test_a_probability_is_a_share_of_the_images(name: str) -> None:
    counts = sum(len(drawn(name, p=0.3, seed=seed)) for seed in range(500))
    assert abs(counts - 150) < 5 * 10.3


def test_grey_is_the_luma_of_torchvision() -> None:
    expected = np.asarray(PHOTO, float) @ (0.2989, 0.587, 0.114)
    found = np.asarray(made("grayscale", p=1.0)(PHOTO, np.random.default_rng(0)), float)
    assert np.abs(found - expected[..., None]).max() <= 1


@pytest.mark.parametrize("value", ["mean", "black", "random"])
def test_erasing_hides_a_part_of_the_size_that_it_says(value: str) -> None:
    white = Image.new("RGB", (100, 80), (255, 255, 255))
    erasing = made("erasing", p=1.0, scale=(0.1, 0.2), ratio=(0.5, 2.0), value=value)
    for seed in range(40):
        hidden = np.asarray(erasing(white, np.random.default_rng(seed))) != 255
        rows, columns = (np.flatnonzero(hidden.any((2, 1 - axis))) for axis in (0, 1))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 0.09 < height * width / 8000 < 0.21
        assert 0.45 < height / width < 2.2
        if value != "random":
            part = np.asarray(erasing(white, np.random.default_rng(seed)))[rows[0] : rows[-1] + 1, columns[0]]
            assert (part == ((124, 116, 104) if value == "mean" else (0, 0, 0))).all()


def test_a_blur_is_drawn_evenly_from_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    sigmas: list[float] = []
    monkeypatch.setattr("PIL.ImageFilter.GaussianBlur", sigmas.append)
    for seed in range(200):
        drawn("blur", sigma=(0.5, 2.5), p=1.0, seed=seed)
    counts, _ = np.histogram(sigmas, bins=4, range=(0.5, 2.5))
    assert counts.sum() == 200
    assert counts.min() > 50 - 4 * 6.2


def test_blur_is_nearly_a_gaussian() -> None:
    from scipy.ndimage import gaussian_filter

    blurred = made("blur", sigma=(1.5, 1.5), p=1.0)(PHOTO, np.random.default_rng(0))
    exact = gaussian_filter(np.asarray(PHOTO, float), (1.5, 1.5, 0), mode="nearest")
    far = np.abs(np.asarray(blurred) - exact)
    assert far.mean() < 2
    assert far.max() < 16
    assert np.abs(np.asarray(PHOTO) - exact).mean() > 8
