"""What a run will cost, measured on a few batches: time of a step, of an epoch, of each stage, of the run; and memory.

In goes a prepared recipe and where it will run; out comes a `Probe` of plain values. Images are read, run through the
frozen prefix, trained on and evaluated by the functions that the loop itself uses (`runtime/training/loop.py`), on a
few images from all over each set. Nothing is written, and nothing is taken from or kept in the cache on the disk: the
estimate is of a run that finds it empty.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.backend.device import device_context
from runtime.backend.mx import nd
from runtime.data.decoded import DISK_BYTES, MEMORY_BYTES, Decoded, read_again
from runtime.data.images import find_broken
from runtime.data.listing import Sample
from runtime.data.problems import UnreadableImages
from runtime.data.sets import Sets, located
from runtime.data.tiles import tiled
from runtime.distribution.share import Share
from runtime.features.inputs import StageInputs
from runtime.features.prefix import Values
from runtime.models.heads import output_bias
from runtime.models.network import start_weights
from runtime.plan.types import Plan, StagePlan
from runtime.system.spill import Budget
from runtime.tasks.catalog import TASKS
from runtime.tasks.evaluation import Evaluator
from runtime.tasks.protocol import evaluator_of
from runtime.training.loop import measure
from runtime.training.settings import RunSettings
from runtime.training.stage import Session, StageNet, TrainStep, stage_net, training_step
from runtime.workflows.cost.duration import KeptRows, Pace, RunTimes, StageClock, spread, with_samples
from runtime.workflows.preparation import Prepared

_BATCHES = 3  # that are timed; one before them makes everything ready
_ENOUGH_S = 0.2  # so long short things are repeated
_STEPS_BEHIND = 2  # as in the loop
_SAVING_S = 1.0  # for weights, exported model and curves: hardly anything depends on the recipe


@dataclass(frozen=True, slots=True)
class StageProbe:
    """What one stage will cost. Times of a step are of one batch, in ms; the others are in seconds.

    `step_ms` is a step as the loop has it, with images read ahead. `reading_ms`, `frozen_ms` and `trained_ms` are its
    parts, each alone; where `kept`, the first two come once for each image and view, not in a step. An epoch includes
    its evaluation, which alone takes `evaluation_s` once the features are there. `later_epoch_s` is the mean of all
    epochs but the first, None where there is one only. `total_s` is an upper bound where a stage may stop early.

    `memory_mb` and `file_mb` are what kept features, and copies of weights, take at most, in millions of bytes.
    """

    step_ms: float
    images_per_s: float
    reading_ms: float
    frozen_ms: float
    trained_ms: float
    kept: bool
    evaluation_s: float
    first_epoch_s: float
    later_epoch_s: float | None
    total_s: float
    memory_mb: float
    file_mb: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What a run will cost. `total_s` is the whole of it; before its stages it takes `starting_s`, behind `ending_s`.

    `at_most` says whether a stage may stop early. `memory_mb` is the peak of resident memory, in millions of bytes:
    the probe's own, and what features and decoded images take when all are kept. `file_mb` go to
    temporary files.
    """

    stages: tuple[StageProbe, ...]
    starting_s: float
    ending_s: float
    total_s: float
    at_most: bool
    memory_mb: float
    file_mb: float


def probe(prepared: Prepared, settings: RunSettings, spent_s: float = 0.0) -> Probe:
    """Measure what the run of a prepared recipe will cost. The network's weights are of no use afterwards.

    `spent_s` is what came before and a run has as well: reading the recipe, listing the images, building the network.

    Raises:
        RecipeError: the weights cannot be had, an image cannot be read, or there is no such device.
    """
    plan, context = prepared.plan, device_context(settings.device)
    samples, checking = _sound(prepared, settings.workers)
    began = time.monotonic()
    with located(plan.base.span):
        start_weights(prepared.model, plan.base, plan.seed, context, output_bias(plan))
    nd.waitall()
    starting = spent_s + checking + time.monotonic() - began
    known, stages, ending = KeptRows(), [], 0.0
    room, share = _room(plan, samples)
    left = replace(room)
    with closing(Decoded(read_again(plan), left)) as decoded:
        task = TASKS[plan.task]
        collate = partial(task.collate, facts=plan.data.target)
        sets = Sets(plan.data, plan.seed, samples, settings.workers, collate, decoded if settings.cache else None)
        session = Session(
            plan,
            task,
            prepared.model,
            sets,
            context,
            fuse=settings.fuse,
            keep=settings.cache,
            teacher=prepared.teacher,
        )
        for stage in plan.stages:
            measured, ending = _stage(session, stage, known)
            stages.append(measured)
    return Probe(
        stages=tuple(stages),
        starting_s=starting,
        ending_s=ending,
        total_s=starting + sum(stage.total_s for stage in stages) + ending,
        at_most=any(stage.stop for stage in plan.stages),
        memory_mb=_peak_mb() + (room.memory - left.memory) / share / 1e6 + max(stage.memory_mb for stage in stages),
        file_mb=(room.disk - left.disk) / share / 1e6 + max(stage.file_mb for stage in stages),
    )


