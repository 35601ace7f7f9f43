"""How long the stages of a run will take, from how long a batch takes: arithmetic, nothing is run.

In go a stage's inputs, what was measured of it (`RunTimes`), and which rows of features earlier stages have left; out
comes the seconds of each epoch.

How it works. An epoch is its steps, its evaluation, and the filling of what is not kept yet; the first two are a number
of batches times their pace. What has to be filled depends on the views that the epoch draws and on all epochs before
it, so it is not guessed: `_filling` has the loop's own `fill_training` and `fill_evaluation` ask for rows, on a few
images in place of all and with `_Asked` in place of the prefix, which only notes the keys. `KeptRows` plays the tables:
it knows which keys are there, at each place of the network, and says what share of the rows starts from its images and
what share from a place that a stage before has kept. Each share costs the pieces of the prefix that it still runs
through. Epochs must be asked for in the order of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from runtime.data.listing import Sample
from runtime.features.inputs import StageInputs
from runtime.features.prefix import Prefix

_COUNTED = 64  # images of a set: the views of so many stand for those of all


@dataclass(frozen=True, slots=True)
class Pace:
    """The seconds of a full batch in a stage's first epoch, and in later ones, which may have its images decoded."""

    first: float
    later: float

    def of(self, epoch: int) -> float:
        """Return the seconds of a batch in an epoch (from 0)."""
        return self.later if epoch else self.first


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Seconds, all but `ready` and `joining` of one full batch.

    `ready`: until the first batch has passed, beyond what later ones take. `reading`: opening images alone; `frozen`:
    each piece of the frozen prefix; `trained`: a step on what the prefix gave; `joining`: what an evaluation takes
    once, to make the network ready to predict. As the loop has them, with images read ahead: `filling` (read, run
    through the prefix, kept), `step`, `evaluation`; `testing` is that of the test set with its filling, 0 where there
    is none; `teaching` is the filling of what a teacher says, where that is kept: else it is a part of the step.
    """

    ready: float
    reading: float
    frozen: tuple[float, ...]
    trained: float
    joining: float
    filling: Pace
    step: Pace
    evaluation: Pace
    testing: float
    teaching: float = 0.0


@dataclass(slots=True)
class KeptRows:
    """The keys of the rows that a run has kept so far, by the place in the network that they come from.

    `taught` are those of a teacher.
    """

    ends: dict[int, set[Any]] = field(default_factory=dict)
    taught: set[Any] = field(default_factory=set)

    def enter(self, prefix: Prefix) -> None:
        """Forget what the next stage does not look at. What lies before its cut no earlier stage has changed."""
        wanted = [level.end for level in prefix.levels if level.table is not None]
        self.ends = {end: self.ends.get(end, set()) for end in wanted}

    def ask(self, prefix: Prefix, keys: Sequence[Any]) -> list[float]:
        """Keep rows that are not yet; return what share of all starts at each piece of the prefix, 0 for images."""
        starts = [0] * len(prefix.levels)
        for key in keys:
            known = [key in self.ends.get(level.end, ()) for level in prefix.levels]
            if known and not known[-1]:
                start = next((index for index in range(len(known) - 1, 0, -1) if known[index - 1]), 0)
                starts[start] += 1
                for level in prefix.levels[start:]:
                    if level.table is not None:
                        self.ends[level.end].add(key)
        return [count / max(1, len(keys)) for count in starts]


@dataclass(slots=True)
class _Asked:
    """Takes the place of a prefix that keeps, and remembers which keys it was asked for."""

    batch: int
    keys: Sequence[Any] = ()
    keeps: bool = True

    def fill(self, keys: Sequence[Any], images: object, origin: object) -> Iterator[tuple[int, int]]:
        self.keys = keys
        return iter(())


@dataclass(frozen=True, slots=True, eq=False)
class StageClock:
    """Tells the seconds of a stage's epochs, in the order in which the run has them."""

    inputs: StageInputs
    paces: RunTimes
    kept: KeptRows

    def epoch(self, number: int) -> float:
        """Return the seconds of an epoch (from 0) with its evaluation."""
        stage = self.inputs.stage
        steps = min(stage.steps_per_epoch, stage.steps - number * stage.steps_per_epoch)
        seconds = steps * self.paces.step.of(number) + self.evaluation(number)
        if self.inputs.keeps_training:
            seconds += self._filling("train", number, lambda asked: asked.fill_training(number))
        if self.inputs.keeps_teacher:
            seconds += self._teaching(number)
        if self.inputs.each.prefix.keeps:
            seconds += self._filling("valid", number, lambda asked: asked.each.fill_evaluation("valid"))
        return seconds

    def evaluation(self, epoch: int) -> float:
        """Return the seconds of an epoch's evaluation, what is kept of the images being there."""
        return self.paces.joining + self._batches("valid") * self.paces.evaluation.of(epoch)

    def ending(self) -> float:
        """Return the seconds of what comes behind the last stage: validation and test set are measured."""
        batches = self._batches("test")
        tests = self.paces.joining + batches * self.paces.testing if batches else 0.0
        return self.evaluation(self.inputs.stage.epochs) + tests

    def _batches(self, name: str, share: float = 1.0) -> int:
        data = self.inputs.each.sets.plan
        return ceil(share * data.images(name) / data.batch)

    def _filling(self, name: str, epoch: int, ask: Callable[[StageInputs], Iterator[tuple[int, int]]]) -> float:
        """Return the seconds in which what is not kept yet of a set is computed."""
        prefix = self.inputs.each.prefix
        asked: Any = _Asked(prefix.batch)
        few = with_samples(self.inputs, {name: spread(self.inputs.each.sets.samples[name], _COUNTED)})
        for _ in ask(replace(few, each=replace(few.each, prefix=asked), resized=None, teacher=None)):
            pass
        shares = self.kept.ask(prefix, asked.keys)
        pieces = self.paces.frozen
        costs = [self.paces.filling.of(epoch), *(sum(pieces[start:]) for start in range(1, len(shares)))]
        return sum(self._batches(name, share) * cost for share, cost in zip(shares, costs, strict=True))

    def _teaching(self, epoch: int) -> float:
        """Return the seconds in which the teacher sees what it has not seen yet."""
        few = with_samples(self.inputs, {"train": spread(self.inputs.each.sets.samples["train"], _COUNTED)})
        assert few.teacher is not None
        asked: Any = _Asked(few.teacher.prefix.batch)
        for _ in replace(few, teacher=replace(few.teacher, prefix=asked)).fill_teacher(epoch):
            pass
        new = set(asked.keys) - self.kept.taught
        self.kept.taught |= new
        return self._batches("train", len(new) / max(1, len(asked.keys))) * self.paces.teaching


def with_samples(inputs: StageInputs, samples: Mapping[str, Sequence[Sample]]) -> StageInputs:
    """Return a stage's inputs with other samples in its sets."""
    sets = replace(inputs.each.sets, samples=samples)
    resized = inputs.resized and replace(inputs.resized, sets=sets)
    return replace(inputs, each=replace(inputs.each, sets=sets), resized=resized)


def spread(samples: Sequence[Sample], count: int) -> Sequence[Sample]:
    """Return up to `count` samples from all over a sequence, in order."""
    if len(samples) <= count:
        return samples
    return [samples[index * len(samples) // count] for index in range(count)]
