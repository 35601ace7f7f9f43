"""How good a classifier's answers are.

In: class scores and true labels of a whole set. Out: a `Report` with one number per metric of `METRICS`, one
row per class and the confusion matrix. The table can be read without NumPy or scikit-learn.
"""

from __future__ import annotations

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
    "loss": Metric("Mean cross entropy of the true class (natural logarithm), without smoothing.", False),
    "accuracy": Metric("Share of images whose highest score is the true class.", True),
    "top5": Metric("Share of images whose true class is among the five highest scores.", True),
    "balanced_accuracy": Metric("Mean recall over the classes that occur, each counted alike.", True),
    "precision": Metric("Mean over classes of the share of right answers among the class's answers.", True),
    "recall": Metric("Mean over classes of the share of the class's images that were found.", True),
    "f1": Metric("Mean over classes of the harmonic mean of precision and recall.", True),
}


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

    `values` has each name of `METRICS`. `confusion[i, j]` counts images of class i answered as j: shape
    (C, C), int64, read-only.
    """

    values: Mapping[str, float]
    classes: tuple[ClassRow, ...]
    confusion: NDArray[np.int64]


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
    rows, confusion = _per_class(labels, answers, classes)
    occurring = [r for i, r in enumerate(rows) if confusion[i].any() or confusion[:, i].any()]
    confusion.setflags(write=False)
    values = {
        "loss": _cross_entropy(scores, labels),
        "accuracy": float(np.mean(answers == labels)),
        "top5": _top(scores, labels, 5),
        "balanced_accuracy": _mean([r.recall for r in rows if r.support]),
        "precision": _mean([r.precision for r in occurring]),
        "recall": _mean([r.recall for r in occurring]),
        "f1": _mean([r.f1 for r in occurring]),
    }
    return Report(values=values, classes=tuple(rows), confusion=confusion)


def _check(scores: NDArray[np.float32], labels: NDArray[Any], classes: int) -> None:
    if scores.ndim != 2 or scores.shape[1] != classes or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores {scores.shape}, labels {labels.shape} and {classes} classes do not fit")
    if not len(labels):
        raise ValueError("nothing to measure: no images")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels {labels.min()} .. {labels.max()} are not all of 0 .. {classes - 1}")


def _per_class(
    labels: NDArray[np.int64], answers: NDArray[np.int64], classes: Sequence[str]
) -> tuple[list[ClassRow], NDArray[np.int64]]:
    # Here and not above: `ftr check` and `ftr plan` name metrics, and this import is slow.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    every = list(range(len(classes)))
    confusion = confusion_matrix(labels, answers, labels=every)
    table = precision_recall_fscore_support(labels, answers, labels=every, zero_division=0)
    columns = [column.tolist() for column in table]
    return [ClassRow(*row) for row in zip(classes, *columns, strict=True)], confusion


def _cross_entropy(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    import numpy as np

    shifted = scores - scores.max(axis=1, keepdims=True)
    true = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
    total = np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    return float(np.mean(np.log(total) - true))


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