def _room(plan: Plan, samples: Mapping[str, Sequence[Sample]]) -> tuple[Budget, float]:
    """Return the room for decoded images, and what share of all they are.

    The room is that share of a run's: as large a part of them is kept as will be of all.
    """
    sets = read_again(plan) or samples
    share = sum(len(samples[name]) for name in sets) / sum(plan.data.images(name) for name in sets)
    return Budget(int(share * MEMORY_BYTES), int(share * DISK_BYTES)), share


def _sound(prepared: Prepared, workers: int) -> tuple[dict[str, Sequence[Sample]], float]:
    """Return the images to measure on, and in how many seconds a run checks all of its images."""
    step = prepared.plan.data.batch * max(stage.accumulate for stage in prepared.plan.stages)
    count = (1 + _BATCHES) * step
    samples = {name: spread(listing.samples, count) for name, listing in prepared.listings.items()}
    every = [sample for chosen in samples.values() for sample in chosen]
    began = time.monotonic()
    broken = dict(find_broken(every, max(1, workers)))
    seconds = time.monotonic() - began
    sound = {name: [s for s in chosen if s.id not in broken] for name, chosen in samples.items()}
    if tiles := prepared.plan.data.tiles:
        sound = {name: list(tiled(chosen, tiles)[:count]) for name, chosen in sound.items()}
    if broken and (prepared.plan.data.on_error == "stop" or not all(sound.values())):
        raise RecipeError(UnreadableImages(images=tuple(broken.items())))
    total = sum(len(listing.samples) for listing in prepared.listings.values())
    return {**sound, "train": _whole(sound["train"], step)}, seconds * total / len(every)


def _whole(samples: Sequence[Sample], step: int) -> Sequence[Sample]:
    """Return the images of at least one step: broken images may have left less."""
    return list(islice(cycle(samples), max(step, len(samples))))


def _stage(session: Session, stage: StagePlan, known: KeptRows) -> tuple[StageProbe, float]:
    """Measure a stage; return also in how many seconds a run ends that ends with it."""
    began = time.monotonic()
    features = session.features()
    room = replace(features.budget)
    net = stage_net(session, stage, features)
    try:
        known.enter(net.inputs.each.prefix)
        clocks: list[StageClock] = []
        epochs: list[float] = []
        for numbers, phase in stage.phases():
            now = net.at(phase)
            clocks.append(StageClock(now.inputs, _paces(session, phase, now, began), known))
            epochs += [clocks[-1].epoch(number) for number in numbers]
            began = time.monotonic()
        clock = clocks[-1]
        slowest = max(clocks, key=lambda each: each.paces.step.later)
        paces, ready = slowest.paces, sum(each.paces.ready for each in clocks)
        measured = StageProbe(
            step_ms=1e3 * paces.step.later,
            images_per_s=session.plan.data.batch * stage.accumulate / paces.step.later,
            reading_ms=1e3 * paces.reading,
            frozen_ms=1e3 * sum(paces.frozen),
            trained_ms=1e3 * paces.trained,
            kept=slowest.inputs.keeps_training,
            evaluation_s=clock.evaluation(1),
            first_epoch_s=epochs[0],
            later_epoch_s=sum(epochs[1:]) / len(epochs[1:]) if epochs[1:] else None,
            total_s=ready + sum(epochs) + stage.measures_beginning * clock.evaluation(1),
            memory_mb=(room.memory - features.budget.memory + _copies_bytes(stage, net)) / 1e6,
            file_mb=(room.disk - features.budget.disk) / 1e6,
        )
        return measured, clock.ending() + _SAVING_S
    finally:
        prefixes = (net.inputs.each.prefix, *(prefix for prefix, _ in net.resized.values()))
        for level in (level for prefix in prefixes for level in prefix.levels):
            if level.table is not None:
                level.table.close()


def _copies_bytes(stage: StagePlan, net: StageNet) -> int:
    """Return the bytes of the copies that the loop holds of weights: the first, the best, the next, a soup's."""
    copies = (1 if stage.position else 0) + (2 if stage.keep == "best" else 0) + stage.soup
    return copies * 4 * sum(int(math.prod(parameter.shape)) for parameter in net.changing.values())


