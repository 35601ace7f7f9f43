"""How good a classifier's answers are.

In go class scores and true labels, batch by batch; out comes a `Report` with one number per metric of `METRICS`, one
row per class and which class was taken for which. The table can be read without NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_lang.words import counted, printable
from runtime.tasks.classification.decisions import (
    Bin,
    best_threshold,
    bins,
    calibration_error,
    fitted_temperature,
    mean_scores,
    probabilities,
)
from runtime.tasks.confusion import MOST, frequent_table, matrix_table
from runtime.tasks.evaluation import Table
from runtime.tasks.protocol import LOSS, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.tasks.classification.targets import ClassFacts

METRICS: Mapping[str, Metric] = {
    "loss": LOSS,
    "accuracy": Metric(
        "Fraction of images whose highest score is that of the true class.", True, "accuracy", short="acc"
    ),
    "top5": Metric("Fraction of images whose true class has one of the five highest scores.", True, "top-5 accuracy"),
    "balanced_accuracy": Metric(
        "Mean recall over the classes that occur, each with equal weight.",
        True,
        "balanced accuracy",
        short="bal",
        long="balanced",
    ),
    "precision": Metric(
        "Macro average of precision: the fraction of a class's predictions that are right.",
        True,
        "precision",
        short="prec",
    ),
    "recall": Metric(
        "Macro average of recall: the fraction of a class's images that are predicted right.",
        True,
        "recall",
        short="rec",
    ),
    "f1": Metric("Macro average of F1, the harmonic mean of precision and recall.", True, "F1"),
    "ece": Metric(
        "Expected calibration error: how far the probability of the most probable class and the fraction that is right"
        " are apart, a mean over the images in 15 bins of equal width (Guo et al., arXiv 1706.04599).",
        False,
        "calibration error",
        example="<= 3%",
    ),
}


PART_METRICS = ("loss", "accuracy", "top5", "balanced_accuracy", "ece")
"""What the images of some classes say by themselves: precision and F1 of a class depend on the images of all others."""

_TOP = 5
_MATRIX_JSON = 1000
_TABLE = 100  # classes of a table on the screen


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
    shape (K, 3), K at most the number of images, in order: 10,000 classes would take a matrix of 800 MB. `decisions`
    are the threshold and the temperature that the answers go by, where there are such, and `reliability` the answers by
    their probability. `parts` has `PART_METRICS` and the count of images of the classes that an earlier run knew
    (`old`), and of the others (`new`), where there are such images; all classes may be answered.
    """

    values: Mapping[str, float]
    classes: tuple[ClassRow, ...]
    answered: NDArray[np.int64]
    decisions: Mapping[str, float] = field(default_factory=dict)
    reliability: tuple[Bin, ...] = ()
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def confusion(self) -> NDArray[np.int64]:
        """Return the matrix: [i, j] counts images of class i answered as j, shape (C, C), int64."""
        import numpy as np

        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        matrix[self.answered[:, 0], self.answered[:, 1]] = self.answered[:, 2]
        return matrix

    @property
    def images(self) -> int:
        """How many images were measured."""
        return sum(row.support for row in self.classes)

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""
        from runtime.plan.types import as_json

        return {**self.decisions, **as_json(self.parts), "classes": [as_json(row) for row in self.classes]}

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data. Where a matrix would be huge, `confusion` is None; `answered` has its numbers."""
        is_small = len(self.classes) <= _MATRIX_JSON
        from runtime.plan.types import as_json

        return {
            **self.in_result(),
            "reliability": as_json(self.reliability),
            "confusion": self.confusion().tolist() if is_small else None,
            **({} if is_small else {"answered": self.answered.tolist()}),
        }

    def tables(self) -> Iterator[str | Table]:
        """Yield a table of the classes (of very many the worst), and which was taken for which."""
        if "temperature" in self.decisions:
            yield f"probabilities are those of scores over a temperature of {self.decisions['temperature']:.3g}"
        if "threshold" in self.decisions:
            rare = printable(self.classes[1].name)
            yield f"{rare} is the answer from a probability of {self.decisions['threshold']:.3g} on"
        for part, found in self.parts.items():
            yield f"{part} classes: {part_line(found)}"
        rows, title = self.classes, "by class"
        if len(rows) > _TABLE:
            rows = tuple(sorted((row for row in rows if row.support), key=lambda row: row.f1)[:_TABLE])
            title = f"the {len(rows)} worst of {len(self.classes):,} classes (--json has all)"
        cells = tuple(
            (
                printable(row.name),
                *(f"{value:.3f}" for value in (row.precision, row.recall, row.f1)),
                f"{row.support:,}",
            )
            for row in rows
        )
        yield Table(title, ("class", "precision", "recall", "f1", "images"), cells)
        names = [printable(row.name) for row in self.classes]
        absent = [name for name, row in zip(names, self.classes, strict=True) if not row.support]
        if absent:
            few = ", ".join(absent[:MOST]) + (", …" if len(absent) > MOST else "")
            yield f"no images of {few}: 0 in precision, recall and f1; balanced accuracy leaves them out"
        if len(names) > MOST:
            yield frequent_table(names, self.answered.tolist(), ("true", "answer", "images"))
            return
        yield "confusion matrix: rows are true, columns predicted"
        yield matrix_table(names, self.confusion().tolist(), lambda count, _: str(count))


def part_line(found: Mapping[str, float]) -> str:
    """Return what is measured of a part of the images in a line."""
    images = counted(int(found["images"]), "image")
    return f"accuracy {found['accuracy']:.4f}, balanced {found['balanced_accuracy']:.4f} of {images}"


class ClassEvaluator:
    """Measures class scores; of each image it keeps its label, the answer, its loss, and whether five held it.

    Where a temperature is to be fitted, it keeps all scores.
    """

    def __init__(self, facts: ClassFacts, loss: Callable[[NDArray[np.float32], NDArray[Any]], Any]) -> None:
        self._classes, self._loss, self._tuned = facts.names, loss, facts.tuned
        self._known = facts.known
        self._temperature, self._threshold = facts.temperature, facts.threshold
        self._fits = bool(facts.calibrated) and facts.temperature is None
        self._scores: list[NDArray[np.float32]] = []
        self._waiting: list[NDArray[np.int64]] = []
        self._labels: list[NDArray[np.int64]] = []
        self._surest: list[NDArray[np.int64]] = []
        self._confidences: list[NDArray[np.float64]] = []
        self._odds: list[NDArray[np.float32]] = []
        self._top: list[NDArray[np.bool_]] = []
        self._losses: list[NDArray[np.float64]] = []

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take class scores, (N, C) float32 before softmax, and labels, (N,) int of 0 .. C-1.

        Raises:
            ValueError: the shapes do not fit, or a label is out of range.
        """
        _check(outputs, targets, len(self._classes))
        labels = targets.astype("int64")
        if self._fits:
            self._scores.append(outputs.copy())
            self._waiting.append(labels)
        else:
            self._take(outputs, labels)

    def update_views(self, outputs: Sequence[NDArray[np.float32]], targets: NDArray[Any]) -> None:
        """Take the class scores of a batch in each of several views: the mean of their probabilities counts."""
        self.update(mean_scores(outputs), targets)

    def _take(self, outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        if self._temperature is not None:
            outputs = outputs / outputs.dtype.type(self._temperature)
        self._labels.append(labels)
        self._surest.append(outputs.argmax(axis=1))
        self._confidences.append(_confidences(outputs))
        if len(self._classes) == 2:
            self._odds.append(outputs[:, 1] - outputs[:, 0])
        self._top.append(_among_top(outputs, labels, _TOP))
        self._losses.append(self._loss(outputs, labels))

    def _decide(self) -> NDArray[np.int64]:
        """Fit what is to be fitted to all images, and return the answers."""
        import numpy as np

        if self._fits and self._scores:
            self._temperature = fitted_temperature(np.concatenate(self._scores), np.concatenate(self._waiting))
            for scores, labels in zip(self._scores, self._waiting, strict=True):
                self._take(scores, labels)
            self._fits, self._scores = False, []
        if self._odds and (self._tuned or self._threshold is not None):
            chances = probabilities(np.concatenate(self._odds).tolist())
            if self._threshold is None and self._tuned:
                self._threshold = best_threshold(chances, np.concatenate(self._labels).tolist(), self._tuned)
            return (np.array(chances) >= self._threshold).astype(np.int64)
        return np.concatenate(self._surest)

    def correct(self) -> Sequence[bool]:
        """Return which images were answered right."""
        import numpy as np

        found: list[bool] = (self._decide() == np.concatenate(self._labels)).tolist()
        return found

    def badness(self) -> Sequence[float]:
        """Return the loss of each image."""
        import numpy as np

        found: list[float] = np.concatenate(self._losses).tolist()
        return found

    def report(self) -> Report:
        """Return the report; equal scores count as the first of them.

        Means over classes are scikit-learn's `average="macro"`: over the classes that occur in the labels or the
        answers. `top5` takes all classes where there are fewer than five.

        Raises:
            ValueError: there were no images.
        """
        import numpy as np

        if not (self._labels or self._scores):
            raise ValueError("nothing to measure: no images")
        answers, labels = self._decide(), np.concatenate(self._labels)
        rows = _per_class(labels, answers, self._classes)
        occurring = [rows[index] for index in np.union1d(labels, answers)]
        pairs, counts = np.unique(np.stack((labels, answers), axis=1), axis=0, return_counts=True)
        every = np.ones(len(labels), np.bool_)
        reliability = self._reliability(labels, every)
        values = {
            **self._values(labels, answers, rows, every),
            "precision": _mean([r.precision for r in occurring]),
            "recall": _mean([r.recall for r in occurring]),
            "f1": _mean([r.f1 for r in occurring]),
        }
        decisions = {"threshold": self._threshold, "temperature": self._temperature}
        return Report(
            values={name: values[name] for name in METRICS},
            classes=tuple(rows),
            answered=np.column_stack((pairs, counts)),
            decisions={name: value for name, value in decisions.items() if value is not None},
            reliability=reliability,
            parts=self._parts(labels, answers, rows),
        )

    def _values(
        self, labels: NDArray[np.int64], answers: NDArray[np.int64], rows: Sequence[ClassRow], of: NDArray[np.bool_]
    ) -> dict[str, float]:
        """Return `PART_METRICS` of some images."""
        import numpy as np

        here = set(labels[of].tolist())
        return {
            "loss": float(np.mean(np.concatenate(self._losses)[of])),
            "accuracy": float(np.mean((answers == labels)[of])),
            "top5": float(np.mean(np.concatenate(self._top)[of])),
            "balanced_accuracy": _mean([row.recall for number, row in enumerate(rows) if number in here]),
            "ece": calibration_error(self._reliability(labels, of)),
        }

    def _reliability(self, labels: NDArray[np.int64], of: NDArray[np.bool_]) -> tuple[Bin, ...]:
        import numpy as np

        return bins(np.concatenate(self._confidences)[of], (np.concatenate(self._surest) == labels)[of])

    def _parts(
        self, labels: NDArray[np.int64], answers: NDArray[np.int64], rows: Sequence[ClassRow]
    ) -> dict[str, dict[str, float]]:
        """Return what is measured of the classes that an earlier run knew, and of the others."""
        if self._known is None:
            return {}
        parts = {"old": labels < self._known, "new": labels >= self._known}
        return {
            name: {**self._values(labels, answers, rows, of), "images": int(of.sum())}
            for name, of in parts.items()
            if of.any()
        }


def _confidences(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability of the class with the highest score, float64 (N,)."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        shifted = scores - scores.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = 1 / np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    return found


def _check(scores: NDArray[np.float32], labels: NDArray[Any], classes: int) -> None:
    if scores.ndim != 2 or scores.shape[1] != classes or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores {scores.shape}, labels {labels.shape} and {classes} classes do not fit")
    if not len(labels):
        raise ValueError("a batch without images")
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


def _among_top(scores: NDArray[np.float32], labels: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return for each row whether fewer than k classes come before the true one, bool of shape (N,).

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
    found: NDArray[np.bool_] = (before < k) & ~np.isnan(true[:, 0])
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
