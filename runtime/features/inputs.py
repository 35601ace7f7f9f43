"""What the trained part of the network gets: a stage's batches behind its frozen prefix.

Where the images have few views, what the prefix makes of them is kept, and an epoch or an evaluation after the first
opens no image. Else each batch runs through the prefix as it comes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import numpy.typing as npt

from runtime.data.fingerprints import origin_of, view_key
from runtime.data.listing import Sample
from runtime.data.loader import Batch
from runtime.data.sampling import turns
from runtime.data.sets import Sets
from runtime.data.transforms.mixed import MixedTargets, mixed, mixes
from runtime.data.transforms.views import View, draw_view, every_view, is_fixed, version, view_count
from runtime.features.prefix import Pixels, Prefix, Values, padded
from runtime.features.store import Key
from runtime.models.heads import starts_from_means
from runtime.plan.types import Component, Plan, StagePlan
from runtime.system.random import derive, generator

Kept = Generator[tuple[Values, "npt.NDArray[Any]"], None, None]
Targets: TypeAlias = "npt.NDArray[Any] | MixedTargets"
Inputs = Generator[tuple[Values, Targets], None, None]
StepInputs = Sequence[tuple[Values, Targets]]
"""The batches of one step: several where their gradients are summed."""


@dataclass(frozen=True, slots=True, eq=False)
class SetInputs:
    """What lies behind a frozen prefix: NDArrays of full batches, with the targets of the real images."""

    sets: Sets
    prefix: Prefix

    def fill_evaluation(self, name: str) -> Iterator[tuple[int, int]]:
        """Compute what is not kept yet of a set; yield how many images are done, and of how many."""
        if self.prefix.keeps:
            samples = self.sets.samples[name]
            for steps, view in self._seen():
                yield from self.fill(name, samples, steps, [view] * len(samples))

    def _seen(self) -> list[tuple[Sequence[Component], View]]:
        """Return how an image is seen that is measured: as it is prepared, and in the views of `tta`."""
        plan = self.sets.plan
        flips = plan.tta or ()
        return [((*plan.prepare, *flips), view) if any(view) else (plan.prepare, ()) for view in every_view(flips)]

    def evaluation(self, name: str) -> Kept:
        """Yield the batches of a set as they are prepared, the last one filled up."""
        return self._in_view(name, self.sets.plan.prepare, ())

    def views(self, name: str) -> Generator[tuple[Sequence[Values], npt.NDArray[Any]], None, None]:
        """Yield the batches of a set in each of the views in which it is measured, the last one filled up."""
        each = [self._in_view(name, steps, view) for steps, view in self._seen()]
        try:
            for seen in zip(*each, strict=True):
                yield [values for values, _ in seen], seen[0][1]
        finally:
            for batches in each:
                batches.close()

    def _in_view(self, name: str, steps: Sequence[Component], view: View) -> Kept:
        if self.prefix.keeps:
            samples = self.sets.measured(name)
            yield from self.kept(name, samples, steps, [view] * len(samples))
            return
        samples = self.sets.samples[name]
        opened = self.sets.views(samples, steps, [view] * len(samples)) if view else self.sets.evaluation(name)
        for batch in opened:
            yield self.prefix(padded(batch.images, self.prefix.batch)), batch.targets

    def fill(
        self, name: str, samples: Sequence[Sample], steps: Sequence[Component], views: Sequence[View]
    ) -> Iterator[tuple[int, int]]:
        """Compute what is not kept yet of samples of a set in views; yield how many are done, and of how many."""
        keys = _keys(name, samples, steps, views)
        sample_of = dict(zip(keys, samples, strict=True))
        known: dict[str, bytes | None] = {}

        def origin(key: Key) -> bytes | None:
            sample = sample_of[key]
            if sample.id not in known:  # a sample may stand there in several views
                known[sample.id] = origin_of(sample.image)
            found = known[sample.id]
            return None if found is None else view_key(found, steps, key[2])

        return self.prefix.fill(keys, partial(self._images, sample_of, steps), origin)

    def _images(
        self, samples: dict[Key, Sample], steps: Sequence[Component], keys: Sequence[Key]
    ) -> Generator[Pixels, None, None]:
        batches = self.sets.views([samples[key] for key in keys], steps, [view for _, _, view in keys])
        try:
            for batch in batches:
                yield padded(batch.images, self.prefix.batch)
        finally:
            batches.close()

    def kept(self, name: str, samples: Sequence[Sample], steps: Sequence[Component], views: Sequence[View]) -> Kept:
        """Yield batches of samples of a set in views, all of which are kept."""
        keys = _keys(name, samples, steps, views)
        for first in range(0, len(keys), self.prefix.batch):
            chosen = slice(first, first + self.prefix.batch)
            targets = self.sets.targets(samples[chosen], steps, views[chosen])
            yield self.prefix.take(keys[chosen]), targets


@dataclass(frozen=True, slots=True, eq=False)
class StageInputs:
    """The inputs of one stage's trained part."""

    each: SetInputs
    stage: StagePlan

    @property
    def keeps_training(self) -> bool:
        """Whether the training images have few views, so that what the prefix makes of them is kept."""
        return self.each.prefix.keeps and self.stage.views is not None

    def fill_training(self, epoch: int) -> Iterator[tuple[int, int]]:
        """Compute what is not kept yet for an epoch; yield how many images are done, and of how many."""
        if self.keeps_training:
            samples, views = self._epoch(epoch)
            yield from self.each.fill("train", samples, self.stage.augment, views)

    def training(self, epoch: int, done: int = 0) -> Generator[StepInputs, None, None]:
        """Yield the batches of each step of an epoch behind the first `done` steps.

        Closing the iterator ends the threads that read.
        """
        batches = self._batches(epoch, done * self.stage.accumulate)
        try:
            while len(step := tuple(islice(batches, self.stage.accumulate))) == self.stage.accumulate:
                yield step
        finally:
            batches.close()

    def _batches(self, epoch: int, done: int) -> Inputs:
        if self.keeps_training:
            samples, views = self._whole_batches(epoch, done)
            yield from self.each.kept("train", samples, self.stage.augment, views)
            return
        batches = self._opened(epoch, done)
        sets, place = self.each.sets, (self.stage.position, epoch)
        try:
            for number, batch in enumerate(batches, start=done):
                randomness = generator(sets.seed, "mix", *place, number) if mixes(self.stage.augment) else None
                images, targets = mixed(self.stage.augment, batch.images, batch.targets, randomness)
                yield self.each.prefix(images), targets
        finally:
            batches.close()

    def _opened(self, epoch: int, done: int) -> Generator[Batch, None, None]:
        if not self._is_fixed:
            return self.each.sets.training(self.stage, epoch, done)
        samples, views = self._whole_batches(epoch, done)
        return self.each.sets.views(samples, self.stage.augment, views)

    def _whole_batches(self, epoch: int, done: int) -> tuple[Sequence[Sample], list[View]]:
        samples, views = self._epoch(epoch)
        chosen = slice(done * self.each.sets.plan.batch, len(self.each.sets.whole_batches(samples)))
        return samples[chosen], views[chosen]

    @property
    def _is_fixed(self) -> bool:
        return is_fixed(self.stage.augment, self.stage.views)

    def _epoch(self, epoch: int) -> tuple[list[Sample], list[View]]:
        """Return the samples of an epoch in order, and the view of each."""
        sets, steps, count = self.each.sets, self.stage.augment, self.stage.views
        samples = sets.order(self.stage, epoch)
        again = turns(samples)
        if count is not None and self._is_fixed:  # neither stage nor epoch: others find the same versions
            numbers = [(epoch + turn) % count for turn in again]
            drawn = zip(samples, numbers, strict=True)
            return samples, [version(steps, derive(sets.seed, "version", s.id, number)) for s, number in drawn]
        if count == 1:
            return samples, [()] * len(samples)
        drawn = zip(samples, again, strict=True)
        return samples, [draw_view(steps, sets.randomness(self.stage, epoch, s, turn)) for s, turn in drawn]


def _keys(name: str, samples: Sequence[Sample], steps: Sequence[Component], views: Sequence[View]) -> list[Key]:
    kind = f"{name} {[(step.name, dict(step.args)) for step in steps]}"
    return [(kind, sample.id, view) for sample, view in zip(samples, views, strict=True)]


def kept_rows(plan: Plan) -> int:
    """Return how many images and views the stages of a plan can ask for, at most."""
    rows = sum(plan.data.images(name) for name in ("valid", "test")) * len(every_view(plan.data.tta or ()))
    asked: dict[str, int] = {}
    for stage in plan.stages:
        if stage.views is not None:
            kind = str([(step.name, dict(step.args)) for step in stage.augment])
            seen = stage.views if stage.sampling is not None else min(stage.views, stage.epochs)
            count, own, before = view_count(stage.augment), seen, asked.get(kind, 0)
            # Versions are the same in all stages; flips fall in each as they will.
            asked[kind] = max(before, own) if count is None else min(count, before + own)
    if starts_from_means(plan.base, plan.head[-1]):
        kind = str([(step.name, dict(step.args)) for step in plan.data.prepare])
        asked[kind] = max(asked.get(kind, 0), 1)
    return rows + plan.data.images("train") * sum(asked.values())
