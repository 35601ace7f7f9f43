"""The training loop.

`train(session)` runs a plan's stages one after the other, and yields what happens as events. It prints nothing and
writes no file. The loop never waits for a step's result: losses are read a few steps late, and all of them before a
checkpoint is due. A session with a checkpoint goes on where that was taken.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, cast

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.words import listed
from runtime.distribution.exchange import ALONE, Exchange
from runtime.features.features import Features
from runtime.features.inputs import SetInputs, StepInputs
from runtime.plan.schedule import Plateau
from runtime.plan.schedules import kind
from runtime.plan.stage_rules import RECOVERIES
from runtime.plan.types import StagePlan, TargetFacts
from runtime.tasks.evaluation import Evaluator, Report, ViewsEvaluator
from runtime.tasks.protocol import Task
from runtime.tasks.tiles import set_evaluator
from runtime.training.class_means import class_means
from runtime.training.decisions import led, predicted, shared_values
from runtime.training.events import (
    CheckpointDue,
    Evaluated,
    EvaluationStarted,
    Event,
    FeaturesComputed,
    RateReduced,
    RolledBack,
    StageFinished,
    StageStarted,
    StepFinished,
    Tested,
)
from runtime.training.problems import LossNotFinite
from runtime.training.snapshot import arrays_of, restore_arrays, restore_stage, restore_start, snapshot, weights_of
from runtime.training.soup import greedy, ranked
from runtime.training.stage import (
    Interrupted,
    Session,
    StageNet,
    TrainStep,
    rate_factor,
    reduction,
    slowdown,
    stage_net,
    training_step,
)
from runtime.training.state import Best, Checkpoint, Origin, TrainState

_STEPS_BEHIND = 2


def train(session: Session) -> Generator[Event, None, None]:
    """Run all stages, then report on the validation and the test set.

    Raises:
        Interrupted: `session.should_stop` said so; the model holds the weights of the last whole step.
        RecipeError: the loss is no longer a number, an image cannot be read, or the checkpoint does not fit.
    """
    session = led(session)
    features = session.features()
    try:
        yield from _run_stages(session, features)
    finally:
        features.close()


def _run_stages(session: Session, features: Features) -> Iterator[Event]:
    state, checkpoint = session.state, session.checkpoint
    if checkpoint is not None:
        restore_start(session.model, session.plan, checkpoint)
    net = None
    for stage in session.plan.stages[state.stage :]:
        net = stage_net(session, stage, features)
        try:
            origin = yield from _run_stage(session, stage, net, checkpoint)
        except Interrupted:
            yield _checkpoint(session, net)
            net.average.put(net.average.arrays)  # what the folder gets, as at the stage's end
            raise
        checkpoint = None
        if stage is not session.plan.stages[-1]:
            state.begin(stage.position + 1, origin)
    assert net is not None
    facts = session.plan.data.target
    report: Report | None = None
    for name in ("valid", "test"):
        if session.plan.data.images(name):
            yield EvaluationStarted(state.stage, state.epoch, state.step, name)
            known = facts if name == "valid" else session.task.chosen(facts, report)
            report = yield from _measure(session, session.plan.stages[-1].last, net, name, known)
            yield Tested(state.stage, state.epoch, state.step, name, report)


def measure(
    suffix: Callable[..., Any],
    inputs: SetInputs,
    name: str,
    evaluator: Evaluator,
    should_stop: Callable[[], bool] = lambda: False,
    exchange: Exchange = ALONE,
) -> Report:
    """Measure a network on a set: `suffix` gives the outputs of what its frozen prefix gives. What is kept is there.

    Raises:
        Interrupted: `should_stop` said so.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that diverged; the loss says so
        for outputs, targets in predicted(suffix, inputs, name, should_stop, exchange):
            if len(outputs) == 1:
                evaluator.update(outputs[0], targets)
            else:
                cast(ViewsEvaluator, evaluator).update_views(outputs, targets)
        return evaluator.report()


