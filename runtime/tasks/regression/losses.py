"""The losses of numbers: rows, and what they compute. All are of standardized targets, a mean over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LETTERS = "o the outputs, t the targets, in standard deviations of the training images; a mean over the targets"


def _l2(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    return lambda F, outputs, targets: 0.5 * F.mean(F.square(outputs - targets), axis=1)  # noqa: N803


def _l1(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    return lambda F, outputs, targets: F.mean(F.abs(outputs - targets), axis=1)  # noqa: N803


def _huber(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    delta = args["delta"]
    # MXNet's smooth_l1(x, s) is (s x)^2 / 2 where |x| < 1 / s^2, else |x| - 1 / (2 s^2).
    return lambda F, outputs, targets: delta * F.mean(F.smooth_l1(outputs - targets, scalar=delta**-0.5), axis=1)  # noqa: N803


def _measured(each: Callable[[Mapping[str, Any], Any], Any]) -> Callable[..., NDArray[np.float64]]:
    """Return what measures a loss, given its value for each error; columns are added in order, alike everywhere."""

    def measure(args: Mapping[str, Any], outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        values = each(args, outputs.astype("float64") - targets)
        total: NDArray[np.float64] = sum(values[:, column] for column in range(values.shape[1])) / values.shape[1]
        return total

    return measure


def _huber_of(args: Mapping[str, Any], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    size, delta = np.abs(errors), args["delta"]
    return np.where(size < delta, size * size / 2, delta * (size - delta / 2))


LOSSES = (
    Loss(
        Entry(
            "huber",
            "Squared error where it is small, absolute error where it is large: outliers count less.",
            (Arg("delta", Number(0, 1e6, above=True), "Where one becomes the other, in standard deviations.", 1.0),),
            source="Huber 1964, Annals of Mathematical Statistics 35",
            formula=f"{_LETTERS}\ne = |o - t|\nloss = e^2 / 2 where e < delta, else delta (e - delta / 2)",
            examples=("task = regression\nloss = huber", "task = regression\nloss = huber(delta = 0.5)"),
        ),
        _huber,
        _measured(_huber_of),
    ),
    Loss(
        Entry(
            "l2",
            "Half the squared error: the outputs become means.",
            formula=f"{_LETTERS}\nloss = (o - t)^2 / 2",
            source="gluon.loss.L2Loss",
            examples=("task = regression\nloss = l2",),
        ),
        _l2,
        _measured(lambda args, errors: errors * errors / 2),
    ),
    Loss(
        Entry(
            "l1",
            "The absolute error: the outputs become medians.",
            formula=f"{_LETTERS}\nloss = |o - t|",
            source="gluon.loss.L1Loss",
            examples=("task = regression\nloss = l1",),
        ),
        _l1,
        _measured(lambda args, errors: abs(errors)),
    ),
)
