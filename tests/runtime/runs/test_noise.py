"""How sure numbers are: intervals over seeds, McNemar's exact test, and what a test set can show at all."""

from __future__ import annotations

import pytest

from runtime.runs.noise import Disagreement, disagreement, estimate, is_too_close, smallest_difference


def test_the_interval_is_that_of_students_t() -> None:
    found = estimate([0.90, 0.92, 0.91, 0.93, 0.94])
    assert found.mean == pytest.approx(0.92)
    assert found.spread == pytest.approx(0.0158114, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((0.900368, 0.939632), abs=1e-6)  # t(0.975, 4) = 2.776445


@pytest.mark.parametrize(
    ("operator", "number", "holds"),
    [(">=", 0.90, True), (">=", 0.901, False), (">", 0.90, True), ("<=", 0.94, True), ("<=", 0.939, False)],
)
def test_a_claim_holds_where_the_nearer_end_of_the_interval_meets_it(operator: str, number: float, holds: bool) -> None:
    assert estimate([0.90, 0.92, 0.91, 0.93, 0.94]).meets(operator, number) is holds


def test_equal_values_have_an_interval_without_width_and_other_numbers_make_it_none() -> None:
    assert estimate([0.5, 0.5]).is_noise is False
    assert estimate([0.0, 0.0]).is_noise is True
    assert not estimate([float("nan"), 0.5]).meets(">=", 0.0)


def recorded(only_a: int, only_b: int, images: int = 667) -> Disagreement:
    """Return what two runs disagree on whose answers are given image by image."""
    a = {str(number): number >= only_b for number in range(images)}
    b = {str(number): not only_b <= number < only_b + only_a for number in range(images)}
    return disagreement(a, b)


def test_forty_against_twenty_of_667_images_is_a_difference_and_sixty_against_forty_is_none() -> None:
    found = recorded(20, 40)
    assert (found.only_a, found.only_b, found.images) == (20, 40, 667)
    assert found.p == pytest.approx(0.0135, abs=5e-5)
    assert not found.is_noise
    assert found.difference == pytest.approx(20 / 667)
    other = recorded(40, 60)
    assert other.p == pytest.approx(0.0569, abs=5e-5)
    assert other.is_noise


def test_runs_that_agree_on_all_images_are_not_told_apart() -> None:
    assert recorded(0, 0).p == 1
    with pytest.raises(ValueError, match="not the same images"):
        disagreement({"a": True}, {"b": True})


@pytest.mark.parametrize("differing", range(6, 80))
def test_the_smallest_difference_is_just_what_the_test_shows(differing: int) -> None:
    gap = round(smallest_difference(differing, 1) * 1)
    assert (differing - gap) % 2 == 0
    assert not Disagreement((differing - gap) // 2, (differing + gap) // 2, 1).is_noise
    assert gap < 2 or Disagreement((differing - gap) // 2 + 1, (differing + gap) // 2 - 1, 1).is_noise


def test_of_667_images_that_60_differ_on_eighteen_make_a_difference() -> None:
    assert smallest_difference(60, 667) == 18 / 667


def test_fewer_than_six_images_never_make_a_difference() -> None:
    assert smallest_difference(0, 667) == smallest_difference(6, 667) == 6 / 667
    assert is_too_close(0.9, 0.9 + 5 / 667, 667)
    assert not is_too_close(0.9, 0.9 + 6 / 667, 667)
