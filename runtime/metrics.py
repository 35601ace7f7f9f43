"""How good a classifier's answers are.

In: class scores and true labels of a whole set. Out: a `Report` with one number per metric of `METRICS`, one
row per class and which class was taken for which. The table can be read without NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Metric(NamedTuple):
    """One row: what the number says, and which way is better."""

    doc: str
    higher_is_better: bool


METRICS: Mapping[str, Metric] = {
    "loss": Metric("Mean cross entropy (natural logarithm), without label smoothing.", False),
    "accuracy": Metric("Fraction of images whose highest score is that of the true class.", True),
    "top5": Metric("Fraction of images whose true class has one of the five highest scores.", True),
    "balanced_accuracy": Metric("Mean recall over the classes that occur, each with equal weight.", True),
    "precision": Metric("Macro average of precision: the fraction of a class's predictions that are right.", True),
    "recall": Metric("Macro average of recall: the fraction of a class's images that are predicted right.", True),
    "f1": Metric("Macro average of F1, the harmonic mean of precision and recall.", True),
}


_TOP = 5


def telling(classes: int) -> tuple[str, ...]:
    """Return the metrics that tell people something: of five classes or fewer, all are among the top five."""
    return tuple(name for name in METRICS if name != "top5" or classes > _TOP)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class's quality: fractions 0 to 1 (0 where nothing was to divide by), and its count of images."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All metrics of one evaluation.

    `values` has each name of `METRICS`. `answered` are rows of (true class, answered class, count of images), int64 of
    shape (K, 3), K at most the number of images, in order: 10,000 classes would take a matrix of 800 MB.
    """

    values: Mapping[str, float]
    classes: tuple[ClassRow, ...]
    answered: NDArray[np.int64]

    def confusion(self) -> NDArray[np.int64]:
        """Return the matrix: [i, j] counts images of class i answered as j, shape (C, C), int64."""
        import numpy as np

        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        matrix[self.answered[:, 0], self.answered[:, 1]] = self.answered[:, 2]
        return matrix


def report(scores: NDArray[np.float32], labels: NDArray[Any], classes: Sequence[str]) -> Report:
    """Measure class scores, (N, C) float32 before softmax, against labels, (N,) int of 0 .. C-1.

    The answer is the highest score; of equal ones the first. Means over classes are scikit-learn's
    `average="macro"`: over the classes that occur in the labels or the answers. `top5` takes all classes
    where there are fewer than five.

    Raises ValueError for shapes that do not fit, no images, or a label out of range.
    """
    import numpy as np

    _check(scores, labels, len(classes))
    labels = np.asarray(labels, dtype=np.int64)
    answers = scores.argmax(axis=1)
    rows = _per_class(labels, answers, classes)
    occurring = [rows[place] for place in np.union1d(labels, answers)]
    pairs, counts = np.unique(np.stack((labels, answers), axis=1), axis=0, return_counts=True)
    values = {
        "loss": _cross_entropy(scores, labels),
        "accuracy": float(np.mean(answers == labels)),
        "top5": _top(scores, labels, _TOP),
        "balanced_accuracy": _mean([r.recall for r in rows if r.support]),
        "precision": _mean([r.precision for r in occurring]),
        "recall": _mean([r.recall for r in occurring]),
        "f1": _mean([r.f1 for r in occurring]),
    }
    return Report(values=values, classes=tuple(rows), answered=np.column_stack((pairs, counts)))


def _check(scores: NDArray[np.float32], labels: NDArray[Any], classes: int) -> None:
    if scores.ndim != 2 or scores.shape[1] != classes or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores {scores.shape}, labels {labels.shape} and {classes} classes do not fit")
    if not len(labels):
        raise ValueError("nothing to measure: no images")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels {labels.min()} .. {labels.max()} are not all of 0 .. {classes - 1}")


def _per_class(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: Sequence[str]) -> list[ClassRow]:
    import numpy as np

    def count(of: NDArray[np.int64]) -> list[int]:
        return [int(number) for number in np.bincount(of, minlength=len(classes))]

    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    columns = zip(classes, count(labels[labels == answers]), count(answers), count(labels), strict=True)
    return [
        ClassRow(name, share(right, given), share(right, true), share(2 * right, given + true), true)
        for name, right, given, true in columns
    ]


def _cross_entropy(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    import numpy as np

    shifted = scores - scores.max(axis=1, keepdims=True)
    true = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
    total = np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    logs = np.fromiter(map(math.log, total), np.float64, len(total))  # NumPy's own differs between processors
    return float(np.mean(logs - true))


def _top(scores: NDArray[np.float32], labels: NDArray[np.int64], k: int) -> float:
    """Return the share of rows where fewer than k classes come before the true one.

    Of equal scores the first comes before, so that k = 1 is the accuracy. A true class whose score is not
    a number counts as missed.
    """
    import numpy as np

    true = np.take_along_axis(scores, labels[:, None], axis=1)
    before = (scores > true).sum(axis=1)
    ties = scores == true
    tied = np.flatnonzero(ties.sum(axis=1) > 1)
    earlier = np.arange(scores.shape[1]) < labels[tied, None]
    before[tied] += (ties[tied] & earlier).sum(axis=1)
    return float(np.mean((before < k) & ~np.isnan(true[:, 0])))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
