"""What the trained part of the network gets: a stage's batches behind its frozen prefix.

Where the images have few views, what the prefix makes of them is kept, and an epoch or an evaluation after the first
opens no image. Else each batch runs through the prefix as it comes. A teacher sees the same pixels, and what it says is
kept in the same cases.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, repeat
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from runtime.data.fingerprints import origin_of, view_key
from runtime.data.listing import Sample
from runtime.data.loader import Batch
from runtime.data.sample_weights import WeightedTargets, weighted
from runtime.data.sampling import turns
from runtime.data.sets import Sets
from runtime.data.transforms.mixed import MixedTargets, mixed, mixes
from runtime.data.transforms.views import View, draw_view, every_view, is_fixed, version, view_count
from runtime.distribution.share import WHOLE, Share
from runtime.features.prefix import Pixels, Prefix, Values, padded
from runtime.features.store import Key
from runtime.features.teacher import TaughtTargets, TeacherOutputs
from runtime.models.heads import starts_from_means
from runtime.plan.size import Size
from runtime.plan.types import Component, Plan, StagePlan
from runtime.system.random import derive, generator

Kept = Generator[tuple[Values, "npt.NDArray[Any]"], None, None]
Targets: TypeAlias = "npt.NDArray[Any] | WeightedTargets | MixedTargets | TaughtTargets"
Inputs = Generator[tuple[Values, Targets], None, None]
_Mixed = Generator[tuple[Pixels, "npt.NDArray[Any] | WeightedTargets | MixedTargets"], None, None]
_Untaught = Generator[tuple[Values, "npt.NDArray[Any] | WeightedTargets | MixedTargets"], None, None]
StepInputs = Sequence[tuple[Values, Targets]]
"""The batches of one step: several where their gradients are summed."""


class Wanted(NamedTuple):
    """Samples of a set, each in a view that steps give."""

    name: str
    samples: Sequence[Sample]
    steps: Sequence[Component]
    views: Sequence[View]


@dataclass(frozen=True, slots=True, eq=False)
class SetInputs:
    """What lies behind a frozen prefix: NDArrays of full batches, with the targets of the real images."""

    sets: Sets
    prefix: Prefix

    def fill_evaluation(self, name: str) -> Iterator[tuple[int, int]]:
        """Compute what is not kept yet of a set; yield how many images are done, and of how many."""
        for wanted in self.evaluated(name):
            yield from self.fill(*wanted)

    def evaluated(self, name: str) -> list[Wanted]:
        """Return what an evaluation of a set takes, where it is kept."""
        samples = self.sets.samples[name] if self.prefix.keeps else ()
        return [Wanted(name, samples, steps, [view] * len(samples)) for steps, view in self._seen()] if samples else []

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
        keys = keys_of(name, samples, steps, views)
        sample_of = dict(zip(keys, samples, strict=True))
        return self.prefix.fill(keys, partial(self.images, sample_of, steps), origins(sample_of, steps))

    def images(
        self, samples: Mapping[Key, Sample], steps: Sequence[Component], keys: Sequence[Key]
    ) -> Generator[Pixels, None, None]:
        """Yield the batches of keys as uint8 images (N, H, W, 3), the last one filled up."""
        batches = self.sets.views([samples[key] for key in keys], steps, [view for _, _, view in keys])
        try:
            for batch in batches:
                yield padded(batch.images, self.prefix.batch)
        finally:
            batches.close()

    def kept(
        self,
        name: str,
        samples: Sequence[Sample],
        steps: Sequence[Component],
        views: Sequence[View],
        share: Share = WHOLE,
    ) -> Kept:
        """Yield batches of samples of a set in views, all of which are kept; of a `share` they are its shards."""
        keys, size = keys_of(name, samples, steps, views), share.size(self.prefix.batch)
        for first in range(0, len(keys), size):
            chosen = slice(first, first + size)
            targets = self.sets.targets(samples[chosen], steps, views[chosen])
            yield self.prefix.take(keys[chosen], size), targets


@dataclass(frozen=True, slots=True, eq=False)
class StageInputs:
    """The inputs of one stage's trained part, or of a phase of it.

    `each` is what is measured; `resized` what is trained on, where its images have another size. `teacher` says of each
    image what the loss asks for, where it does.
    """

    each: SetInputs
    stage: StagePlan
    teacher: TeacherOutputs | None = None
    weight_scale: float = 1.0  # what makes the mean weight of the training images 1
    resized: SetInputs | None = None
    share: Share = WHOLE  # of each batch

    @property
    def trained(self) -> SetInputs:
        """What is trained on."""
        return self.resized or self.each

    @property
    def keeps_training(self) -> bool:
        """Whether the training images have few views, so that what the prefix makes of them is kept."""
        return self.trained.prefix.keeps and self.stage.views is not None and (not self.teacher or self.keeps_teacher)

    @property
    def keeps_teacher(self) -> bool:
        """Whether there is a teacher, and what it says of the training images is kept."""
        return self.teacher is not None and self.teacher.prefix.keeps and self.stage.views is not None

    def fill_training(self, epoch: int) -> Iterator[tuple[int, int]]:
        """Compute what is not kept yet for an epoch; yield how many images are done, and of how many."""
        for wanted in self.shown(epoch):
            yield from self.trained.fill(*wanted)
        yield from self.fill_teacher(epoch)

    def shown(self, epoch: int) -> list[Wanted]:
        """Return what an epoch takes of the training images, where it is kept."""
        if not self.keeps_training:
            return []
        samples, views = self._epoch(epoch)
        return [Wanted("train", samples, self.stage.augment, views)]

    def fill_teacher(self, epoch: int) -> Iterator[tuple[int, int]]:
        """Compute what the teacher has not said yet of an epoch's images, where that is kept."""
        if self.teacher is not None and self.keeps_teacher:
            samples, views = self._epoch(epoch)
            seen = SetInputs(self.each.sets, self.teacher.prefix)
            yield from seen.fill("train", samples, self.teacher.steps, views)

    def training(self, epoch: int, done: int = 0) -> Generator[StepInputs, None, None]:
        """Yield the batches of each step of an epoch behind the first `done` steps, or their shards of the share.

        Closing the iterator ends the threads that read.
        """
        batches, count = self._batches(epoch, done * self.stage.accumulate), self.stage.accumulate * len(self.share.own)
        try:
            if not count:  # others have them all
                yield from repeat(())
            while len(step := tuple(islice(batches, count))) == count:
                yield step
        finally:
            batches.close()

    def _batches(self, epoch: int, done: int) -> Inputs:
        if self.teacher is None:
            yield from self._untaught(epoch, done)
            return
        with closing(self._said(self.teacher, epoch, done)) as told:
            if self.keeps_training:
                for (values, targets), said in zip(self._untaught(epoch, done), told, strict=True):
                    yield values, TaughtTargets(targets, said)
                return
            with closing(self._mixed(epoch, done, self.stage.augment)) as batches:
                for images, targets in batches:
                    values, said = self.trained.prefix(images), next(told)
                    yield values, TaughtTargets(targets, self.teacher.live(images) if said is None else said)

    def _untaught(self, epoch: int, done: int) -> _Untaught:
        if self.keeps_training:
            samples, views = self._whole_batches(epoch, done)
            size = self.share.size(self.trained.prefix.batch)
            kept = self.trained.kept("train", samples, self.stage.augment, views, self.share)
            for number, (values, plain) in enumerate(kept):
                weights = [sample.weight for sample in samples[number * size : (number + 1) * size]]
                yield values, weighted(plain, weights, self.weight_scale)
            return
        with closing(self._mixed(epoch, done, self.stage.augment)) as batches:
            for images, targets in batches:
                yield self.trained.prefix(images), targets

    def _said(self, teacher: TeacherOutputs, epoch: int, done: int) -> Generator[Any, None, None]:
        """Yield what the teacher says of each batch of an epoch behind the first `done`.

        None where it sees the pixels of the network in training, once there are some.
        """
        if self.keeps_teacher:
            samples, views = self._whole_batches(epoch, done)
            keys, size = keys_of("train", samples, teacher.steps, views), self.share.size(self.each.prefix.batch)
            yield from (teacher.kept(keys[first : first + size]) for first in range(0, len(keys), size))
        elif teacher.steps == self.stage.augment:
            yield from repeat(None)
        else:
            with closing(self._mixed(epoch, done, teacher.steps)) as batches:
                yield from (teacher.live(images) for images, _ in batches)

    def _mixed(self, epoch: int, done: int, steps: Sequence[Component]) -> _Mixed:
        """Yield batches behind the first `done`, after steps that make the views of the stage; shards of a share.

        What mixes images mixes the whole batch before it is cut.
        """
        sets, place = self.each.sets, (self.stage.position, epoch)
        mixing = mixes(steps)
        with closing(self._opened(epoch, done, steps, WHOLE if mixing else self.share)) as batches:
            for number, batch in enumerate(batches, start=done):
                counting = weighted(batch.targets, batch.weights, self.weight_scale)
                if not mixing:
                    yield batch.images, counting
                    continue
                images, targets = mixed(steps, batch.images, counting, generator(sets.seed, "mix", *place, number))
                if self.share.shards == 1:
                    yield images, targets
                else:
                    yield from ((images[part], targets[part]) for part in self.share.slices(sets.plan.batch))

    def _opened(self, epoch: int, done: int, steps: Sequence[Component], share: Share) -> Generator[Batch, None, None]:
        if not self._is_fixed:
            return self.each.sets.training(replace(self.stage, augment=tuple(steps)), epoch, done, share)
        samples, views = self._whole_batches(epoch, done, share)
        return self.each.sets.views(samples, steps, views, share)

    def _whole_batches(
        self, epoch: int, done: int, share: Share | None = None
    ) -> tuple[Sequence[Sample], Sequence[View]]:
        """Return the samples of an epoch's batches behind the first `done`, of the share alone, and their views."""
        samples, views = self._epoch(epoch)
        size, share = self.each.sets.plan.batch, share or self.share
        chosen = slice(done * size, len(self.each.sets.whole_batches(samples)))
        return share.of(samples[chosen], size), share.of(views[chosen], size)

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