def _paces(session: Session, stage: StagePlan, net: StageNet, began: float) -> RunTimes:
    """Measure how long batches of a stage take. `began` is when the stage did."""
    batch, samples = session.plan.data.batch * stage.accumulate, session.sets.samples
    first = with_samples(net.inputs, {name: chosen[:batch] for name, chosen in samples.items()})
    rest = with_samples(
        net.inputs, {name: chosen[batch:] if len(chosen) >= 2 * batch else chosen for name, chosen in samples.items()}
    )
    step = training_step(session, stage, net)
    evaluator = partial(evaluator_of, session.task, session.plan.data.target, stage.loss)  # of tiles, not yet merged
    _evaluate(net.predicting(), first, "valid", evaluator())
    _fill(first.fill_training(0))
    _train(step, first)
    passed = time.monotonic() - began
    reading, frozen, trained = _alone(step, rest)
    filling = _filling(replace(rest, teacher=None), reading + sum(frozen))
    teaching = _fill(rest.fill_teacher(0))
    in_loop = _pace(partial(_train, step, rest), session, net.inputs.keeps_training)
    began = time.monotonic()
    predict = net.predicting()
    _evaluate(predict, first, "valid", evaluator())
    evaluated = time.monotonic() - began
    evaluation = _pace(lambda: _evaluate(predict, rest, "valid", evaluator()), session, net.inputs.each.prefix.keeps)
    joining = max(0.0, evaluated - evaluation.later)
    _train(step, first)  # MXNet's memory grows once more when training goes on after an evaluation
    tested = stage.position == session.plan.stages[-1].position and session.plan.data.images("test") > 0
    return RunTimes(
        ready=max(0.0, passed - 2 * filling.first - in_loop.first - evaluation.first - joining),
        reading=reading,
        frozen=frozen,
        trained=in_loop.later if net.inputs.keeps_training else trained,
        joining=joining,
        filling=filling,
        step=in_loop,
        evaluation=evaluation,
        testing=_per_batch(lambda: _evaluate(predict, rest, "test", evaluator()), once=True) if tested else 0.0,
        teaching=teaching or 0.0,
    )


def _filling(inputs: StageInputs, alone: float) -> Pace:
    """Measure how long features take where they are kept, of images that are not decoded and of such that are.

    `alone` stands for it where there is nothing to compute.
    """
    trained = _fill(inputs.fill_training(0))
    evaluated = _fill(inputs.each.fill_evaluation("valid"))
    first = next((found for found in (trained, evaluated) if found is not None), alone)
    later = _fill(inputs.fill_training(1))
    return Pace(first, first if later is None else later)


def _pace(work: Callable[[], int], session: Session, kept: bool) -> Pace:
    """Measure `work`, which gives how many batches it did. Where nothing is read, the first time is like the others."""
    first = None if kept or session.sets.decoded is None else _per_batch(work, once=True)
    later = _per_batch(work)
    return Pace(later if first is None else first, later)


def _per_batch(work: Callable[[], int], once: bool = False) -> float:
    """Return the seconds of one batch; `work` gives how many it did, and is repeated while it is short."""
    began, done = time.monotonic(), 0
    while not done or not once and time.monotonic() - began < _ENOUGH_S:
        done += work()
    return (time.monotonic() - began) / done


def _fill(progress: Iterable[tuple[int, int]]) -> float | None:
    """Compute features; return the seconds of a batch, None where there was nothing to compute."""
    began = time.monotonic()
    batches = len(list(progress))
    return (time.monotonic() - began) / batches if batches else None


def _train(step: TrainStep, inputs: StageInputs) -> int:
    """Train on the batches of an epoch, as the loop does; return how many."""
    pending: deque[Any] = deque()
    count = 0
    for parts in inputs.training(0):
        pending.append(step(parts, count % inputs.stage.steps)[0])
        count += 1
        if len(pending) > _STEPS_BEHIND:
            pending.popleft().wait_to_read()
    nd.waitall()
    return count


def _evaluate(predict: Callable[[Any], Any], inputs: StageInputs, name: str, evaluator: Evaluator) -> int:
    """Measure the network on a set; return on how many batches."""
    _fill(inputs.each.fill_evaluation(name))
    measure(predict, inputs.each, name, evaluator)
    return math.ceil(len(inputs.each.sets.samples[name]) / inputs.each.sets.plan.batch)


def _alone(step: TrainStep, inputs: StageInputs) -> tuple[float, tuple[float, ...], float]:
    """Return the seconds of a batch, each alone: opening images, each piece of the frozen prefix, a step behind it.

    The step has all of its batches.
    """
    sets = replace(inputs.each.sets, decoded=None)
    reading = _per_batch(lambda: sum(1 for _ in sets.training(inputs.stage, 0)))
    with closing(sets.training(inputs.stage, 0)) as batches:
        batch = next(batches)
    values: Values = (inputs.trained.prefix.to_input(batch.images),)
    frozen = []
    for level in inputs.trained.prefix.levels:
        given, values = values, level.run(values)  # the first time makes it ready
        nd.waitall()
        frozen.append(_per_batch(partial(_finished, level.run, given)))
    return (
        reading,
        tuple(frozen),
        _per_batch(partial(_finished, step, _cut(inputs.share, values, batch.targets) * inputs.stage.accumulate, 0)),
    )


def _cut(share: Share, values: Values, targets: Any) -> list[tuple[Values, Any]]:
    """Return a batch in its shards."""
    if share.shards == 1:
        return [(values, targets)]
    return [(tuple(each[part] for each in values), targets[part]) for part in share.slices(len(targets))]


def _finished(work: Callable[..., Any], *given: Any) -> int:
    """Do a batch's work, and wait for it."""
    work(*given)
    nd.waitall()
    return 1


def _peak_mb() -> float:
    """Return the highest resident memory of this process so far, in millions of bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6
