"""Which learning rate a stage likes: the range test on the weights that it would really begin with.

In goes a prepared recipe and a stage of it; out comes a `RateFinding`. A stage behind others begins with what a run has
handed on, or is trained up to there. Nothing is written but the frozen features of the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.plan.types import StagePlan
from runtime.runs.folder import read_json
from runtime.runs.trained import handed_on
from runtime.training.events import Observer, StageFinished
from runtime.training.loop import train
from runtime.training.range_test import RateCurve, range_test
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted, Session
from runtime.training.state import TrainState
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, ready_session


@dataclass(frozen=True, slots=True)
class RateFinding:
    """What the range test says of a stage: the curve, in how many seconds, and what weights it began with.

    `training_s` went into the stages before it, 0 where none were trained.
    """

    stage: StagePlan
    curve: RateCurve
    seconds: float
    begins: str
    training_s: float = 0.0


def find_rates(
    prepared: Prepared,
    settings: RunSettings,
    stage: StagePlan,
    run: Path | None = None,
    observers: Sequence[Observer] = (),
    tell: Callable[[str], None] = lambda doing: None,
) -> RateFinding:
    """Test the rates of a stage; where others come before it, it begins with the weights of `run`, else they train.

    `observers` are told of that training and of the images, `tell` what the test itself does.

    Raises:
        RecipeError: an image or weights cannot be read, those of the run do not fit, or a stage before it failed.
        Interrupted: a signal ended it.
    """
    with ready_session(prepared, settings, observers) as (session, context):
        began = time.monotonic()
        begins = "the weights of the base, and a new head"
        plan, position = session.plan, stage.position
        if position and run is not None:
            session.model.load(handed_on(run, position - 1), f"`{run}`")
            begins = f"what {plan.stages[position - 1].name} of {run} handed on{_other(run, plan.hash)}"
        elif position:
            _train_before(session, position, context)
            begins = f"what {plan.stages[position - 1].name} hands on, trained for this"
        trained = time.monotonic() - began if position and run is None else 0.0
        began = time.monotonic()
        try:
            curve = range_test(replace(session, state=TrainState(position)), plan.stages[position], tell)
        except Interrupted:
            raise Interrupted(context.signal.number) from None
        return RateFinding(plan.stages[position], curve, time.monotonic() - began, begins, trained)


def _train_before(session: Session, position: int, context: RunContext) -> None:
    """Train the stages before a position; the network has the weights then that the last of them hands on."""
    try:
        with closing(train(replace(session, state=TrainState()))) as events:
            for event in events:
                context.tell(event)
                if isinstance(event, StageFinished) and event.stage == position - 1:
                    return
    except Interrupted:
        raise Interrupted(context.signal.number) from None


def _other(run: Path, recipe: str) -> str:
    """Say where a run is of another recipe: its weights are taken all the same, since they fit."""
    plan = read_json(run, "plan.json") if run.is_dir() else {}
    same = isinstance(plan, dict) and plan.get("hash") == recipe
    return "" if same else ", a run of another recipe"
