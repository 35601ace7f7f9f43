"""The time that is left of a run: canned events of runs whose costs are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from planned import facts, plan_of

from runtime.plan.types import Plan, StagePlan
from runtime.reporting.time_left import TimeLeft
from runtime.training import events
from runtime.training.state import Origin

FILL, STEP, EVALUATION = 0.01, 0.02, 0.3  # seconds of an image, of a step, of an evaluation
HEAD = 'stage "head" {\n  train = head\n  for = 6 epochs\n}\n'
AGAIN = 'stage "again" {\n  train = head\n  for = 4 epochs\n}\n'
ALL = 'stage "all" {\n  train = all\n  for = 3 epochs\n}\n'


def planned(*stages: str, data: str = "") -> Plan:
    text = f'ftr 1\ndata {{\n  train = folder("photos")\n  size = 64px\n  batch = 10\n{data}}}\n'
    return plan_of(f'{text}base = gluon("resnet18_v2", weights = none)\n{"".join(stages)}', data=facts(1000, 100))


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run costs: seconds of a step by stage, and new images to fill by epoch of a stage."""

    steps: Mapping[int, float]
    fills: Mapping[tuple[int, int], int]


def happening(plan: Plan, costs: Costs) -> Iterator[tuple[float, events.Event]]:
    """Yield the events of a run, each with the seconds that pass before it."""
    for stage in plan.stages:
        at = stage.position
        yield 0.0, events.StageStarted(stage, at)
        for epoch in range(stage.epochs):
            step = epoch * stage.steps_per_epoch
            yield from filling(stage, epoch, step, costs.fills.get((at, epoch), 0))
            for _ in range(stage.steps_per_epoch):
                step += 1
                yield costs.steps[at], events.StepFinished(at, epoch + 1, step, 1.0, 1e-3, 10)
            yield 0.0, events.EvaluationStarted(at, epoch + 1, step, "valid")
            if epoch == 0 and costs.fills:
                yield from filling(stage, epoch, step, 100 if at == 0 else 0)
            yield EVALUATION, events.Evaluated(at, epoch + 1, step, "valid", {"loss": 1.0}, 1.0, False)
        yield (
            0.0,
            events.StageFinished(
                at, stage.epochs, stage.steps, "done", "the last", None, Origin(at, stage.epochs), None
            ),
        )


def filling(stage: StagePlan, epoch: int, step: int, images: int) -> Iterator[tuple[float, events.Event]]:
    for done in range(10, images + 1, 10):
        yield 10 * FILL, events.FeaturesComputed(stage.position, epoch, step, done, images)


def estimates(plan: Plan, costs: Costs) -> list[tuple[events.Event, float | None, float]]:
    """Return after each event what is said to be left of the run, and what is."""
    told = list(happening(plan, costs))
    left, now, found = TimeLeft(plan), 0.0, []
    whole = sum(passed for passed, _ in told)
    for passed, event in told:
        now += passed
        left.take(event, now)
        found.append((event, left.of_run(), whole - now))
    return found


def right(found: list[tuple[events.Event, float | None, float]], share: float) -> None:
    """Fail unless the estimates are there once three steps have shown what one takes, and near the truth."""
    for event, said, truth in found:
        if isinstance(event, events.StepFinished) and event.step > 4:
            assert said is not None
            assert said == pytest.approx(truth, rel=share, abs=2.5), event  # weights and test have no events here


def test_features_are_computed_once() -> None:
    costs = Costs({0: STEP}, {(0, 0): 1000})
    found = estimates(planned(HEAD), costs)
    right(found, 0.05)
    assert all(said is None for event, said, _ in found if event.step < 3)  # nothing rather than a guess


def test_flips_make_fewer_new_images_in_each_epoch() -> None:
    new = {(0, epoch): round(100 * 0.5**epoch) * 10 for epoch in range(6)}  # two views
    right(estimates(planned(HEAD, data="  augment = [flip(horizontal)]\n"), Costs({0: STEP}, new)), 0.15)


def test_with_a_warm_cache_no_later_epoch_computes_features() -> None:
    right(estimates(planned(HEAD), Costs({0: STEP}, {})), 0.05)


def test_a_stage_like_the_one_before_takes_as_long() -> None:
    right(estimates(planned(HEAD, AGAIN), Costs({0: STEP, 1: STEP}, {(0, 0): 1000})), 0.05)


def test_another_stage_is_guessed_from_the_time_of_the_network_or_not_at_all() -> None:
    whole = 10 * FILL * 3  # forward and backward of a batch
    found = estimates(planned(HEAD, ALL), Costs({0: STEP, 1: whole}, {(0, 0): 1000}))
    right(found, 0.4)
    warm = estimates(planned(HEAD, ALL), Costs({0: STEP, 1: whole}, {}))
    assert {said for event, said, _ in warm if event.stage == 0} == {None}
    right([each for each in warm if each[0].stage == 1], 0.1)


def test_a_run_that_goes_on_counts_from_there() -> None:
    plan = planned(HEAD)
    left = TimeLeft(plan)
    left.take(events.StageStarted(plan.stages[0], 0, 4, 450), 100.0)
    assert left.of_run() is None
    for step in range(451, 501):
        left.take(events.StepFinished(0, 5, step, 1.0, 1e-3, 10), 100 + STEP * (step - 450))
    said = left.of_run()
    assert said is not None
    assert said == pytest.approx(100 * STEP, abs=2.5)
