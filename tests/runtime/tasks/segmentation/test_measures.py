"""Losses and metrics of masks beside other ways to compute them, and what is measured at the masks' own size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtime.backend.mx import nd
from runtime.data.listing import Listing, Sample
from runtime.data.masks import IGNORED, Mask
from runtime.data.painted import Painted
from runtime.data.transforms.changes import Crop, Mirror, Resize
from runtime.plan.size import Size
from runtime.tasks.segmentation.boundaries import boundary_f1
from runtime.tasks.segmentation.losses import LOSSES
from runtime.tasks.segmentation.metrics import MaskEvaluator
from runtime.tasks.segmentation.network import at_cells
from runtime.tasks.segmentation.targets import MaskFacts, collated

(LOSS,) = LOSSES
RNG = np.random.default_rng


def blobs(seed: int, classes: int, height: int, width: int) -> Any:
    planes = RNG(seed).normal(size=(classes, 5, 6)).astype(np.float32)
    large = [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(large).argmax(axis=0).astype(np.uint8)


@pytest.mark.parametrize(
    "args", [{}, {"weights": (1.0, 2.0, 0.5, 3.0)}, {"weights": (1.0, 0.0, 2.0, 1.0), "dice": 1.5}]
)
def test_the_loss_is_that_of_numpy(args: dict[str, Any]) -> None:
    rng = RNG(1)
    scores, labels = rng.normal(size=(3, 4, 5, 6)).astype(np.float32), rng.integers(0, 4, (3, 5, 6)).astype(np.uint8)
    labels[0, :2], labels[2], labels[1][labels[1] == 3] = IGNORED, IGNORED, 0
    trained = LOSS.build(args)(nd, nd.array(scores), nd.array(labels)).asnumpy()
    np.testing.assert_allclose(LOSS.measure(args, scores, labels), trained, rtol=1e-5)
    shares = np.exp(scores[1]) / np.exp(scores[1]).sum(axis=0)
    weights, dice = args.get("weights", (1, 1, 1, 1)), args.get("dice", 0)
    by_hand = np.mean(
        [-weights[labels[1, y, x]] * np.log(shares[labels[1, y, x], y, x]) for y in range(5) for x in range(6)]
    )
    overlaps = [
        2 * shares[label][labels[1] == label].sum() / ((labels[1] == label).sum() + shares[label].sum())
        for label in range(3)  # no pixel shows the fourth
    ]
    assert trained[1] == pytest.approx(by_hand + dice * (1 - np.mean(overlaps)), rel=1e-5)
    assert trained[2] == 0


def test_weights_by_words_have_a_mean_of_one_over_the_pixels() -> None:
    pixels = np.zeros((4, 4), np.uint8)
    pixels[0, 0], pixels[3] = 1, IGNORED
    samples = [Sample(str(n), Mask(Painted("m", Size(4, 4), pixels=pixels), (0, 1, 2), None), pixels) for n in range(2)]
    facts = LOSS.known({"weights": "sqrt"}, MaskFacts(("a", "b", "c"), {}), Listing(tuple(samples), ("a", "b", "c")))
    assert isinstance(facts, MaskFacts)
    assert facts.shares == pytest.approx((11 / 12, 1 / 12, 0))
    for word, power in (("balanced", -1.0), ("sqrt", -0.5)):
        weights = LOSS.settled({"weights": word}, facts)["weights"]
        assert weights[1] / weights[0] == pytest.approx((1 / 11) ** power)
        assert weights[0] * 11 / 12 + weights[1] / 12 == pytest.approx(1)
        assert weights[2] == 0
    assert LOSS.settled({"weights": (1.0, 2.0, 3.0)}, facts) == {"weights": (1.0, 2.0, 3.0)}
    assert LOSS.known({"weights": None}, facts, Listing((), ())) is facts


@pytest.mark.parametrize("classes", [2, 9, 70])
def test_boundary_f1_is_that_of_all_pairs_of_points(classes: int) -> None:
    truth, found = blobs(1, classes, 40, 220), blobs(2, classes, 40, 220)
    found = np.where(RNG(3).random(truth.shape) < 0.9, np.roll(truth, 1, axis=1), found)
    truth[5:9, 20:60] = IGNORED
    radius = round(0.0075 * np.hypot(40, 220))
    expected = []
    for label in range(classes):
        one, other = (_boundary(each, truth, classes, label) for each in (truth, found))
        if not len(one) or not len(other):
            expected.append(np.nan if not len(one) else 0.0)
            continue
        apart = ((one[:, None] - other) ** 2).sum(axis=2)
        recall, precision = (np.mean(apart.min(axis=axis) <= radius**2) for axis in (1, 0))
        expected.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    np.testing.assert_allclose(boundary_f1(truth, found, classes), expected)


def _boundary(classes: Any, truth: Any, count: int, label: int) -> Any:
    height, width = classes.shape
    around = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    return np.array(
        [
            (y, x)
            for y, x in np.argwhere((classes == label) & (truth < count)).tolist()
            if any(
                0 <= y + dy < height
                and 0 <= x + dx < width
                and truth[y + dy, x + dx] < count
                and classes[y + dy, x + dx] != label
                for dy, dx in around
            )
        ]
    ).reshape(-1, 2)


def test_the_report_has_dice_and_boundaries_by_class() -> None:
    truth = blobs(4, 3, 32, 40)
    evaluator = MaskEvaluator(("a", "b", "c"), lambda outputs, labels: np.zeros(len(outputs)))
    scores = (np.arange(3)[:, None, None] == truth).astype(np.float32)
    evaluator.update(scores[None], truth[None])
    report = evaluator.report()
    assert report.values["dice"] == report.values["boundary_f1"] == report.values["miou"] == 1
    worse = np.where(RNG(0).random(truth.shape) < 0.2, 0, truth)
    evaluator.update((np.arange(3)[:, None, None] == worse).astype(np.float32)[None], truth[None])
    row = evaluator.report().classes[1]
    assert row.dice == pytest.approx(2 * row.iou / (1 + row.iou))
    assert 0 < row.boundary_f1 <= 1


def test_masks_are_measured_at_their_own_size_where_images_are_only_resized(tmp_path: Path) -> None:
    stored = blobs(5, 2, 30, 50)
    Image.fromarray(stored).save(tmp_path / "m.png")
    mask = Mask(tmp_path / "m.png", (0, 1), None).measured
    np.testing.assert_array_equal(mask.moved(Size(60, 100), [Resize(Size(32, 32))]), stored)
    assert mask.moved(Size(30, 50), [Crop(0, 0, Size(8, 8))]).shape == (8, 8)
    assert mask.moved(Size(30, 50), [Mirror("horizontal"), Resize(Size(32, 32))]).shape == (32, 32)
    both = collated([stored, stored[:10]])
    evaluator = MaskEvaluator(("a", "b"), lambda outputs, labels: np.full(len(outputs), labels.shape[1]))
    evaluator.update(RNG(0).normal(size=(2, 2, 8, 8)).astype(np.float32), both)
    assert evaluator.report().values["loss"] == 8


def test_cells_are_judged_by_the_pixel_in_their_middle_at_any_size() -> None:
    truth = np.arange(16 * 24).reshape(1, 16, 24)
    np.testing.assert_array_equal(at_cells(truth, (1, 2, 2, 3))[0], truth[0, 4::8, 4::8])
    odd = np.arange(7)[None, :, None] * np.ones(9, int)
    np.testing.assert_array_equal(at_cells(odd, (1, 2, 4, 3))[0, :, 0], [0, 2, 4, 6])
