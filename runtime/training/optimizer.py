"""What an optimizer is: its row, how it is built, and the arguments and letters that several have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recipe_lang.check.vocabulary import Arg, Entry, Number, Truth

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """All about one optimizer. Its arguments include `lr`, `weight_decay` and `decay_norms`.

    `build` takes the row's arguments and those that MXNet gives to every optimizer, and returns MXNet's object.
    `arrays` says how many arrays of a parameter's size it keeps for each. `highest_lr` are the peak rates above which
    it carries pretrained weights off, where their norms train and where these are frozen; without them nothing is
    said of rates. `decoupled` names the optimizer that differs only in its weight decay, which is not divided by the
    size of the gradient there.
    """

    entry: Entry
    build: Callable[[Args, Args], Any]
    arrays: Callable[[Args], int]
    highest_lr: tuple[float, float] | None = None
    decoupled: str = ""


# --- arguments and letters that several have -------------------------------------------------

BETA = Number(0, 1, below=True)
POSITIVE = Number(0, above=True)


def lr_arg(default: float) -> Arg:
    """Return the learning rate."""
    return Arg("lr", Number(0, 100, above=True), "Learning rate at the peak of the schedule.", default)


def decay_args(default: float = 0.0) -> tuple[Arg, Arg]:
    """Return the weight decay, and what it applies to."""
    return (
        Arg("weight_decay", Number(0, 10), "Strength of the decay of weights towards zero.", default),
        Arg("decay_norms", Truth(), "Decay biases and the scale and shift of norms as well.", False),
    )


def momentum_arg(default: float) -> Arg:
    """Return the momentum."""
    return Arg("momentum", BETA, "Fraction of the last update that is kept.", default)


MOMENTS = (
    Arg("beta1", BETA, "Decay of the mean of gradients.", 0.9),
    Arg("beta2", BETA, "Decay of the mean of squared gradients.", 0.999),
    Arg("epsilon", POSITIVE, "Added to the root of the second moment.", 1e-8),
)

# The first line of the formulas: g is continued by those that put the weight decay into the gradient.
LETTERS = "w a weight, g the gradient of the batch's mean loss"
BOTH_MOMENTS = "m = beta1 m + (1 - beta1) g\nv = beta2 v + (1 - beta2) g^2"
