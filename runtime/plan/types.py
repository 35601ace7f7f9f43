"""The training plan: what a run will do, in plain values.

The compiler makes it from a checked recipe and facts; the builder and the loop follow it. It holds no MXNet
object, so that it can be shown, saved, compared and tested without training. Lengths are in steps (and know how they
are written), shares are fractions, `span` says where the recipe asks for a thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from recipe_lang.check.checked import CallValue, Metric, Selection
from recipe_lang.source import Span
from recipe_lang.words import counted
from runtime.plan.size import Size


def _written_at() -> Any:
    """Return the field of where the recipe says something: `span` here, `place` in `plan.json`."""
    return field(default=None, compare=False, metadata={"key": "place"})


@dataclass(frozen=True, slots=True)
class Component:
    """A named thing with plain arguments: an optimizer, a layer, a transform."""

    name: str
    args: Mapping[str, Any]
    span: Span | None = _written_at()


class Length(int):
    """A count of steps that remembers how the recipe writes it: `3 epochs`, `500 steps`."""

    written: str

    def __new__(cls, steps: int, written: str) -> Length:
        """Return so many steps, written as `written`."""
        self = super().__new__(cls, steps)
        self.written = written
        return self

    def __reduce__(self) -> tuple[type[Length], tuple[int, str]]:
        """Return what makes it again: a plan travels to other machines."""
        return Length, (int(self), self.written)

    @property
    def is_in_steps(self) -> bool:
        """Whether the recipe counts it in steps."""
        return self.written.endswith(("step", "steps"))

    @property
    def with_steps(self) -> str:
        """What was written and, where that is something else, the steps that it comes to."""
        steps = counted(self, "step")
        return self.written if self.is_in_steps else f"{self.written} ({steps})"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A fact about one parameter: its structural name, count of numbers, and what it is.

    `kind` is `weight`, `bias`, `norm` (scale or shift of a norm) or `statistic` (running mean or variance).
    """

    name: str
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class NetFacts:
    """The parameters of each part in order, `base.stem` … `head`, and how many numbers it gets for an image.

    Those of the head are counted behind its pooling.
    """

    parts: Mapping[str, tuple[Parameter, ...]]
    inputs: Mapping[str, int]


class TargetFacts(Protocol):
    """What is known of the targets of a run: a frozen dataclass of plain values, which stand in the plan."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called: the classes, or the numbers."""

    @property
    def counts(self) -> Mapping[str, tuple[int, ...]]:
        """For each set the count of images of each group; empty where no images were listed."""

    def as_file(self) -> Any:
        """Return the content of the file of the run folder that says what the outputs are."""

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of them."""

    def row(self) -> tuple[str, str]:
        """Return the row of `ftr plan --all`: a title, and what it says."""

    def brief(self) -> str:
        """Return what `ftr plan` says behind the training images."""

    def outputs(self) -> str:
        """Return what an exported model gives."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of the targets, and of the sizes of the images.

    `sides` are the least and the largest side in pixels of the training images where all are known to be square.
    `images` is how many images each set has before they are cut into tiles.
    """

    target: TargetFacts
    sides: tuple[int, int] | None = None
    images: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartPlan:
    """What a stage does with one part: how many numbers it has and trains, its norms, its rate."""

    name: str
    numbers: int
    trained: int
    norms: str  # "train", "frozen" or "none"
    lr_scale: float


@dataclass(frozen=True, slots=True)
class StopPlan:
    """Stop when `metric` has not improved by more than `min_delta` for `patience` steps."""

    metric: Metric
    patience: Length
    min_delta: float


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """How training images are drawn: the rule's name, and the share that each class has of an epoch."""

    rule: str
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """What holds in a stage from the end of so many epochs on: how its training images are made, and its loss."""

    epochs: int
    loss: Component
    augment: tuple[Component, ...]
    views: int | None
    sampling: SamplingPlan | None
    size: Size | None
    span: Span | None = _written_at()


