"""What a task is: everything that depends on the kind of target, behind one protocol.

The language, the compiler, the loop, the run folder and the reports ask a `Task`; the sets of images, the network and
the cached features get plain values of it (`runtime/data/targets.py`, a function that collates targets, one that builds
a head). Importing a task loads neither NumPy nor MXNet: the methods that need them import them.

What most tasks share stands in the protocol as a default: a task names `Task` as its base and says what is its own. So
a property that is new is added here and where it matters, and in no other task.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from recipe_lang.check.vocabulary import Entry
from recipe_lang.problem import Problem
from runtime.data.targets import SetRules, TargetKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from recipe_lang.check.checked import CheckedRecipe
    from runtime.data.listing import Listing, Tile
    from runtime.plan.size import Size
    from runtime.plan.types import Component, DataPlan, Plan, TargetFacts
    from runtime.tasks.answers import Agreement, CardWords, Prediction, Served
    from runtime.tasks.evaluation import Evaluator


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: what the number says, which way is better, between which bounds it lies, and how it is shown.

    `noun` stands in sentences, `example` behind the name in a claim; `short` and `long` are the names in the lines of
    epochs. A metric whose bounds are known to be 0 and 1 is a share.
    """

    doc: str
    higher_is_better: bool
    noun: str = ""
    low: float | None = 0.0
    high: float | None = 1.0
    example: str = ">= 90%"
    short: str = ""
    long: str = ""

    @property
    def worst(self) -> float | None:
        """The value of a network that has learned nothing yet, such as an AP of 0; None where there is no bound."""
        return self.low if self.higher_is_better else self.high

    def text(self, value: float) -> str:
        """Return a value as lines of epochs show it: three digits of a share, four of anything else."""
        if isnan(value):
            return "-"
        return f"{value:.3f}" if self.high == 1.0 else f"{value:#.4g}"


LOSS = Metric(
    "Mean of the stage's own loss over the images, without label smoothing.",
    higher_is_better=False,
    noun="loss",
    high=None,
    example="<= 0.5",
)
"""The metric that every task has."""


PARTS = ("old", "new")
"""The parts of a test set that claims tell apart: the images of classes that an earlier run knew, and of others."""


Measure: TypeAlias = "Callable[[NDArray[np.float32], NDArray[Any]], NDArray[np.float64]]"
"""Outputs and collated targets of a batch to the loss of each image, (N,)."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss: its row, what training makes small, and how large it is of images that are measured.

    `build` takes the recipe's arguments and returns a function of (F, outputs, targets), MXNet's operators and NDArrays
    or symbols, which gives float32 (N,). `measure` takes them and NumPy arrays, (N, …) float32 and the collated
    targets, and returns float64 (N,), the same on every processor; smoothing and the like play no part. `labels` makes
    what `build` takes of collated targets and the shape of the outputs, where that is not the task's `as_labels`;
    `heads` are the layers whose outputs it is for, where it is not for all of the task's; of networks with their own
    heads, the families.
    `taught` gives what a teacher adds, a function of (F, outputs, teacher's outputs), where the loss asks for one.
    `unmeasured` are the arguments that play no part in `measure`.
    Where arguments depend on the targets of training, `known` adds to the facts what they need of these, and `settled`
    puts it into the arguments: the other functions get what it returns.
    """

    entry: Entry
    build: Callable[[Mapping[str, Any]], Callable[[Any, Any, Any], Any]]
    measure: Callable[[Mapping[str, Any], NDArray[np.float32], NDArray[Any]], NDArray[np.float64]]
    labels: Callable[[NDArray[Any], Sequence[int]], NDArray[Any]] | None = None
    heads: tuple[str, ...] = ()
    known: Callable[[Mapping[str, Any], TargetFacts, Listing], TargetFacts] = lambda args, facts, train: facts
    settled: Callable[[Mapping[str, Any], TargetFacts], Mapping[str, Any]] = lambda args, facts: args
    taught: Callable[[Mapping[str, Any]], Callable[[Any, Any, Any], Any]] | None = None
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What `ftr new` says of the targets of a training set, before anything is held out, and chooses by them.

    `summary` is what there is, behind a number of images (`3 classes, the largest 1.3 times the smallest`), and
    `detail` what stands behind it in the recipe, from its punctuation on. `metric` chooses an epoch and is claimed;
    `why_metric` may be empty. `loss` is what training minimizes in place of the usual, and `why_loss` says why. `held`
    tells how images are held out (`stratified by class`), and `can_be_tested` whether a part of the images can tell how
    good a network is, if there are enough altogether.

    `too_few` says how many images there are, where these are too few to train more than the head, and `enough` that
    there are enough otherwise (`60 images a class suffice`). `unmonitored` takes the images that are left for training
    and returns a comment that allows advice on a run that no metric chooses an epoch of, and its reason. `uncropped` is
    why a part of an image may have another target, as a sentence, and `sided` why a mirror image may; it is asked
    whether the images are drawn: small and grey. Both are empty where the target is the same.
    """

    summary: str
    metric: str
    held: str
    detail: str = "."
    why_metric: str = ""
    can_be_tested: bool = True
    too_few: str = ""
    enough: str = ""
    loss: str = ""
    why_loss: str = ""
    unmonitored: Callable[[Listing], tuple[str, str]] = lambda training: ("", "")
    uncropped: str = ""
    sided: Callable[[bool], str] = lambda drawn: ""


def enough_images(train: Listing, least: int) -> tuple[str, str]:
    """Return a suggestion's `too_few` and `enough`, where `least` images suffice to train more than the head."""
    count = len(train.samples)
    return f"{count} images" if count < least else "", f"{count:,} images suffice"


