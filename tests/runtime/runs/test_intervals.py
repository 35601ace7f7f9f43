"""When a checkpoint is due."""

from __future__ import annotations

import time

import pytest

from runtime.training.settings import CheckpointSchedule, Interval
from runtime.training.state import TrainState


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1 minute", Interval(60, "seconds")),
        ("5minutes", Interval(300, "seconds")),
        ("1.5 hours", Interval(5400, "seconds")),
        ("500 steps", Interval(500, "steps")),
        ("1 epoch", Interval(1, "epochs")),
    ],
)
def test_intervals(text: str, interval: Interval) -> None:
    assert Interval.of(text) == interval


@pytest.mark.parametrize("text", ["", "5", "minutes", "-1 minute", "0 steps", "1 image", "1e3 steps", "nan steps"])
def test_wrong_intervals(text: str) -> None:
    with pytest.raises(ValueError, match="5 minutes"):
        Interval.of(text)


def test_minutes_pass_by_the_clock() -> None:
    now = 100.0
    due = CheckpointSchedule(Interval(60, "seconds"), lambda: now)
    state = TrainState()
    assert not due(state)
    now = 160.0
    assert due(state)
    due.taken(state)
    assert not due(state)


def test_steps_and_epochs_count_from_the_last_one() -> None:
    due = CheckpointSchedule(Interval(3, "steps"), time.monotonic)
    assert [due(TrainState(step=step)) for step in (1, 2, 3, 4)] == [False, False, True, True]
    due.taken(TrainState(step=4))
    assert [due(TrainState(step=step)) for step in (6, 7)] == [False, True]
    assert [due(TrainState(stage=1, step=step)) for step in (2, 3)] == [False, True]
    due = CheckpointSchedule(Interval(2, "epochs"), time.monotonic)
    assert [due(TrainState(epoch=epoch)) for epoch in (1, 2)] == [False, True]
    assert not due(TrainState(epoch=2, losses=[0.5]))
