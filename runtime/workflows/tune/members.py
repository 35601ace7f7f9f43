"""A recipe's training in pieces: from a checkpoint to the end of an interval, and what comes out of it.

In goes a prepared recipe; `RecipeMember` trains, an interval at a time, the recipe that its history is
(`course.py`), by the loop that `ftr run` has. Each interval leaves a checkpoint on the disk; what a member has learned
is the place of one, so that to take over another member's is to look there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import RecipeError
from runtime.compile.compiler import compile_plan
from runtime.compile.facts import data_facts
from runtime.data.decoded import Decoded
from runtime.features.store import Tables
from runtime.plan.types import Plan
from runtime.runs.checkpoints import Checkpoints, newest
from runtime.training.events import CheckpointDue, Evaluated, Event
from runtime.training.loop import kept_best, train
from runtime.training.problems import LossNotFinite
from runtime.training.stage import Session
from runtime.training.state import Checkpoint, TrainState
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, ValidatedImages, session_of
from runtime.workflows.tune.course import Course, child
from runtime.workflows.tune.population import Member, Values


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What all members train on: the network with the weights that it starts from, the images, and where."""

    prepared: Prepared
    images: ValidatedImages
    context: RunContext
    start: Mapping[str, Any]
    tables: Tables
    decoded: Decoded | None = None

    def plan_of(self, recipe: CheckedRecipe) -> Plan:
        """Compile another recipe for the same network and images."""
        facts = data_facts(self.images.listings, recipe)
        base, teacher = self.prepared.plan.base, self.prepared.plan.teacher
        return compile_plan(recipe, facts, self.prepared.model.facts(), base, teacher)

    def session(
        self,
        recipe: CheckedRecipe,
        checkpoint: Checkpoint | None = None,
        is_due: Callable[[TrainState], bool] = lambda state: False,
    ) -> Session:
        """Return a recipe ready to train from a checkpoint, or from its beginning."""
        self.prepared.model.load(self.start, "the weights that training starts from")
        self.tables.begin()
        prepared = replace(self.prepared, recipe=recipe, plan=self.plan_of(recipe))
        place = (prepared, self.images, self.context, self.decoded)
        return session_of(*place, is_due=is_due, checkpoint=checkpoint, lasting=self.tables)


@dataclass(slots=True, eq=False)
class RecipeMember:
    """A member of a population: the recipe that it is, and where the checkpoint of what it has learned lies.

    `tell` gets the events of its training.
    """

    ground: Ground
    course: Course
    metric: str
    folder: Path
    tell: Callable[[Event], None]
    history: tuple[Values, ...] = ()
    learned: str = ""  # below the folder's parent; empty before the first interval
    value: float = math.nan  # of the metric, after the last epoch
    failure: RecipeError | None = None  # the last one

    def copy(self, other: Member) -> None:
        """Take over what another member has learned, with the history of it."""
        assert isinstance(other, RecipeMember)
        self.history, self.learned, self.value = other.history, other.learned, other.value

    def train(self, values: Values, interval: int) -> float:
        """Train for an interval; a loss that is no number leaves the member where it was, without a score."""
        history = (*self.history[:interval], values)
        try:
            score = self._train(history, interval)
        except RecipeError as fault:
            if not any(problem.kind is LossNotFinite for problem in fault.problems):
                raise
            self.failure = fault
            return math.nan
        self.history = history
        return score

    def _train(self, history: Sequence[Values], interval: int) -> float:
        """Train to the end of an interval and leave a checkpoint there; return the metric, the higher the better."""
        target = self.course.intervals[interval]
        checkpoint = newest(self.folder.parent / self.learned) if self.learned else None
        session = self.ground.session(
            self.recipe(history),
            checkpoint,
            lambda state: state.stage == target.stage and not state.losses and state.epoch >= target.end,
        )
        state, snapshot = session.state, None

        def is_there() -> bool:
            return state.stage == target.stage and (bool(state.ended) or state.epoch >= target.end)

        with closing(train(session)) as events:
            for event in () if is_there() else events:
                if isinstance(event, Evaluated):
                    self.value = event.values[self.metric]
                self.tell(event)
                if isinstance(event, CheckpointDue) and is_there():  # an interruption has one as well
                    snapshot = event.snapshot
                    break
        if snapshot is not None:
            self._keep(f"{self.folder.name}/{interval + 1}", snapshot)
        is_last = interval + 1 == len(self.course.intervals)
        stage = session.plan.stages[state.stage]
        best = kept_best(state, stage)
        if is_last and best is not None and stage.monitor is not None and stage.monitor.name == self.metric:
            self.value = best.value
        return self.value if session.task.metrics[self.metric].higher_is_better else -self.value

    def _keep(self, place: str, snapshot: Any) -> None:
        folder = self.folder.parent / place
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("checkpoints/*"):  # of an interval that was interrupted
            left.unlink()
        Checkpoints(folder, self.course.plan.hash).write(snapshot, 1, 0.0)
        self.learned = place

    def recipe(self, history: Sequence[Values]) -> CheckedRecipe:
        """Return the recipe that a history is."""
        prepared = self.ground.prepared
        text = self.course.text(history, Path(prepared.recipe.source.name).name)
        return child(prepared.recipe, text, prepared.given.settings)