class Suspects(Protocol):
    """Finds targets that may be wrong."""

    def __call__(
        self,
        rows: NDArray[Any],
        targets: Sequence[Any],
        together: Iterable[Sequence[int]],
        seed: int,
        facts: TargetFacts,
    ) -> list[tuple[int, str]]:
        """Return the positions of targets that may be wrong, each with a note, the surest first.

        `rows` are the features of the images, float32 (N, features); `together` are positions of images that are the
        same, and must not judge each other.
        """


class Task(SetRules, Protocol):
    """A task. `TASKS` (`runtime/tasks/catalog.py`) has them by name.

    `target` is the kind of targets that it takes (`runtime/data/targets.py`), `outputs` the word for their number in
    the last layer. `head`, `loss`, `prepare` and `monitor` are defaults, all but the last as a recipe writes them; an
    empty `prepare` is the shorter side to the network's size, then the centre. `takes_maps` is whether the head gives
    scores for each cell of an image: it is one layer over maps. `shown` are the metrics of an epoch's line beside the
    monitored one, `curves` those that are drawn. `file` is the file of the run folder that says what the outputs are.
    `answers` is what predictions are called, above their column, and `key` what a target is called in JSON.
    """

    name: str
    doc: str
    target: TargetKind
    outputs: str
    head: str
    loss: str
    prepare: str = ""
    takes_maps: bool = False
    monitor: str
    losses: tuple[Loss, ...]
    metrics: Mapping[str, Metric]
    shown: tuple[str, ...]
    curves: tuple[str, ...]
    file: str
    has_boxes: bool = False  # whether an image gets objects with boxes, which are drawn and written as COCO has them
    threshold_metrics: tuple[str, ...] = ()
    """What a threshold on scores can be chosen by, the usual one first; empty where answers need none."""
    has_views: bool = False  # whether what is said of several views of an image can be averaged: `tta`
    has_top: bool = False  # whether an image gets several answers, of which `predict --top` shows some
    is_right_or_wrong: bool = False  # the answer to an image: its evaluator is an `AnswersEvaluator`
    part_metrics: tuple[str, ...] = ()
    """What can be claimed of the parts of a test set (`PARTS`); empty where no head is extended by classes."""
    answers: str
    key: str
    few_images: int = 1_000  # below which training more than half of a base is advised against
    all_images: str = "images"  # what the one group is called, in locks too, where images are not counted by class

    @property
    def suspects(self) -> Suspects | None:
        """What finds targets that may be wrong, where there is a way to."""
        return None

    # What is known of the targets

    @abstractmethod
    def facts(self, sets: Mapping[str, Listing]) -> TargetFacts:
        """Return what is known of the targets; `train` among the sets is the training set."""

    @abstractmethod
    def read(self, plain: Any, result: Mapping[str, Any]) -> TargetFacts:
        """Return what the content of `file` says, and `result.json` adds to it; they may come from somebody else.

        Raises:
            ValueError: the file is not what this task writes.
        """

    def asked(self, facts: TargetFacts, recipe: CheckedRecipe) -> TargetFacts:  # noqa: ARG002
        """Return the facts with what a recipe asks validation to decide.

        Raises:
            RecipeError: the targets do not allow it.
        """
        return facts

    def known(self, facts: TargetFacts) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names, first among all, that an earlier run has given whose head is extended."""
        return ()

    def images_of(self, facts: TargetFacts, part: str) -> int:  # noqa: ARG002
        """Return how many images a part of the test set has (`PARTS`)."""
        return 0

    def groups(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the groups in which images are counted: the classes, or one for all."""
        return (self.all_images,)

    def group(self, target: Any, names: tuple[str, ...]) -> str:
        """Return the group of a target."""
        return self.all_images

    @abstractmethod
    def text(self, target: Any, names: tuple[str, ...]) -> str:
        """Return a target as text, from which it could be had again."""

    @abstractmethod
    def counted(self, names: tuple[str, ...]) -> str:
        """Return how many there are, behind a number of images: `of 3 classes`."""

    def contradict(self, one: str, other: str, *, nearly: bool) -> bool:
        """Whether two targets of an image, as text, cannot both be right; `nearly`, if the images are only alike."""
        return not nearly and one != other  # pictures in a row may have other numbers, masks or boxes

    def telling(self, facts: TargetFacts) -> tuple[str, ...]:
        """Return the metrics that tell something, given the targets."""
        return tuple(self.metrics)

    # Advice

    def advice(self, recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
        """Yield advice on the targets of a plan."""
        return iter(())

    def lost(self, recipe: CheckedRecipe, name: str, before: Listing, after: Listing) -> Iterator[Problem]:
        """Yield advice on a set that has lost images."""
        return iter(())

    def findings(self, sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
        """Yield what `ftr data check` finds in the targets alone: its kind and a note."""
        return iter(())

    def image_findings(
        self, target: Any, size: Size, learned: Size, names: tuple[str, ...]
    ) -> Iterator[tuple[str, str]]:
        """Yield what `ftr data check` finds in a target, beside the upright size of its image: its kind and a note.

        `learned` is the size of the network's input.
        """
        return iter(())

    def compared(self, one: Any, other: Any) -> str:
        """Say how far the targets of two images agree that are the same, or nearly so; empty where nothing is to be."""
        return ""

    def caption(self, target: Any, names: tuple[str, ...]) -> str:
        """Return a target in a few words; one that has gone through transforms too."""
        return ""

    def mark(self, picture: Image.Image, target: Any, names: tuple[str, ...], size: Size) -> None:
        """Draw a target on a picture of its image, whose upright size is `size`; nothing where it has no place."""
        return

    # Training and answers

    @abstractmethod
    def collate(self, targets: Sequence[Any], facts: TargetFacts) -> NDArray[Any]:
        """Return one array of targets, as losses and evaluators take them."""

    def as_labels(self, targets: NDArray[Any], outputs: Sequence[int]) -> NDArray[Any]:
        """Return collated targets as a loss takes them beside outputs of that shape."""
        return targets

    @abstractmethod
    def evaluator(self, facts: TargetFacts, measure: Measure) -> Evaluator:
        """Return what measures a network; `measure` is the stage's own loss."""

    def chosen(self, facts: TargetFacts, valid: Any) -> TargetFacts:
        """Return the facts with what validation chooses, such as thresholds; `valid` is its `Report`, or None."""
        return facts

    def with_threshold(self, facts: TargetFacts, threshold: float) -> TargetFacts | None:
        """Return the facts with a threshold on scores that answers go by; None where answers have no such score."""
        return None

    def decisions(self, facts: TargetFacts) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what has been chosen that makes answers of outputs, as plain values for those who use an export."""
        return {}

    @abstractmethod
    def predictions(
        self, outputs: Any, images: Sequence[str], facts: TargetFacts, top: int, plan: DataPlan
    ) -> Sequence[Prediction]:
        """Return the predictions of a batch, an NDArray of which the first `len(images)` count.

        `plan` says how the images were prepared.
        """

    @abstractmethod
    def draw(self, picture: Image.Image, prediction: Any) -> None:
        """Draw one of its predictions on the picture of its image."""

    @abstractmethod
    def unreadable(self, image: str, error: str) -> Prediction:
        """Return the prediction of an image that cannot be read."""

    @abstractmethod
    def columns(self, facts: TargetFacts) -> tuple[str, ...]:
        """Return the columns of predictions as CSV, between image and error."""

    def exported(self, symbol: Any, facts: TargetFacts, size: Size) -> tuple[Any, Mapping[str, NDArray[np.float32]]]:
        """Return the symbol that leaves ftr, in the units of the data, and the arrays that it needs besides.

        `size` is that of the input.
        """
        return symbol, {}

    @abstractmethod
    def served(self, symbol: Any, facts: TargetFacts) -> Served:
        """Return what `ftr predict` shows of each image: what an exported graph gives."""

    @abstractmethod
    def agreement(self, prediction: Any, served: NDArray[Any], facts: TargetFacts, tolerance: float) -> Agreement:
        """Compare a prediction of all outputs with what an exported graph gives of the same image.

        Numbers mean the same that are no further apart than `tolerance`.
        """

    def averaged(self, outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return outputs that say what those of several views of the same images say together.

        Only tasks that `tta` is for are asked.
        """
        raise TypeError(f"{self.name} has no test-time augmentation")

    # Tiles of large images; only tasks that `tiles` is for are asked

    def of_tiles(self, facts: TargetFacts, tiles: Mapping[str, int]) -> TargetFacts:
        """Return facts whose counts are those of the tiles of each set."""
        raise TypeError(f"{self.name} has no tiles")

    def merged(self, outputs: Sequence[NDArray[np.float32]], tiles: Sequence[Tile], data: DataPlan) -> Any:
        """Return what the outputs of all tiles of an image, one each, say of the whole."""
        raise TypeError(f"{self.name} has no tiles")

    def whole(self, merged: Any, image: str, size: Size, facts: TargetFacts, data: DataPlan) -> Prediction:
        """Return the prediction of an image of a size, of what is merged."""
        raise TypeError(f"{self.name} has no tiles")

    # Words

    @abstractmethod
    def suggest(self, train: Listing) -> Suggestion:
        """Return what `ftr new` says of a training set, before anything is held out."""

    @abstractmethod
    def card(self, facts: TargetFacts) -> CardWords:
        """Return what a model card says of it."""


def loss_of(task: Task, loss: Component) -> Loss:
    """Return the row of a plan's loss."""
    return next(each for each in task.losses if each.entry.name == loss.name)


def evaluator_of(task: Task, facts: TargetFacts, loss: Component) -> Evaluator:
    """Return what measures a network, among others by a plan's loss."""
    return task.evaluator(facts, partial(loss_of(task, loss).measure, loss.args))


def head_builder(task: Task, facts: TargetFacts) -> Callable[[Any, Sequence[Component]], Any]:
    """Return what builds the Gluon block behind a base from the layers of a head."""
    from runtime.models.heads import head_block

    return partial(head_block, outputs={task.outputs: len(facts.names)})


def counts(task: Task, listing: Listing) -> tuple[int, ...]:
    """Return the number of images of each group of a set."""
    found = dict.fromkeys(task.groups(listing.names), 0)
    for sample in listing.samples:
        found[task.group(sample.target, listing.names)] += 1
    return tuple(found.values())
