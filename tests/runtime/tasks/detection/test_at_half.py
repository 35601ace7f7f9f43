"""VOC's average precision, thresholds and confusions: worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.data.boxes import Boxes
from runtime.plan.size import Size
from runtime.runs.lock.facts import differences
from runtime.tasks.detection.assignment import collated, points_of
from runtime.tasks.detection.at_half import confusion, voc07
from runtime.tasks.detection.metrics import METRICS, BoxEvaluator
from runtime.tasks.detection.precision import Detections, Matches

SQUARE, OTHER, AWAY = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]


def found(*rows: tuple[list[int], int, float]) -> Detections:
    corners = np.array([box for box, _, _ in rows], float).reshape(-1, 4)
    return Detections(corners, np.array([row[1] for row in rows], int), np.array([row[2] for row in rows], float))


def test_voc_takes_the_mean_at_eleven_recalls() -> None:
    two = Boxes.of([SQUARE, OTHER], [0, 0])
    # Precision is 1 up to a recall of 1/2, which are six of eleven, and 2/3 beyond.
    one = [(found((SQUARE, 0, 0.9), (AWAY, 0, 0.8), (OTHER, 0, 0.7)), two)]
    assert voc07(one, 0) == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert voc07([(found(), two)], 0) == 0
    assert np.isnan(voc07(one, 1))


def test_voc_leaves_an_object_that_is_taken_and_gives_no_other() -> None:
    near = Boxes.of([SQUARE, [0, 0, 10, 6]], [0, 0])
    twice = [(found((SQUARE, 0, 0.9), ([0, 0, 10, 9], 0, 0.8)), near)]
    assert voc07(twice, 0) == pytest.approx(6 / 11)  # COCO would match the second one with the smaller box
    matches = Matches(1)
    matches.update(*twice[0])
    assert matches.averages()[0].ap50 == pytest.approx(1)


def test_voc_passes_over_difficult_objects() -> None:
    hard = Boxes.of([SQUARE, OTHER], [0, 0], difficult=[False, True])
    assert voc07([(found((OTHER, 0, 0.9), (SQUARE, 0, 0.8)), hard)], 0) == pytest.approx(1)


def test_confusions_have_a_background() -> None:
    truth = Boxes.of([SQUARE, OTHER, AWAY, [80, 80, 90, 90]], [0, 1, 1, 0], crowd=[False, False, False, True])
    seen = found(
        (SQUARE, 0, 0.9),  # right
        (OTHER, 0, 0.8),  # another class
        ([1, 0, 10, 10], 1, 0.7),  # where something is found already
        ([82, 82, 84, 84], 1, 0.6),  # within a crowd: no matter
        ([60, 0, 70, 10], 1, 0.1),  # below its threshold
    )
    matrix = confusion([(seen, truth)], np.array([0.5, 0.2]))
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    nothing = confusion([(seen, truth)], np.array([np.nan, np.nan]))  # a class of which nothing is right shows nothing
    assert nothing.tolist() == [[0, 0, 1], [0, 0, 2], [0, 0, 0]]


def test_a_threshold_that_is_given_is_used() -> None:
    matches = Matches(1)
    matches.update(found((SQUARE, 0, 0.9), (AWAY, 0, 0.5), (OTHER, 0, 0.4)), Boxes.of([SQUARE, OTHER], [0, 0]))
    best, given, above = (matches.averages(each)[0] for each in ((), (0.5,), (0.95,)))
    assert (best.threshold, best.f1) == (0.4, pytest.approx(0.8))
    assert (given.threshold, given.f1, given.precision, given.recall) == (0.5, pytest.approx(0.5), 0.5, 0.5)
    assert (above.f1, above.recall) == (0, 0)
    assert np.isnan(above.precision)


def test_a_report_has_all_metrics_and_its_confusions() -> None:
    frame = Size(32, 32)
    points = len(points_of(frame)[0])
    outputs = np.full((1, points, 6), -9, np.float32)
    outputs[0, 0] = [2, -9, 0, 0, 10, 10]
    outputs[0, 1] = [-9, 1, 20, 0, 30, 10]
    truth = collated([Boxes.of([SQUARE, OTHER], [0, 0], frame=frame)])
    evaluator = BoxEvaluator(("a", "b"), lambda outputs, targets: np.zeros(len(outputs)), (0.5, 0.5))
    evaluator.update(outputs, truth)
    report = evaluator.report()
    assert list(report.values) == list(METRICS)
    assert report.values["box_f1"] == pytest.approx(2 / 3)
    told = report.as_json()["confusion"]
    assert told == {"names": ["a", "b", "background"], "matrix": [[1, 1, 0], [0, 0, 0], [0, 0, 0]]}
    tables = [each for each in report.tables() if not isinstance(each, str)]
    assert [len(each.rows) for each in tables] == [2, 2, 3]
    assert "that `predict` goes by" in tables[1].title
    many = BoxEvaluator(tuple("abcdefghijklmn"), lambda outputs, targets: np.zeros(len(outputs)))
    wide = np.full((1, points, 18), -9, np.float32)
    wide[0, 0, :2], wide[0, 0, 14:] = [2, 1], [0, 0, 10, 10]
    many.update(wide, truth)
    *_, most = many.report().tables()
    assert not isinstance(most, str)
    assert most.columns == ("true", "found", "objects")


def test_a_metric_that_a_lock_of_before_has_not_is_no_difference() -> None:
    before: dict[tuple[str, str], bool | int | float | str] = {("result.test", "ap50"): 0.8}
    assert not differences(before, {**before, ("result.test", "voc07"): 0.7}, ("result",))
    (lost,) = differences({**before, ("result.test", "voc07"): 0.7}, before, ("result",))
    assert lost.key == ("result.test", "voc07")
