"""The range test: its definitions against fastai's, and what a test of a stage does and leaves."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from command import Ftr
from paths import ROOT
from rich.console import Console
from toy import train, write_recipe

from runtime.plan.types import StagePlan
from runtime.reporting.rate_curve import show_finding
from runtime.training.range_test import METHODS, STEPS, RateCurve, minimum, range_test, slide, smoothing, steep, valley
from runtime.training.settings import RunSettings
from runtime.workflows.lr_find import RateFinding, find_rates
from runtime.workflows.preparation import prepare
from runtime.workflows.run import ready_session

RECORDED = json.loads((ROOT / "tests" / "fixtures" / "rate_curves.json").read_text())
"""Losses of recipes' stages, and what the functions of fastai's `schedule.py` gave of their smoothed ends."""
TWO = (
    'stage "head" {\n  train = head\n  for = 2 epochs\n}\n'
    'stage "top" {\n  train = base.block3 .. head\n  for = 1 epoch\n  optimizer = adam(lr = 2e-3)\n}\n'
)
RATES = tuple(1e-7 * 10 ** (8 * step / STEPS) for step in range(STEPS))


def curve(losses: Any) -> RateCurve:
    return RateCurve(RATES[: len(losses)], tuple(float(loss) for loss in losses))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_curves_give_what_fastai_gives(name: str) -> None:
    found = curve(RECORDED[name]["losses"]).suggestions()
    assert found == pytest.approx(RECORDED[name]["expected"])
    assert [*found] == [*METHODS]
    assert curve(RECORDED[name]["losses"]).has_valley is name.endswith("0")  # the others lie behind a trained head


def test_valley_by_hand() -> None:
    # The longest decreasing subsequence is 5 4 3 2 1 (positions 5 to 9); it is taken to begin at 9 - 5 = 4. A third of
    # those 5 is 1 and a bit, and half of it less than 1: position 4 + 1.
    assert valley(range(12), [5, 5, 5, 5, 5, 5, 4, 3, 2, 1, 6, 7]) == 5
    # 9 7 6 5 4 3 2 1 0: nine points, the 8 between is passed over. (11 - 2) / 3 = 3: position 2 + 3 + 1.
    assert valley(range(12), [8, 9, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1]) == 6


def test_slide_by_hand() -> None:
    # Flat, then straight down by 0.02 a point, then flat from 30 on: gradients are 0, -0.02 and 0. From the right the
    # window (24, 39) has a falling left end and moves until both ends are flat or both fall.
    losses = [1.0] * 10 + [1.0 - 0.02 * number for number in range(1, 21)] + [0.6] * 10
    gradients = np.gradient(losses)
    right, left = 39, 24
    while left >= 0 and abs(gradients[right] - gradients[left]) > 0.005:
        right, left = right - 1, left - 1
    assert slide(range(40), losses) == left + 1
    assert 9 <= left < 24


def test_minimum_and_steep_by_hand() -> None:
    rates = [1e-3, 1e-2, 1e-1, 1.0]
    assert minimum(rates, [3.0, 2.0, 1.5, 4.0]) == pytest.approx(1e-2)
    assert steep(rates, [3.0, 2.9, 1.5, 4.0]) == 1e-2


def test_smoothing_is_the_mean_of_equal_losses_and_begins_with_the_first() -> None:
    assert list(smoothing([2.0, 2.0, 2.0])) == pytest.approx([2.0, 2.0, 2.0])
    first, second = smoothing([1.0, 3.0])
    assert first == pytest.approx(1.0)
    assert second == pytest.approx((0.98 * 0.02 * 1.0 + 0.02 * 3.0) / (1 - 0.98**2))


def test_noise_has_no_valley_and_a_fall_has() -> None:
    rng = np.random.default_rng(0)
    noise = [curve(1 + 0.1 * rng.normal(size=STEPS)) for _ in range(300)]
    assert sum(each.has_valley for each in noise) <= 1  # less than a thousandth, in the long run
    fall = 4 - 3 / (1 + np.exp(-(np.arange(STEPS) - 50) / 5))
    falls = [curve(fall + 0.3 * rng.normal(size=STEPS)) for _ in range(50)]
    assert all(each.has_valley for each in falls)
    assert all(1e-6 < each.suggestions()["valley"] < 1e-1 for each in falls)


def test_a_loss_that_grows_at_once_suggests_nothing() -> None:
    short = curve([1.0, 1.1, 1.2, 500.0])
    assert short.suggestions() == {}
    assert not short.has_valley
    assert short.diverged


def found(recipe: Path, run: Path | None = None) -> RateFinding:
    prepared = prepare(recipe)
    return find_rates(prepared, RunSettings(workers=0), prepared.plan.stages[1], run)


@pytest.fixture
def recipe(photos: Path, tmp_path: Path) -> Path:
    return write_recipe(tmp_path / "r.ftr", photos, TWO, data="  augment = [flip(horizontal)]\n")


def test_a_test_leaves_no_trace_and_can_be_repeated(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recipe.parent / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with ready_session(prepare(recipe), RunSettings(workers=0)) as (session, _):
        before = session.model.arrays()
        first, second = (range_test(session, session.plan.stages[0]) for _ in range(2))
        after = session.model.arrays()
    assert first == second
    assert first.rates == pytest.approx(RATES[: len(first.rates)])
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert list(folder.iterdir()) == []


def test_a_later_stage_begins_with_what_a_run_handed_on_or_what_is_trained(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.training.range_test.STEPS", 20)
    train(recipe, tmp_path / "run")
    trained = found(recipe)
    taken = found(recipe, tmp_path / "run")
    assert trained.curve == taken.curve
    assert trained.training_s > 0 == taken.training_s
    assert 'stage 1 "head"' in trained.begins
    assert taken.begins.endswith("handed on")


def test_the_command(ftr: Ftr, recipe: Path, tmp_path: Path) -> None:
    code, out, _ = ftr("lr-find", recipe, "--json", "--stage", "head", "--out", tmp_path / "lr.png")
    plain = json.loads(out)
    assert code == 0
    assert plain["suggestions"].keys() == METHODS.keys()
    assert len(plain["smoothed"]) == len(plain["curve"]["losses"])
    assert (tmp_path / "lr.png").read_bytes()[:4] == b"\x89PNG"
    code, _, err = ftr("lr-find", recipe, "--stage", "heda")
    assert code == 2
    assert 'the recipe has stage 1 "head", stage 2 "top"' in err
    code, _, err = ftr("lr-find", recipe, "--out", "nowhere/lr.png")
    assert (code, "the folder nowhere does not exist" in err) == (2, True)


def shown(losses: Any) -> list[str]:
    stage = SimpleNamespace(
        position=0, title="head", name='stage 1 "head"', optimizer=SimpleNamespace(args={"lr": 5e-3})
    )
    finding = RateFinding(cast(StagePlan, stage), curve(losses), 16.0, "the weights of the base, and a new head")
    screen = Console(width=80, file=StringIO())
    show_finding(screen, finding, 2)
    return cast(StringIO, screen.file).getvalue().splitlines()


def test_the_curve_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(RECORDED["digits 0"]["losses"])
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("  4.078  ▇")
    assert lines[10].strip() == "s  V    t  m"
    assert lines[11].split()[:2] == ["rate", "1e-6"]
    said = " ".join(" ".join(lines[12:]).split())
    assert "valley 0.0025, slide 0.0012, minimum 0.014, steep 0.0076" in said
    assert "suggestion: lr = 0.0025; the recipe says 0.005" in said


@pytest.mark.parametrize(("losses", "says"), [(RECORDED["digits 1"]["losses"], "no valley"), ([1.0, 9.0], "grew")])
def test_no_valley_is_said(losses: list[float], says: str) -> None:
    text = " ".join(" ".join(shown(losses)).split())
    assert says in text
    assert "suggestion" not in text