def _measure(
    session: Session, stage: StagePlan, net: StageNet, name: str, facts: TargetFacts | None = None
) -> Generator[Event, None, Report]:
    """Measure the network on a set, from what is kept of its frozen part where there is such.

    `facts` are those of the plan unless they are given.
    """
    yield from _filling(session, net.inputs.each.fill_evaluation(name))
    samples, data = session.sets.samples[name], session.plan.data
    evaluator = set_evaluator(session.task, facts or data.target, stage.loss, data, samples)
    return measure(net.predicting(), net.inputs.each, name, evaluator, session.should_stop, session.exchange)


def _validated(session: Session, stage: StagePlan, net: StageNet) -> Generator[Event, None, Mapping[str, float]]:
    """Measure the network on the validation set; what is decided by it is decided alike by all workers."""
    values = (yield from _measure(session, stage, net, "valid")).values
    return shared_values(session.exchange, values)


def _filling(session: Session, progress: Iterator[tuple[int, int]]) -> Iterator[FeaturesComputed]:
    state = session.state
    for done, total in progress:
        if session.should_stop():
            raise Interrupted
        yield FeaturesComputed(state.stage, state.epoch, state.step, done, total)


def _run_stage(
    session: Session, stage: StagePlan, net: StageNet, checkpoint: Checkpoint | None
) -> Generator[Event, None, Origin]:
    """Run what is left of a stage; return where the weights come from that it hands on."""
    state = session.state
    yield StageStarted(stage, stage.position, state.epoch, state.step)
    state.begun_with = weights_of(net) if stage.position else {}
    if checkpoint is not None:
        restore_stage(state, net, checkpoint)
    if not stage.position and not state.step:  # where it was stopped before its first step as well
        yield from _filling(session, class_means(session, net))
    if stage.measures_beginning and not state.step and state.best is None:
        yield from _measure_beginning(session, stage, net)
    if not state.step:
        net.average.begin()
    phase = stage.at(state.epoch)
    train_step = training_step(session, phase, net.at(phase))
    while not state.ended:
        if phase != (now := stage.at(state.epoch)):
            phase, train_step = now, training_step(session, now, net.at(now))
        try:
            yield from _run_epoch(session, phase, net, train_step)
        except _Diverged as fault:
            yield _roll_back(state, stage, net, fault)
        else:
            if state.ended or session.is_due(state):
                yield _checkpoint(session, net)
    soup = (yield from _soup(session, stage, net)) if len(state.ingredients) > 1 else ""
    origin, kept = _keep(session, stage, net)
    best = state.best
    gained = best.epoch > 0 if best and stage.measures_beginning else None
    at = (stage.position, state.epoch, state.step)
    yield StageFinished(*at, state.ended, soup or kept, best.value if best else None, origin, gained)
    return origin


def _measure_beginning(session: Session, stage: StagePlan, net: StageNet) -> Iterator[Event]:
    """Measure the weights that a stage begins with: what it hands on is not worse."""
    yield EvaluationStarted(stage.position, 0, 0, "valid")
    values = yield from _validated(session, stage, net)
    is_best = _note_best(session, stage, net, values, 0)
    yield Evaluated(stage.position, 0, 0, "valid", values, math.nan, is_best)


def _run_epoch(session: Session, stage: StagePlan, net: StageNet, train_step: TrainStep) -> Iterator[Event]:
    """Run what is left of an epoch, and evaluate. A checkpoint may have been taken anywhere between the steps."""
    state = session.state
    done = state.step - state.epoch * stage.steps_per_epoch
    if stage.recovery is not None and not done:
        state.epoch_began_with = arrays_of(net)
    if min(stage.steps_per_epoch, stage.steps - state.step + done) > done:
        inputs = net.at(stage).inputs
        yield from _filling(session, inputs.fill_training(state.epoch))
        yield from _run_steps(session, stage, net, train_step, inputs.training(state.epoch, done))
    epoch = state.epoch + 1
    yield EvaluationStarted(stage.position, epoch, state.step, "valid")
    with net.average.in_place():
        values = yield from _validated(session, stage, net)
        if not math.isfinite(values["loss"]):
            raise _Diverged("validation loss", state.step, values["loss"])
        is_best = _note_best(session, stage, net, values, epoch)
    loss = sum(state.losses) / max(1, len(state.losses))
    yield Evaluated(stage.position, epoch, state.step, "valid", values, loss, is_best)
    reduced = _judge(session, stage, values)
    state.epoch, state.losses, state.epoch_began_with = epoch, [], {}
    if reduced and state.step < stage.steps:
        yield RateReduced(stage.position, epoch, state.step, str(stage.schedule.args["metric"]), reduction(state))
    if _is_over(session, stage, values):
        state.ended = "stopped early"
    elif state.step >= stage.steps:
        state.ended = "done"


