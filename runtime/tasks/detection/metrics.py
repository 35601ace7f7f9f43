"""How good detections are.

In go a network's outputs and collated targets, batch by batch; out comes a `Report`. Average precision is COCO's
(`precision.py`); sizes are those of objects in the stored images, overlaps do not depend on how images were stretched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isnan
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.tasks.confusion import MOST, counts_of, frequent_table, matrix_table
from runtime.tasks.evaluation import Table
from runtime.tasks.protocol import LOSS, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.data.boxes import Boxes
    from runtime.tasks.detection.precision import ClassAverages, Detections

METRICS: Mapping[str, Metric] = {
    "loss": LOSS,
    "ap": Metric(
        "Average precision as COCO has it: mean over the classes and over overlaps from .50 to .95.",
        True,
        "AP",
        example=">= 40%",
    ),
    "ap50": Metric("Average precision where an overlap of .50 is enough.", True, "AP50", example=">= 80%"),
    "ap75": Metric("Average precision where an overlap of .75 is asked for.", True, "AP75", example=">= 40%"),
    "ap_small": Metric("AP of objects of less than 32 x 32 pixels of the stored image.", True, "AP of small objects"),
    "ap_medium": Metric("AP of objects from 32 x 32 to 96 x 96 pixels.", True, "AP of medium objects"),
    "ap_large": Metric("AP of objects of more than 96 x 96 pixels.", True, "AP of large objects"),
    "ar": Metric(
        "Average recall of the 100 surest detections: mean over classes and overlaps.", True, "average recall"
    ),
    "voc07": Metric(
        "Average precision as VOC 2007 has it: mean over the classes of the mean precision at 11 recalls.",
        True,
        "VOC's AP",
        example=">= 80%",
    ),
    "box_f1": Metric(
        "Mean over the classes of F1 at an overlap of .5, of what `predict` shows: each class from the score on that"
        " has the best F1 on validation.",
        True,
        "F1 of boxes",
        example=">= 80%",
    ),
}


BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The quality of one class: AP, also by size of its objects; `f1`, `precision` and `recall` are those at
    `threshold`, at an overlap of .5."""

    name: str
    objects: int
    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    voc07: float
    threshold: float
    f1: float
    precision: float
    recall: float


_TITLES = ("class", "objects", "AP", "AP50", "AP75", "small", "medium", "large", "VOC07")
_AT = ("class", "threshold", "F1", "precision", "recall")


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All metrics of one evaluation, and a row for each class.

    `confusion` counts objects of a class (rows) that are found as one (columns), int64; the last row and column are the
    background. `chosen` says whether the thresholds are the best on these very images.
    """

    values: Mapping[str, float]
    images: int
    classes: tuple[ClassRow, ...]
    confusion: NDArray[np.int64]
    chosen: bool

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""
        return {"by_class": [{name: _plain(getattr(row, name)) for name in ClassRow.__slots__} for row in self.classes]}

    def as_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` has behind the values; rows of `confusion` are true, columns found."""
        names = [*(row.name for row in self.classes), BACKGROUND]
        return {**self.in_result(), "confusion": {"names": names, "matrix": self.confusion.tolist()}}

    def tables(self) -> Iterator[str | Table]:
        """Yield the tables of classes, and what was taken for what."""
        names = [printable(row.name) for row in self.classes]
        averages = tuple(
            (name, f"{row.objects:,}", *(_shown(getattr(row, each)) for each in ClassRow.__slots__[2:9]))
            for name, row in zip(names, self.classes, strict=True)
        )
        yield Table("average precision by class, and by size of the objects", _TITLES, averages)
        rows = tuple(
            (name, *(_shown(getattr(row, each)) for each in ClassRow.__slots__[9:]))
            for name, row in zip(names, self.classes, strict=True)
        )
        where = "with the best F1 on these images" if self.chosen else "that `predict` goes by"
        yield Table(f"at the score {where}", _AT, rows)
        yield from self._confused([*names, BACKGROUND])

    def _confused(self, names: list[str]) -> Iterator[str | Table]:
        matrix = self.confusion.tolist()
        if len(names) - 1 > MOST:
            yield frequent_table(names, counts_of(matrix), ("true", "found", "objects"))
            return
        yield "confusion matrix at these scores: rows are true, columns found"
        yield matrix_table(names, matrix, lambda count, _: str(count))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _shown(value: float) -> str:
    return "-" if isnan(value) else f"{value:.4f}"


