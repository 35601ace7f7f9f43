"""`reduce_on_plateau` against PyTorch's ReduceLROnPlateau on the same values (recorded: torch 2.14, `eps = 0`)."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.plan.plateau import REDUCE_ON_PLATEAU, judged
from runtime.plan.schedule import Plateau

NAN = float("nan")
LOSS = (2.0, 1.5, 1.4999, 1.6, 1.5, 1.49, 1.49, 1.489, 1.4895, 1.4895, *([1.2] * 10))
ACCURACY = (0.5, 0.6, 0.6, 0.6004, 0.61, 0.61, 0.61, 0.61, 0.609, 0.61, *([0.62] * 4), 0.5, *([0.63] * 5))
DEFAULTS = {"factor": 0.1, "threshold": 1e-4, "threshold_mode": "relative", "cooldown": 0, "final": 0.0}


def factors(values: tuple[float, ...], higher_is_better: bool = False, per_epoch: int = 7, **args: Any) -> list[float]:
    lengths = {name: per_epoch * args[name] for name in ("patience", "cooldown") if name in args}
    state, found = Plateau(), []
    for value in values:
        state = judged(
            {**DEFAULTS, **args, **lengths},
            state,
            value,
            higher_is_better=higher_is_better,
            steps_per_epoch=per_epoch,
        )
        found.append(state.factor)
    return found


@pytest.mark.parametrize(
    ("found", "recorded"),
    [
        (
            factors(LOSS, patience=1),
            [*[1.0] * 3, *[0.1] * 6, *[0.01] * 3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6],
        ),
        (
            factors(LOSS, patience=1, factor=0.5, cooldown=2),
            [*[1.0] * 3, *[0.5] * 6, *[0.25] * 4, *[0.125] * 4, *[0.0625] * 3],
        ),
        (
            factors(LOSS, patience=2, factor=0.5, threshold=0.01, threshold_mode="absolute"),
            [*[1.0] * 4, *[0.5] * 9, *[0.25] * 3, *[0.125] * 3, 0.0625],
        ),
        (
            factors(ACCURACY, True, patience=2, factor=0.2, threshold=1e-3),
            [*[1.0] * 7, *[0.2] * 6, *[0.04] * 5, 0.008, 0.008],
        ),
        (
            factors(
                ACCURACY,
                True,
                patience=0,
                factor=0.3,
                threshold=5e-3,
                threshold_mode="absolute",
                cooldown=1,
                final=0.01,
            ),
            [1.0, 1.0, 0.3, 0.3, 0.3, 0.09, 0.09, 0.027, 0.027, *[0.01] * 11],
        ),
        (factors(LOSS, patience=0, final=0.05), [1.0, 1.0, 0.1, *[0.05] * 17]),
        (
            factors((NAN, 1.0, NAN, NAN, 0.9, NAN, NAN, NAN), patience=1, factor=0.5),
            [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25],
        ),
    ],
    ids=["defaults", "cooldown", "absolute", "higher is better", "all arguments", "lowest rate", "not a number"],
)
def test_reduces_as_pytorch_does(found: list[float], recorded: list[float]) -> None:
    assert found == pytest.approx(recorded, rel=1e-12)


def test_patience_may_be_less_than_an_epoch() -> None:
    state = judged({**DEFAULTS, "patience": 3}, Plateau(1.0), 1.0, higher_is_better=False, steps_per_epoch=4)
    assert state == Plateau(1.0, factor=0.1)
    state = judged({**DEFAULTS, "patience": 4}, Plateau(1.0), 1.0, higher_is_better=False, steps_per_epoch=4)
    assert state == Plateau(1.0, bad=1)


def test_a_lowest_rate_raises_no_rate() -> None:
    """A stage that resumed under a recipe with a higher `final` stays where it is."""
    args = {**DEFAULTS, "patience": 0, "final": 0.5}
    assert judged(args, Plateau(1.0, factor=0.2), 1.0, higher_is_better=False, steps_per_epoch=1).factor == 0.2


def test_the_row_takes_what_the_arithmetic_needs() -> None:
    assert {arg.name for arg in REDUCE_ON_PLATEAU.entry.args} == {*DEFAULTS, "metric", "patience", "warmup"}