def origins(sample_of: Mapping[Key, Sample], steps: Sequence[Component]) -> Callable[[Key], bytes | None]:
    """Return what names an image in a view by where it comes from, without opening it."""
    known: dict[str, bytes | None] = {}

    def origin(key: Key) -> bytes | None:
        sample = sample_of[key]
        if sample.id not in known:  # a sample may stand there in several views
            known[sample.id] = origin_of(sample.image)
        found = known[sample.id]
        return None if found is None else view_key(found, steps, key[2])

    return origin


def keys_of(name: str, samples: Sequence[Sample], steps: Sequence[Component], views: Sequence[View]) -> list[Key]:
    """Return what a run calls samples of a set in views."""
    kind = f"{name} {[(step.name, dict(step.args)) for step in steps]}"
    return [(kind, sample.id, view) for sample, view in zip(samples, views, strict=True)]


def kept_rows(plan: Plan, size: Size | None = None) -> int:
    """Return how many images and views the stages of a plan can ask for, at most; `size` where it is not the data's."""
    measured = sum(plan.data.images(name) for name in ("valid", "test")) * len(every_view(plan.data.tta or ()))
    rows = measured if size is None else 0
    asked: dict[str, int] = {}
    for epochs, stage in (phase for each in plan.stages for phase in each.phases()):
        if stage.views is not None and stage.size == size:
            kind = str([(step.name, dict(step.args)) for step in stage.augment])
            seen = stage.views if stage.sampling is not None else min(stage.views, len(epochs))
            count, own, before = view_count(stage.augment), seen, asked.get(kind, 0)
            # Versions are the same in all stages; flips fall in each as they will.
            asked[kind] = max(before, own) if count is None else min(count, before + own)
    if size is None and starts_from_means(plan.base, plan.head[-1]):
        kind = str([(step.name, dict(step.args)) for step in plan.data.prepare])
        asked[kind] = max(asked.get(kind, 0), 1)
    return rows + plan.data.images("train") * sum(asked.values())


def teacher_rows(plan: Plan) -> int:
    """Return how many images and views a teacher can be asked for, at most; it sees those of all sizes at its own."""
    sizes = {phase.size for stage in plan.stages for _, phase in stage.phases()}
    return sum(kept_rows(plan, size) for size in {None, *sizes})
