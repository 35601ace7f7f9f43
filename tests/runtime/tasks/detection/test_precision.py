"""Average precision: equal to what pycocotools recorded, and to what can be worked out by hand."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from paths import TESTS

from runtime.data.boxes import Boxes
from runtime.tasks.detection.precision import ClassAverages, Detections, Matches, mean

sys.path.append(str(TESTS / "fixtures"))
from coco_cases import COUNT, Case, case, real_case  # noqa: E402


def averages(each: Case) -> list[ClassAverages]:
    matches = Matches(len(each.ids))
    for found, truth in zip(each.found, each.truth, strict=True):
        matches.update(found, truth)
    return matches.averages()


def summary(found: list[ClassAverages]) -> list[float]:
    sizes = [[each.ap[name] for each in found] for name in ("all", "small", "medium", "large")]
    rows = [sizes[0], [each.ap50 for each in found], [each.ap75 for each in found], *sizes[1:]]
    return [mean(row) for row in (*rows, [each.recall_limit for each in found])]


def test_numbers_are_those_of_pycocotools() -> None:
    recorded = json.loads((TESTS / "fixtures/coco_cases.json").read_text())
    expected = np.array([[np.nan if value is None else value for value in row] for row in recorded])
    found = np.array([summary(averages(case(number))) for number in range(COUNT)])
    assert expected.shape == (COUNT, 7)
    assert 0.2 < np.nanmean(expected[:, 0]) < 0.8
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_numbers_of_real_detections_are_those_of_pycocotools() -> None:
    recorded = json.loads((TESTS / "fixtures/coco_detections.json").read_text())
    expected = [np.nan if value is None else value for value in recorded["pycocotools"]]
    each = real_case(recorded["images"])
    assert sum(map(len, each.found)) > 800
    np.testing.assert_allclose(summary(averages(each)), expected, rtol=0, atol=1e-12)


def one(boxes: Boxes, found: list[tuple[list[float], float]]) -> ClassAverages:
    corners = np.array([box for box, _ in found], float).reshape(-1, 4)
    matches = Matches(1)
    matches.update(Detections(corners, np.zeros(len(found), int), np.array([score for _, score in found])), boxes)
    return matches.averages()[0]


SQUARE, OTHER, AWAY = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]


def test_worked_by_hand() -> None:
    two = Boxes.of([SQUARE, OTHER], [0, 0])
    assert one(two, [(SQUARE, 0.9), (OTHER, 0.8)]).ap["all"] == pytest.approx(1)
    # The second guess is wrong: precision is 1 up to a recall of 1/2 (51 of 101 places), and 2/3 beyond.
    found = one(two, [(SQUARE, 0.9), (AWAY, 0.8), (OTHER, 0.7)])
    assert found.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert (found.threshold, found.f1) == (0.7, pytest.approx(0.8))
    assert one(two, [(SQUARE, 0.9)]).ap50 == pytest.approx(51 / 101)
    # An overlap of 8/10 counts up to the limit of .80: 7 of 10.
    assert one(Boxes.of([SQUARE], [0]), [([0, 0, 10, 8], 0.9)]).ap["all"] == pytest.approx(0.7)
    # An object found twice is one right and one wrong; the wrong one comes behind all recall.
    assert one(Boxes.of([SQUARE], [0]), [(SQUARE, 0.9), (SQUARE, 0.8)]).ap50 == pytest.approx(1)


def test_nothing_found_and_nothing_there() -> None:
    assert one(Boxes.of([SQUARE], [0]), []).ap["all"] == 0
    assert np.isnan(one(Boxes.of([], []), [(SQUARE, 0.9)]).ap["all"])
    assert np.isnan(one(Boxes.of([], []), []).threshold)


def test_crowds_and_difficult_objects_count_for_nothing() -> None:
    crowd = Boxes.of([SQUARE, [20, 20, 40, 40]], [0, 0], crowd=[False, True])
    inside = [([20, 20, 25, 25], 0.95), ([30, 30, 35, 35], 0.94)]  # both are of the crowd
    assert one(crowd, [*inside, (SQUARE, 0.9)]).ap50 == pytest.approx(1)
    difficult = Boxes.of([SQUARE, OTHER], [0, 0], difficult=[False, True])
    assert one(difficult, [(OTHER, 0.95), (SQUARE, 0.9)]).ap50 == pytest.approx(1)
    assert one(difficult, [(OTHER, 0.95), (OTHER, 0.94), (SQUARE, 0.9)]).ap50 == pytest.approx(1 / 2)  # once only


def test_equal_scores_share_a_threshold() -> None:
    found = one(Boxes.of([SQUARE, OTHER], [0, 0]), [(SQUARE, 0.5), (AWAY, 0.5), (OTHER, 0.5)])
    assert (found.threshold, found.precision, found.recall) == (0.5, pytest.approx(2 / 3), 1)