def _checkpoint(session: Session, net: StageNet) -> CheckpointDue:
    state = session.state
    taken = snapshot(state, session.plan, session.model, net)
    return CheckpointDue(state.stage, state.epoch, state.step, taken)


class _Diverged(Exception):  # noqa: N818 - the stage may have a way out
    """A loss is infinite or no number: which, after which step, and its value."""


def _roll_back(state: TrainState, stage: StagePlan, net: StageNet, fault: _Diverged) -> RolledBack:
    """Go back to the beginning of the epoch, at a lower rate.

    Raises:
        RecipeError: the stage does not want that, or has done it as often as it may.
    """
    what, step, loss = fault.args
    rate = stage.optimizer.args["lr"] * rate_factor(stage)(step - 1) * reduction(state) * slowdown(state, stage)
    rule = stage.recovery
    if rule is None or state.rollbacks >= RECOVERIES[rule.name].times(rule.args):
        span = stage.optimizer.span or stage.span
        raise RecipeError(
            LossNotFinite(
                span=span, title=stage.title, step=step, rate=rate, loss=loss, what=what, rollbacks=state.rollbacks
            )
        ) from None
    state.rollbacks += 1
    state.step, state.losses = state.epoch * stage.steps_per_epoch, []
    restore_arrays(net, state.epoch_began_with, state.step)
    return RolledBack(stage.position, state.epoch, state.step, step, what, loss, slowdown(state, stage))


def _run_steps(
    session: Session,
    stage: StagePlan,
    net: StageNet,
    train_step: TrainStep,
    batches: Generator[StepInputs, None, None],
) -> Iterator[Event]:
    """Run the steps that are left of an epoch, each on its batches.

    Raises:
        Interrupted: `session.should_stop` said so; all losses were read.
        _Diverged: a loss is not finite.
    """
    state = session.state
    pending: deque[tuple[int, Any, float, int]] = deque()
    last = min((state.epoch + 1) * stage.steps_per_epoch, stage.steps)
    images = session.plan.data.batch * stage.accumulate
    stopped = False
    try:
        for parts in batches:
            stopped = session.should_stop()
            if stopped:
                break
            loss, rate = train_step(parts, state.step)
            state.step += 1
            net.average.update(state.step)
            pending.append((state.step, loss, rate, images))
            is_due = session.is_due(state)
            while len(pending) > (0 if is_due else _STEPS_BEHIND):
                yield _finished(state, pending.popleft())
            if is_due:
                yield _checkpoint(session, net)
            if state.step == last:
                break
    finally:
        batches.close()
    while pending:
        yield _finished(state, pending.popleft())
    if stopped:
        raise Interrupted


def _finished(state: TrainState, late: tuple[int, Any, float, int]) -> StepFinished:
    step, loss, rate, images = late
    value = float(loss.asscalar())
    if not math.isfinite(value):
        raise _Diverged("loss", step, value)
    state.losses.append(value)
    return StepFinished(state.stage, state.epoch + 1, step, value, rate, images)


def _better(task: Task, name: str, value: float, than: float, by: float = 0.0) -> bool:
    if math.isnan(than):
        return not math.isnan(value)
    return value > than + by if task.metrics[name].higher_is_better else value < than - by


