"""Where a run is: all that the rest of it depends on, besides the plan and the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.plan.schedule import Plateau

if TYPE_CHECKING:
    from runtime.plan.types import Plan
    from runtime.weights.params_file import Arrays

Weights = Mapping[str, Any]  # NDArrays by structural name


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from: the end of an epoch of a stage, by its position. Epoch 0 stands for an unknown one."""

    stage: int = 0
    epoch: int = 0

    def named(self, plan: Plan) -> str:
        """Return it as people see it."""
        return f"epoch {self.epoch} of {plan.stages[self.stage].name}" if self.epoch else plan.stages[self.stage].name


@dataclass(slots=True)
class Best:
    """The best of a stage so far, by its monitor. Its weights are kept where the stage hands them on.

    Epoch 0 are the weights that the stage began with.
    """

    value: float
    epoch: int
    step: int
    weights: Weights


@dataclass(slots=True)
class TrainState:
    """Where a run is, between two steps. The weights and the optimizer's state are the network's own.

    `epoch` counts those that were evaluated, `step` those of the stage; `losses` are those of the epoch since. `ended`
    is the reason why the stage is over, or empty. `begun_with` are the weights that a stage after the first began with,
    of epoch `from_epoch` of stage `from_stage`; `epoch_began_with` the weights and the optimizer's arrays at the
    epoch's beginning, where it may go back there.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    ended: str = ""
    best: Best | None = None
    improved_at: int = 0  # the step at which the stop rule's metric last improved
    stop_value: float | None = None
    rollbacks: int = 0
    ingredients: list[Best] = field(default_factory=list)  # the best epochs, where the stage hands on their mean
    plateau: Plateau | None = None  # what a schedule that goes by a metric knows
    from_stage: int = 0
    from_epoch: int = 0
    begun_with: Weights = field(default_factory=dict)
    epoch_began_with: Weights = field(default_factory=dict)

    def begin(self, stage: int, origin: Origin) -> None:
        """Go to the beginning of a stage, with weights of this origin."""
        for name, value in vars_of(TrainState(stage, from_stage=origin.stage, from_epoch=origin.epoch)).items():
            setattr(self, name, value)

    def origin(self, epoch: int) -> Origin:
        """Return where the weights at the end of an epoch of this stage come from; 0 is its beginning."""
        return Origin(self.stage, epoch) if epoch else Origin(self.from_stage, self.from_epoch)

    def as_plain(self) -> dict[str, Any]:
        """Return the state as plain values, without weights; `restored` takes them back."""
        plain = {name: value for name, value in vars_of(self).items() if name not in _WEIGHTS}
        best = self.best
        return {
            **plain,
            "losses": list(self.losses),
            "best": best and _without_weights(best),
            "ingredients": [_without_weights(each) for each in self.ingredients],
            "plateau": self.plateau and asdict(self.plateau),
        }


def _without_weights(best: Best) -> dict[str, Any]:
    return {"value": best.value, "epoch": best.epoch, "step": best.step}


_WEIGHTS = ("begun_with", "epoch_began_with")
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "stage": (int,),
    "epoch": (int,),
    "step": (int,),
    "losses": (list,),
    "ended": (str,),
    "best": (dict, type(None)),
    "improved_at": (int,),
    "stop_value": (float, type(None)),
    "rollbacks": (int,),
    "ingredients": (list,),
    "plateau": (dict, type(None)),
    "from_stage": (int,),
    "from_epoch": (int,),
}


def vars_of(state: TrainState) -> dict[str, Any]:
    """Return the fields of a state by name."""
    return {name: getattr(state, name) for name in TrainState.__slots__}


def restored(plain: Any) -> TrainState:
    """Return the state that plain values describe, without weights.

    Raises:
        ValueError: they are not those of a state.
    """
    if isinstance(plain, dict) and type(plain.get("stage")) is int:  # older checkpoints do not say whose weights
        plain = {"from_stage": max(0, plain["stage"] - 1), "from_epoch": 0, "ingredients": [], "plateau": None, **plain}
    if not isinstance(plain, dict) or plain.keys() != _PLAIN.keys():
        raise ValueError("the state has other fields")
    for name, kinds in _PLAIN.items():
        if type(plain[name]) not in kinds or (type(plain[name]) is int and plain[name] < 0):
            raise ValueError(f"`{name}` is {plain[name]!r:.50}")
    if not all(type(loss) is float for loss in plain["losses"]):
        raise ValueError("`losses` are not numbers")
    read = {
        "best": plain["best"] and _best(plain["best"]),
        "ingredients": [_best(each) for each in plain["ingredients"]],
        "plateau": _plateau(plain["plateau"]),
    }
    return TrainState(**{**plain, **read})


def _best(plain: Any) -> Best:
    if not isinstance(plain, dict) or plain.keys() != {"value", "epoch", "step"} or type(plain["value"]) is not float:
        raise ValueError("`best` has other fields")
    if not all(type(plain[name]) is int and plain[name] >= 0 for name in ("epoch", "step")):
        raise ValueError("`best` is at no step")
    return Best(**plain, weights={})


def _plateau(plain: dict[str, Any] | None) -> Plateau | None:
    if plain is None:
        return None
    kinds = {"best": (float, type(None)), "bad": (int,), "cooldown": (int,), "factor": (float,)}
    if plain.keys() != kinds.keys() or not all(type(plain[name]) in kinds[name] for name in kinds):
        raise ValueError("`plateau` has other fields")
    return Plateau(**plain)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a checkpoint is to hold. `sets` are arrays by purpose: a file's name, and what reads them from the network.

    The state is plain values. Equal file names mean equal arrays; without a name, they are of this moment.
    """

    state: Mapping[str, Any]
    sets: Mapping[str, tuple[str, Callable[[], Arrays]]]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of arrays of a checkpoint."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A checkpoint that was read: the state, the arrays by purpose, and what the run's record needs.

    `metrics_bytes` is the length of `metrics.jsonl` at that time, `elapsed_s` the seconds that the run had taken,
    `passed_over` says why newer ones do not count.
    """

    number: int
    recipe: str
    state: TrainState
    arrays: Mapping[str, Arrays]
    metrics_bytes: int
    elapsed_s: float
    files: Mapping[str, StoredFile]
    passed_over: tuple[str, ...] = ()