class BoxEvaluator:
    """Measures detections; it keeps a few kilobytes for each image: its objects, and a hundred detections at most.

    `thresholds` are the scores from which on a class is shown; without, those with the best F1 on what is measured.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        loss: Callable[[NDArray[np.float32], NDArray[Any]], Any],
        thresholds: tuple[float, ...] = (),
    ) -> None:
        from runtime.tasks.detection.precision import Matches

        self._classes, self._loss, self._thresholds = classes, loss, thresholds
        self._matches = Matches(len(classes))
        self._losses: list[float] = []
        self._pairs: list[tuple[Detections, Boxes]] = []

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take the outputs, (N, points, classes + 4), and the targets of a batch, as `assignment.collated` has them."""
        from runtime.tasks.detection.assignment import truth_of
        from runtime.tasks.detection.network import detections

        losses = self.losses(outputs, targets).tolist()
        for each, rows, loss in zip(outputs, targets, losses, strict=True):
            truth = truth_of(rows)
            assert truth.frame is not None
            self.add(detections(each, truth.frame, len(self._classes)), truth, loss)

    def losses(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return the loss of each image of a batch."""
        found: NDArray[np.float64] = self._loss(outputs, targets)
        return found

    def add(self, found: Detections, truth: Boxes, loss: float) -> None:
        """Take what is found in an image, its objects, and its loss."""
        self._losses.append(loss)
        self._matches.update(found, truth, truth.unit)
        self._pairs.append((found, truth))

    def badness(self) -> Sequence[float]:
        """Return of each image 1 - F1 at an overlap of .5 of what is shown, a little more where more is wrong."""
        import numpy as np

        from runtime.tasks.detection.at_half import confusion

        limits = np.array([each.threshold for each in self._matches.averages(self._thresholds)])
        found = []
        for pair in self._pairs:
            matrix = confusion([pair], limits)
            right = int(np.trace(matrix))
            wrong = int(matrix[:-1].sum() + matrix[:, :-1].sum()) - 2 * right
            found.append(wrong / (2 * right + wrong) + wrong * 1e-6 if wrong else 0.0)
        return found

    def report(self) -> Report:
        """Return the report; a metric that is not defined is NaN.

        Raises:
            ValueError: there were no images.
        """
        import numpy as np

        from runtime.tasks.detection.at_half import confusion, voc07
        from runtime.tasks.detection.precision import mean

        if not self._losses:
            raise ValueError("nothing to measure: no images")
        found = self._matches.averages(self._thresholds)
        rows = tuple(
            _row(name, each, voc07(self._pairs, label))
            for label, (name, each) in enumerate(zip(self._classes, found, strict=True))
        )
        values = {
            "loss": fsum(self._losses) / len(self._losses),
            **{name: mean([getattr(row, name) for row in rows]) for name in ClassRow.__slots__[2:9]},
            "ar": mean([each.recall_limit for each in found]),
            "box_f1": mean([row.f1 for row in rows]),
        }
        matrix = confusion(self._pairs, np.array([row.threshold for row in rows]))
        return Report({name: values[name] for name in METRICS}, len(self._losses), rows, matrix, not self._thresholds)


def _row(name: str, each: ClassAverages, voc: float) -> ClassRow:
    at = (each.threshold, each.f1, each.precision, each.recall)
    small, medium, large = (each.ap[size] for size in ("small", "medium", "large"))
    return ClassRow(name, each.objects, each.ap["all"], each.ap50, each.ap75, small, medium, large, voc, *at)