def _note_best(session: Session, stage: StagePlan, net: StageNet, values: Mapping[str, float], epoch: int) -> bool:
    state = session.state
    if stage.monitor is None:
        return False
    value, best, metric = values[stage.monitor.name], state.best, session.task.metrics[stage.monitor.name]
    if stage.soup:
        _add_ingredient(state, stage, net, Best(value, epoch, state.step, {}), metric.higher_is_better)
    if best is not None and not _better(session.task, stage.monitor.name, value, best.value):
        is_untold = best.epoch > 0 and value == best.value == metric.worst  # the later epoch has learned more
        if not is_untold:
            return False
    weights = weights_of(net) if stage.keep == "best" else {}
    state.best = Best(value, epoch, state.step, weights)
    return True


def _add_ingredient(state: TrainState, stage: StagePlan, net: StageNet, new: Best, higher_is_better: bool) -> None:
    """Keep an epoch's weights while it is among the best."""
    best = ranked([*state.ingredients, new], higher_is_better, stage.soup)
    if new in best:
        new.weights = weights_of(net)
        state.ingredients = best


def _soup(session: Session, stage: StagePlan, net: StageNet) -> Generator[Event, None, str]:
    """Put the soup of the best epochs in the place of the best; say which epochs are in it."""
    state, monitor = session.state, stage.monitor
    assert monitor is not None
    assert state.best is not None
    metric = session.task.metrics[monitor.name]

    def is_worse(value: float, than: float) -> bool:
        return math.isnan(value) or _better(session.task, monitor.name, than, value)

    making = greedy(ranked(state.ingredients, metric.higher_is_better, stage.soup), is_worse)
    try:
        trial = next(making)
        while True:
            for name, values in trial.items():
                net.changing[name].set_data(values)
            yield EvaluationStarted(stage.position, state.epoch, state.step, "valid")
            trial = making.send((yield from _validated(session, stage, net))[monitor.name])
    except StopIteration as end:
        soup = end.value
    alone = state.best.value
    state.best = Best(soup.value, soup.epochs[0], state.step, soup.weights)
    if len(soup.epochs) == 1:
        return ""
    epochs = listed(tuple(map(str, soup.epochs)), "and")
    return f"the mean of epochs {epochs} ({soup.value:.4f}, the best alone {alone:.4f})"


def _judge(session: Session, stage: StagePlan, values: Mapping[str, float]) -> bool:
    """Let a schedule that goes by a metric see an epoch's; say whether it has reduced the rate."""
    state, judge, args = session.state, kind(stage.schedule.name).judge, stage.schedule.args
    if judge is None or state.step <= stage.warmup:
        return False
    metric, before = args["metric"].name, reduction(state)
    state.plateau = judge(
        args,
        state.plateau or Plateau(),
        values[metric],
        higher_is_better=session.task.metrics[metric].higher_is_better,
        steps_per_epoch=stage.steps_per_epoch,
    )
    return reduction(state) < before


def _is_over(session: Session, stage: StagePlan, values: Mapping[str, float]) -> bool:
    state, rule = session.state, stage.stop
    if rule is None:
        return False
    value = values[rule.metric.name]
    if state.stop_value is None or _better(session.task, rule.metric.name, value, state.stop_value, rule.min_delta):
        state.stop_value, state.improved_at = value, state.step
    return state.step - state.improved_at >= rule.patience and state.step < stage.steps


def kept_best(state: TrainState, stage: StagePlan) -> Best | None:
    """Return the best so far of a stage that hands on its best; None where it hands on the last."""
    return state.best if stage.keep == "best" else None


def _keep(session: Session, stage: StagePlan, net: StageNet) -> tuple[Origin, str]:
    """Put the weights in place that the stage hands on; return whose they are, and say which."""
    best = kept_best(session.state, stage)
    origin = session.state.origin(best.epoch if best else session.state.epoch)
    if best is None:
        net.average.put(net.average.arrays)
        return origin, f"the {'average' if net.average.arrays else 'last'} (epoch {origin.epoch})"
    for name, copy in best.weights.items():
        net.changing[name].set_data(copy)
    if best.epoch:
        return origin, f"the best (epoch {best.epoch})"
    named = f": {origin.named(session.plan)}" if stage.position else ""
    return origin, f"what it began with{named}"
