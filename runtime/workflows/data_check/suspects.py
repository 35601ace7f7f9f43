"""Targets that may be wrong, by the base's features of its images: `ftr data check --labels`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.mx import mx
from runtime.data.sets import Sets
from runtime.features.inputs import SetInputs, kept_rows
from runtime.models.network import frozen_units, start_weights
from runtime.system.cache.disk import FeatureCache
from runtime.tasks.catalog import TASKS
from runtime.tasks.protocol import Suspects
from runtime.training.stage import Session
from runtime.workflows.data_check.check import DataReport, Group, checked_images
from runtime.workflows.preparation import Prepared

Floats = npt.NDArray[Any]


def with_suspects(
    report: DataReport,
    prepared: Prepared,
    workers: int,
    cache: FeatureCache | None,
    progress: Callable[[str, int, int], None],
    suspects: Suspects,
) -> DataReport:
    """Return the report with the labels that may be wrong, by the base's features of its images."""
    seen, samples = checked_images(prepared.listings, (), TASKS[prepared.plan.task])
    broken = {(group.images[0].set, group.images[0].id) for group in report.found.get("broken", ())}
    sound = [index for index, image in enumerate(seen) if (image.set, image.id) not in broken]
    position = {index: number for number, index in enumerate(sound)}
    rows = _rows(prepared, broken, workers, cache, progress)
    targets = [samples[index].target for index in sound]
    together = [[position[index] for index in indices if index in position] for indices in report.together]
    progress("judging the labels", 0, len(sound))
    found = suspects(
        rows, targets, [indices for indices in together if indices], prepared.plan.seed, prepared.plan.data.target
    )
    groups = tuple(Group((report.seen[sound[index]],), note) for index, note in found)
    return replace(report, found={**report.found, "suspects": groups}) if groups else report


def _rows(
    prepared: Prepared,
    broken: set[tuple[str, str]],
    workers: int,
    cache: FeatureCache | None,
    progress: Callable[[str, int, int], None],
) -> Floats:
    """Return what the base gives of each sound image of all sets, float32 (images, numbers)."""
    plan, model, context = prepared.plan, prepared.model, mx.cpu()
    start_weights(model, plan.base, plan.seed, context)
    samples = {
        name: tuple(sample for sample in listing.samples if (name, sample.id) not in broken)
        for name, listing in prepared.listings.items()
    }
    sets = Sets(plan.data, plan.seed, samples, workers, partial(TASKS[plan.task].collate, facts=plan.data.target))
    features = Session(plan, TASKS[plan.task], model, sets, context, cache=cache).features()
    cut = frozen_units(model, len(model.parts) - 1)
    later = [frozen_units(model, stage.cut) for stage in plan.stages[1:]]  # as a run cuts it: it finds the same rows
    rows = []
    try:
        prefix = features.prefix(cut, later, kept_rows(plan) + sum(map(len, samples.values())))
        inputs = SetInputs(sets, prefix)
        for name in samples:
            for done, total in inputs.fill_evaluation(name):
                progress(f"frozen features, {name}", done, total)
            for (values,), targets in inputs.evaluation(name):
                batch = values[: len(targets)].asnumpy()
                rows.append(batch.reshape(len(targets), -1))
    finally:
        features.close()
    return np.concatenate(rows)
