"""Rates against the published formulas, written here again, and against MXNet's own schedulers."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from runtime.plan import schedules
from runtime.plan.types import Component

TOTAL, EPOCH = 120, 10

ARGS = {
    "constant": {},
    "step": {"every": 25, "factor": 0.3},
    "multistep": {"at": (40, 90), "factor": 0.1},
    "exponential": {"factor": 0.8},
    "polynomial": {"power": 1.5, "final": 0.02},
    "cosine": {"final": 0.01},
    "linear": {"final": 0.05},
    "one_cycle": {"start": 0.04, "final": 4e-6},
    "cosine_restarts": {"every": 20, "growth": 2.0, "final": 0.01},
    "inverse_sqrt": {"scale": 30},
    "reduce_on_plateau": {"metric": "valid.loss", "patience": 30},  # what it takes besides: test_plateau.py
}


def make(name: str, warmup: int = 0, **changes: object) -> schedules.Schedule:
    args = {**ARGS[name], **changes}
    return schedules.build(name, args, total_steps=TOTAL, steps_per_epoch=EPOCH, warmup_steps=warmup)


def published(name: str, step: int, warmup: int) -> float:
    """Give the factor after the warm-up, straight from each definition."""
    since, span = step - warmup, TOTAL - warmup
    if name in ("constant", "reduce_on_plateau"):
        return 1.0
    if name == "step":
        return 0.3 ** math.floor(since / 25)
    if name == "multistep":
        return 1.0 if step < 40 else 0.1 if step < 90 else 0.01
    if name == "exponential":
        return math.exp(since / EPOCH * math.log(0.8))
    if name == "polynomial":
        return 0.02 + 0.98 * (1 - since / span) ** 1.5
    if name == "linear":
        return 1 - 0.95 * since / span
    if name == "one_cycle":
        return 4e-6 + 0.5 * (1 - 4e-6) * (1 + math.cos(since / span * math.pi))
    if name == "inverse_sqrt":
        return (1 + since / 30) ** -0.5
    if name == "cosine_restarts":  # falls of 20, 40 and 80 steps
        begin, length = (0, 20) if since < 20 else (20, 40) if since < 60 else (60, 80)
        return 0.01 + 0.5 * 0.99 * (1 + math.cos((since - begin) / length * math.pi))
    return 0.01 + 0.5 * (1 - 0.01) * (1 + math.cos(since / span * math.pi))


def rising(name: str, done: float) -> float:
    return 1 - 0.96 * (1 + math.cos(math.pi * done)) / 2 if name == "one_cycle" else done


def test_one_cycle_has_the_rates_of_pytorch() -> None:
    """Recorded: OneCycleLR(max_lr = 1, total_steps = 10), its phases ending at steps 2 and 9."""
    recorded = [0.04, 0.52, 1.0, 0.9504846320134737, 0.8117456539497631, 0.6112620219362893, 0.3887419780637106]
    factor = schedules.build(
        "one_cycle", {"start": 0.04, "final": 4e-6}, total_steps=9, steps_per_epoch=3, warmup_steps=2
    )
    assert [factor(step) for step in range(7)] == pytest.approx(recorded, rel=1e-9)


def test_every_schedule_has_a_case_here() -> None:
    assert set(ARGS) == set(schedules.SCHEDULES)


@pytest.mark.parametrize("warmup", [0, 1, 15])
@pytest.mark.parametrize("name", sorted(ARGS))
def test_follows_its_definition(name: str, warmup: int) -> None:
    factor = make(name, warmup)
    for step in range(TOTAL):
        expected = rising(name, step / warmup) if step < warmup else published(name, step, warmup)
        assert factor(step) == pytest.approx(expected, rel=1e-12, abs=1e-15), step


@pytest.mark.parametrize("name", sorted(ARGS.keys() - {"one_cycle"}))
def test_warmup_goes_from_nothing_to_the_peak_and_never_past_it(name: str) -> None:
    factor = make(name, 20)
    assert factor(0) == 0
    assert factor(10) == 0.5
    assert factor(20) == 1.0
    assert all(0 <= factor(step) <= 1 for step in range(TOTAL + 5))


@pytest.mark.parametrize("name", ["polynomial", "cosine"])
def test_a_decay_to_nothing_still_learns_in_the_last_step(name: str) -> None:
    factor = make(name, final=0.0)
    assert 0 < factor(TOTAL - 1) < 0.01
    assert factor(TOTAL) == factor(TOTAL + 7) == pytest.approx(0, abs=1e-15)


CONSTANT = Component("constant", {"for": 4})
COSINE = Component("cosine", {"for": 6, "final": 0.1})


def test_schedules_follow_one_another_as_in_pytorch() -> None:
    """Recorded: SequentialLR of ConstantLR(factor = 1), CosineAnnealingLR(6, 0.1), ExponentialLR(0.5), at 4 and 10."""
    fall = [1.0, 0.9397114317029974, 0.775, 0.55, 0.325, 0.1602885682970026]
    parts = (CONSTANT, COSINE, Component("exponential", {"factor": 0.5}))
    factor = schedules.build("then", {"schedules": parts}, total_steps=13, steps_per_epoch=1)
    assert [factor(step) for step in range(13)] == pytest.approx([*[1.0] * 4, *fall, 1.0, 0.5, 0.25], rel=1e-12)
    assert factor(13) == factor(20) == 0.125


def test_a_schedule_that_follows_has_its_own_peak_and_warmup() -> None:
    parts = (
        Component("linear", {"for": 5, "warmup": 1, "final": 0.2}),  # 0, then from 1 to 0.2 in 4 steps
        Component("constant", {"peak": 0.2, "warmup": 2}),
    )
    factor = schedules.build("then", {"schedules": parts}, total_steps=9, steps_per_epoch=3)
    assert [factor(step) for step in range(9)] == pytest.approx([0, 1, 0.8, 0.6, 0.4, 0, 0.1, 0.2, 0.2])


def test_values_do_not_depend_on_the_order_of_asking() -> None:
    factor = make("multistep", 5)
    forward = [factor(step) for step in range(TOTAL)]
    assert [factor(step) for step in reversed(range(TOTAL))] == forward[::-1]


def test_a_stage_that_is_all_warmup_does_not_divide_by_nothing() -> None:
    assert make("cosine", TOTAL)(TOTAL - 1) == (TOTAL - 1) / TOTAL
    assert make("cosine", TOTAL)(TOTAL) == 1.0


def test_rejects_what_it_cannot_do() -> None:
    with pytest.raises(KeyError):
        schedules.build("cosin", {}, total_steps=10, steps_per_epoch=5)
    with pytest.raises(TypeError):
        schedules.build("cosine", {"final": 0.0, "power": 2}, total_steps=10, steps_per_epoch=5)
    with pytest.raises(ValueError, match="every"):
        make("step", every=0)
    with pytest.raises(ValueError, match="total_steps=0"):
        schedules.build("constant", {}, total_steps=0, steps_per_epoch=5)


@pytest.mark.parametrize("warmup", [0, 15])
def test_agrees_with_mxnet_polynomial_and_cosine(warmup: int) -> None:
    from runtime.backend.mx import mx

    ours = {name: make(name, warmup) for name in ("polynomial", "cosine")}
    theirs = {
        "polynomial": mx.lr_scheduler.PolyScheduler(TOTAL, base_lr=1.0, pwr=1.5, final_lr=0.02, warmup_steps=warmup),
        "cosine": mx.lr_scheduler.CosineScheduler(TOTAL, base_lr=1.0, final_lr=0.01, warmup_steps=warmup),
    }
    for step in range(TOTAL + 1):
        for name in ours:
            assert ours[name](step) == pytest.approx(theirs[name](step), rel=1e-12, abs=1e-15)


def test_agrees_with_mxnet_steps() -> None:
    """MXNet counts the first update as 1 there: its number s + 1 is our step s."""
    from runtime.backend.mx import mx

    step = mx.lr_scheduler.FactorScheduler(25, factor=0.3, base_lr=1.0)
    multistep = mx.lr_scheduler.MultiFactorScheduler([40, 90], factor=0.1, base_lr=1.0)
    for at in range(TOTAL):
        assert make("step")(at) == pytest.approx(step(at + 1))
        assert make("multistep")(at) == pytest.approx(multistep(at + 1))


def test_needs_neither_numpy_nor_mxnet() -> None:
    code = "import sys, runtime.plan.schedules; print({'numpy', 'mxnet'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
