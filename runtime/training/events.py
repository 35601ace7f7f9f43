"""What a run tells the world, step by step. Display, run folder and trackers consume these.

Every event of the training loop carries the stage's position, the epoch and the step within the stage (both counted
from 1, as finished). The events before the training carry none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from recipe_lang.problem import Problem
from runtime.plan.types import Plan, StagePlan
from runtime.training.state import Origin

if TYPE_CHECKING:
    from runtime.tasks.evaluation import Report
    from runtime.training.state import Snapshot


@dataclass(frozen=True, slots=True)
class ImagesChecked:
    """So many images have been opened, to see whether they can be read, or hashed."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ImagesConverted:
    """What is done to images of a kind that the recipe does not speak of: a line for each kind."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImagesSkipped:
    """The images that the run goes without, each with the reason why it cannot be read."""

    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Advised:
    """What the images advise, now that they have been read."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class FolderOpened:
    """The run has its folder, and trains by this plan."""

    folder: Path
    plan: Plan


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run goes on behind a step, or from the beginning; `changed` says what is otherwise, as (name, before, now).

    `passed_over` says why newer checkpoints do not count.
    """

    stage: int
    epoch: int
    step: int
    changed: tuple[tuple[str, str, str], ...] = ()
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins, or goes on from a checkpoint."""

    plan: StagePlan

    stage: int
    epoch: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step's mean loss and its rate; `images` is the size of the batch."""

    stage: int
    epoch: int
    step: int
    loss: float
    rate: float
    images: int


@dataclass(frozen=True, slots=True)
class FeaturesComputed:
    """The frozen part was run on `done` of `total` images of a set, to be kept."""

    stage: int
    epoch: int
    step: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EvaluationStarted:
    """A set is being evaluated."""

    stage: int
    epoch: int
    step: int
    set: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The metrics of a set; `train_loss` is the mean loss of the epoch's steps, `is_best` by the monitor.

    Epoch 0 are the weights that a stage began with; no step is behind it, and its `train_loss` is NaN.
    """

    stage: int
    epoch: int
    step: int
    set: str
    values: Mapping[str, float]
    train_loss: float
    is_best: bool


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A loss was not finite after the step `failed`: the stage goes on from `step`, at `factor` times the rate."""

    stage: int
    epoch: int
    step: int
    failed: int
    what: str
    loss: float
    factor: float


@dataclass(frozen=True, slots=True)
class RateReduced:
    """A metric has not improved for long: from here on the schedule's rates are multiplied by `factor`."""

    stage: int
    epoch: int
    step: int
    metric: str
    factor: float


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointDue:
    """The run stands between two steps, and everything before was told: here it can go on later."""

    stage: int
    epoch: int
    step: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ends: `reason` is `done` or `stopped early`; `kept` says which weights go on, `origin` whose they are.

    `gained` is whether an epoch was better than the beginning; None where that was not measured.
    """

    stage: int
    epoch: int
    step: int
    reason: str
    kept: str
    best: float | None
    origin: Origin
    gained: bool | None


@dataclass(frozen=True, slots=True)
class Tested:
    """The final weights' report on a set."""

    stage: int
    epoch: int
    step: int
    set: str
    report: Report


Event = (
    Resumed
    | StageStarted
    | StepFinished
    | FeaturesComputed
    | EvaluationStarted
    | Evaluated
    | RateReduced
    | RolledBack
    | CheckpointDue
    | StageFinished
    | Tested
)

Preliminary = ImagesChecked | ImagesConverted | ImagesSkipped | Advised | FolderOpened
"""What comes before the training."""


class Observer(Protocol):
    """Follows a run: a display, a tracker, a search that ends what does not pay."""

    def __call__(self, event: Preliminary | Event) -> None:
        """Take an event. `Interrupted` ends the run as a signal does; any other exception is the run's own failure."""