def stage_name(position: int, title: str) -> str:
    """Return a stage as people see it: counted from 1, with its title."""
    return f'stage {position + 1} "{title}"'


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage. `cut` counts the parts of the frozen prefix, which runs outside of training.

    The prefix gives `features` numbers for each of the `views` of an image: those that augmentation makes, or the
    versions that the recipe fixes. Without an end to them (None) nothing is kept of training images.

    What its `switches` change is as the stage begins; `at` says how it is in an epoch.
    """

    position: int
    title: str
    starts_from: str
    train: Selection
    norm_frozen: bool
    parts: tuple[PartPlan, ...]
    cut: int
    features: int
    views: int | None
    steps: Length
    steps_per_epoch: int
    epochs: int
    optimizer: Component
    schedule: Component
    warmup: Length
    loss: Component
    clip: Component | None
    l1: float
    augment: tuple[Component, ...]
    recovery: Component | None
    stop: StopPlan | None
    monitor: Metric | None
    keep: str
    accumulate: int = 1  # batches of a step
    shards: int = 1  # parts of a batch whose gradients are summed in order
    average: Component | None = None
    l2_sp: float = 0.0
    sam: float = 0.0
    soup: int = 0  # how many of the best epochs may be averaged in place of the best; 0 for none
    sampling: SamplingPlan | None = None  # none: an epoch shows each image once
    size: Size | None = None  # of training images, where it is not that of the data
    switches: tuple[Switch, ...] = ()
    stochastic_depth: float = 0.0  # the probability with which the last block of the base drops its branch
    begins_known: bool = False  # in the first stage: the head answers before the first step
    span: Span | None = _written_at()

    @property
    def trained(self) -> int:
        """How many numbers train."""
        return sum(part.trained for part in self.parts)

    @property
    def name(self) -> str:
        """The stage as people see it."""
        return stage_name(self.position, self.title)

    def at(self, epoch: int) -> StagePlan:
        """Return the stage as it is in an epoch, from 0: nothing of it switches."""
        now = next((switch for switch in reversed(self.switches) if switch.epochs <= epoch), None)
        names = [each.name for each in fields(Switch) if each.name != "epochs"] if now else []
        return replace(self, switches=(), **{name: getattr(now, name) for name in names}) if self.switches else self

    def phases(self) -> list[tuple[range, StagePlan]]:
        """Return the epochs between switches, from 0, each with the stage as it is there; most stages have one."""
        begins = [0, *(switch.epochs for switch in self.switches), self.epochs]
        return [(range(first, end), self.at(first)) for first, end in pairwise(begins)]

    @property
    def last(self) -> StagePlan:
        """The stage as it ends."""
        return self.at(self.epochs)

    @property
    def measures_beginning(self) -> bool:
        """Whether the weights that it begins with are a candidate of its best: not those of a head that is new."""
        return (self.position > 0 or self.begins_known) and self.monitor is not None

    @property
    def numbers(self) -> int:
        """How many numbers could train."""
        return sum(part.numbers for part in self.parts)

    def left_out(self, *parts: PartPlan) -> str:
        """Say why parts that train do not train whole, in the recipe's words; nothing where they do."""
        partial = [part for part in parts or self.parts if 0 < part.trained < part.numbers]
        reasons = {
            "norms frozen": self.norm_frozen and any(part.norms == "frozen" for part in partial),
            f"only {_matching(self.train.patterns)}": any(part.name not in self.train.parts for part in partial),
            f"except {_matching(self.train.without)}": bool(partial and self.train.without),
        }
        return ", ".join(reason for reason, holds in reasons.items() if holds)


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How large images are cut: into tiles of a side in pixels, neighbours share at least `overlap` of it.

    `images` is how many whole images each set has, where they were listed.
    """

    side: int
    overlap: float
    images: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, call: CallValue | None, images: Mapping[str, int] | None = None) -> TilePlan | None:
        """Return what the field `tiles` of a recipe says; None where images stay whole."""
        return None if call is None else cls(call["side"], call["overlap"], images or {})


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The sets, and how images become input.

    `prepare` is for evaluation; each stage has its own steps for training images. `mean` and `std` are per channel
    for values from 0 to 1.
    """

    sources: Mapping[str, Component]
    take: int | None
    size: Size
    batch: int
    features: str  # how what frozen parts give is kept: "full" or "half"
    on_error: str
    prepare: tuple[Component, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    target: TargetFacts = field(metadata={"inline": True})
    tiles: TilePlan | None = None
    tta: tuple[Component, ...] | None = None

    def images(self, name: str) -> int:
        """How many images, or tiles of them, a set has; 0 when there is none."""
        return sum(self.target.counts.get(name, ()))

    def whole_images(self, name: str) -> int:
        """How many images a set has before they are cut into tiles."""
        return self.images(name) if self.tiles is None else self.tiles.images.get(name, 0)


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """The network that teaches: the run, or the pack, whose final weights it has, and how it sees an image.

    `recipe` is the hash of that run's recipe, `base` the name of its network, `numbers` how many parameters it has.
    It takes the pixels that the network in training takes, resized where its own `size` is another one, and normalized
    as its own images were. `outputs` are the positions of the recipe's classes or labels among its own, where these are
    others or in another order. `warning` says what is to be known of its run, such as that it was interrupted.
    """

    source: Component
    recipe: str
    base: str
    numbers: int
    size: Size
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    outputs: tuple[int, ...] | None
    smoothing: float  # of the labels that it learned last
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """One line of `expect`; `seeds` is over how many it is, 0 where it is of a single run."""

    metric: Metric
    operator: str
    number: float
    span: Span | None = _written_at()
    seeds: int = 0

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {self.number:g}" + (f" over {self.seeds} seeds" if self.seeds else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run does."""

    name: str
    about: str
    hash: str
    task: str
    seed: int
    params: Mapping[str, str]
    base: Component
    head: tuple[Component, ...]
    data: DataPlan
    stages: tuple[StagePlan, ...]
    claims: tuple[ClaimPlan, ...]
    teacher: TeacherPlan | None = None


def _matching(patterns: tuple[str, ...]) -> str:
    return ", ".join(f'matching("{pattern}")' for pattern in patterns)


def trained_names(
    parameters: Mapping[str, tuple[Parameter, ...]], selection: Selection, norm_frozen: bool
) -> frozenset[str]:
    """Return the structural names of the parameters that a selection trains.

    With `norm_frozen` the base's norms do not; a new head's have no statistics yet that could be kept.
    """
    names = set()
    for part, owned in parameters.items():
        for parameter in owned:
            name = parameter.name
            chosen = part in selection.parts or any(fnmatchcase(name, p) for p in selection.patterns)
            if not chosen or any(fnmatchcase(name, p) for p in selection.without):
                continue
            is_frozen_norm = norm_frozen and parameter.kind == "norm" and part != "head"
            if parameter.kind == "statistic" or is_frozen_norm:
                continue
            names.add(name)
    return frozenset(names)


def as_json(value: Any) -> Any:
    """Return a plan, a part of it, or other plain values as data for JSON.

    The fields of an `inline` one stand in its place. Places become `file:line:column`; infinite numbers and NaN, which
    JSON has not, become None.
    """
    if isinstance(value, Span | Path | Metric):
        return str(value)
    if isinstance(value, Size):
        return value.plain
    if is_dataclass(value) and not isinstance(value, type):
        plain: dict[str, Any] = {}
        for item in fields(value):
            inner = as_json(getattr(value, item.name))
            plain |= inner if item.metadata.get("inline") else {item.metadata.get("key", item.name): inner}
        return plain
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
