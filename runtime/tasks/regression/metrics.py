"""How good numbers are.

In go standardized outputs and targets, batch by batch; out comes a `Report` in the units of the data. Sums are exact
(`math.fsum`), so that a metric is the same on every processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, fsum, isnan, log10, nan, sqrt
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.tasks.evaluation import Cell, Gathered, Table
from runtime.tasks.protocol import LOSS, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.tasks.regression.targets import NumberFacts

METRICS: Mapping[str, Metric] = {
    "loss": LOSS,
    "mae": Metric(
        "Mean absolute error, in the units of the data; of several targets the mean.",
        higher_is_better=False,
        noun="MAE",
        high=None,
        example="<= 0.2",
    ),
    "rmse": Metric(
        "Root of the mean squared error, in the units of the data; of several targets the mean.",
        higher_is_better=False,
        noun="RMSE",
        high=None,
        example="<= 0.3",
    ),
    "r2": Metric(
        "Coefficient of determination: 1 less the squared error as a fraction of that of the mean.",
        higher_is_better=True,
        noun="R2",
        low=None,
        example=">= 50%",
    ),
    "spearman": Metric(
        "Spearman's rank correlation of outputs and targets.",
        higher_is_better=True,
        noun="rank correlation",
        low=-1.0,
        example=">= 0.6",
    ),
}

_OF_TARGETS = tuple(name for name in METRICS if name != "loss")  # fields of a `TargetRow`
_TABLES = 4  # targets that get a table of their own
_ROWS = 10


@dataclass(frozen=True, slots=True)
class TargetRow:
    """The quality of one target, in its units. `mean_error` is that of output less truth."""

    name: str
    mae: float
    rmse: float
    r2: float
    spearman: float
    mean_error: float


@dataclass(frozen=True, slots=True)
class ValueRow:
    """The images whose truth lies from `low` to `high`: how many, their mean output, and their mean absolute error."""

    target: str
    low: float
    high: float
    images: int
    output: float
    mae: float


@dataclass(frozen=True, slots=True)
class Report:
    """All metrics of one evaluation, a row for each target, and rows by true value."""

    values: Mapping[str, float]
    images: int
    targets: tuple[TargetRow, ...]
    by_value: tuple[ValueRow, ...]

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""
        return {"targets": [_plain(row) for row in self.targets]}

    def as_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` has behind the values."""
        return {**self.in_result(), "by_value": [_plain(row) for row in self.by_value]}

    def tables(self) -> Iterator[str | Table]:
        """Yield a table of the targets, and for a few of them one by true value."""
        rows: list[tuple[str | Cell, ...]] = [
            (
                printable(row.name),
                *(_shown(getattr(row, name)) for name in (*_OF_TARGETS, "mean_error")),
            )
            for row in self.targets
        ]
        yield Table("by target", ("target", *_OF_TARGETS, "mean error"), tuple(rows))
        for target in self.targets[:_TABLES] if len(self.targets) <= _TABLES else ():
            own = [row for row in self.by_value if row.target == target.name]
            yield Table(
                f"{printable(target.name)}, by true value",
                ("true", "images", "mean output", "mae"),
                tuple((_range(row), f"{row.images:,}", _shown(row.output), _shown(row.mae)) for row in own),
            )


def _plain(row: TargetRow | ValueRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).__slots__}


def _shown(value: float) -> str:
    return "-" if isnan(value) else f"{value:#.4g}"


def _range(row: ValueRow) -> str:
    return f"{row.low:.4g}" if row.low == row.high else f"{row.low:.4g} .. {row.high:.4g}"


class NumberEvaluator:
    """Measures numbers; of each image it keeps the outputs, the targets and its loss."""

    def __init__(self, facts: NumberFacts, loss: Callable[[NDArray[np.float32], NDArray[Any]], Any]) -> None:
        self._facts = facts
        self._gathered = Gathered(len(facts.targets), loss)

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take standardized outputs and targets, (N, k) both.

        Raises:
            ValueError: the shapes do not fit.
        """
        self._gathered.take(outputs, targets)

    def badness(self) -> Sequence[float]:
        """Return the loss of each image."""
        return self._gathered.losses()

    def report(self) -> Report:
        """Return the report; a metric that is not defined, as R2 where all truths are equal, is NaN.

        Raises:
            ValueError: there were no images.
        """
        import numpy as np

        facts, losses = self._facts, self._gathered.losses()
        given, true = self._gathered.arrays()
        outputs, targets = units(given.astype(np.float64), facts), tidy(units(true, facts), facts)
        rows: list[TargetRow] = []
        by_value: list[ValueRow] = []
        for column, name in enumerate(facts.targets):
            rows.append(_row(name, outputs[:, column], targets[:, column]))
            by_value += _by_value(name, outputs[:, column], targets[:, column])
        values = {metric: fsum(getattr(row, metric) for row in rows) / len(rows) for metric in _OF_TARGETS}
        return Report({"loss": fsum(losses) / len(losses), **values}, len(targets), tuple(rows), tuple(by_value))


def units(standardized: NDArray[np.float64], facts: NumberFacts) -> NDArray[np.float64]:
    """Return standardized numbers, (N, k), in the units of the data."""
    import numpy as np

    found: NDArray[np.float64] = standardized * np.array(facts.target_std) + np.array(facts.target_mean)
    return found


def tidy(targets: NDArray[np.float64], facts: NumberFacts) -> NDArray[np.float64]:
    """Return targets without the rounding of the way to standard deviations and back: to a billionth of these."""
    import numpy as np

    digits = [min(300, 9 - floor(log10(std))) for std in facts.target_std]
    columns = [np.round(targets[:, column], each) + 0.0 for column, each in enumerate(digits)]  # -0.0 is 0.0
    return np.stack(columns, axis=1)


def _row(name: str, outputs: NDArray[np.float64], targets: NDArray[np.float64]) -> TargetRow:
    errors = (outputs - targets).tolist()
    count = len(errors)
    squares = fsum(error * error for error in errors)
    mean = fsum(targets.tolist()) / count
    total = fsum((value - mean) ** 2 for value in targets.tolist())
    return TargetRow(
        name,
        mae=fsum(map(abs, errors)) / count,
        rmse=sqrt(squares / count),
        r2=1 - squares / total if total else nan,
        spearman=_spearman(outputs, targets),
        mean_error=fsum(errors) / count,
    )


def _spearman(outputs: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of the mean ranks; NaN where one side is constant (Spearman 1904)."""
    from scipy.stats import rankdata

    middle = (len(outputs) + 1) / 2
    ours, theirs = ((rankdata(values) - middle).tolist() for values in (outputs, targets))
    spread = sqrt(fsum(rank * rank for rank in ours) * fsum(rank * rank for rank in theirs))
    return fsum(one * other for one, other in zip(ours, theirs, strict=True)) / spread if spread else nan


def _by_value(name: str, outputs: NDArray[np.float64], targets: NDArray[np.float64]) -> Iterator[ValueRow]:
    """Yield rows of images with the same truth, or where there are many truths, with neighbouring ones."""
    import numpy as np

    distinct = np.unique(targets)
    groups = [distinct] if len(distinct) == 1 else np.array_split(distinct, min(_ROWS, len(distinct)))
    for group in groups:
        chosen = (targets >= group[0]) & (targets <= group[-1])
        own, truth = outputs[chosen].tolist(), targets[chosen].tolist()
        mae = fsum(abs(one - other) for one, other in zip(own, truth, strict=True)) / len(own)
        yield ValueRow(name, float(group[0]), float(group[-1]), len(own), fsum(own) / len(own), mae)
