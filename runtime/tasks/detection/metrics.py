"""How good detections are.

In go a network's outputs and collated targets, batch by batch; out comes a `Report`. Average precision is COCO's
(`precision.py`); sizes are those of objects in the stored images, overlaps do not depend on how images were stretched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import fsum, isnan
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.tasks.protocol import LOSS, Metric, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.tasks.detection.precision import ClassAverages

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
}
_SIZES = ("small", "medium", "large")


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The quality of one class. `threshold` is the score at which F1 is largest; `f1`, `precision`, `recall` are there,
    at an overlap of .5."""

    name: str
    objects: int
    ap: float
    ap50: float
    ap75: float
    threshold: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Report:
    """All metrics of one evaluation, and a row for each class."""

    values: Mapping[str, float]
    images: int
    classes: tuple[ClassRow, ...]

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""
        return {"by_class": [{name: _plain(getattr(row, name)) for name in ClassRow.__slots__} for row in self.classes]}

    def as_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` has behind the values."""
        return self.in_result()

    def tables(self) -> Iterator[str | Table]:
        """Yield the table of classes."""
        columns = ClassRow.__slots__[2:]
        rows = tuple(
            (printable(row.name), f"{row.objects:,}", *(_shown(getattr(row, name)) for name in columns))
            for row in self.classes
        )
        titles = ("class", "objects", "AP", "AP50", "AP75", "threshold", "F1", "precision", "recall")
        yield Table("by class; F1, precision and recall at the threshold with the best F1", titles, rows)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _shown(value: float) -> str:
    return "-" if isnan(value) else f"{value:.4f}"


class BoxEvaluator:
    """Measures detections; it keeps a hundred bytes for each, at most a hundred detections of an image."""

    def __init__(self, classes: tuple[str, ...], loss: Callable[[NDArray[np.float32], NDArray[Any]], Any]) -> None:
        from runtime.tasks.detection.precision import Matches

        self._classes, self._loss = classes, loss
        self._matches = Matches(len(classes))
        self._losses: list[float] = []

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take the outputs, (N, points, classes + 4), and the targets of a batch, as `assignment.collated` has them."""
        from runtime.tasks.detection.assignment import truth_of
        from runtime.tasks.detection.network import detections

        self._losses += self._loss(outputs, targets).tolist()
        for each, rows in zip(outputs, targets, strict=True):
            truth = truth_of(rows)
            assert truth.frame is not None
            self._matches.update(detections(each, truth.frame), truth, truth.unit)

    def report(self) -> Report:
        """Return the report; a metric that is not defined is NaN.

        Raises:
            ValueError: there were no images.
        """
        from runtime.tasks.detection.precision import mean

        if not self._losses:
            raise ValueError("nothing to measure: no images")
        found = self._matches.averages()
        values = {
            "loss": fsum(self._losses) / len(self._losses),
            "ap": mean([each.ap["all"] for each in found]),
            "ap50": mean([each.ap50 for each in found]),
            "ap75": mean([each.ap75 for each in found]),
            **{f"ap_{size}": mean([each.ap[size] for each in found]) for size in _SIZES},
            "ar": mean([each.recall_limit for each in found]),
        }
        rows = tuple(_row(name, each) for name, each in zip(self._classes, found, strict=True))
        return Report(values, len(self._losses), rows)


def _row(name: str, each: ClassAverages) -> ClassRow:
    best = (each.threshold, each.f1, each.precision, each.recall)
    return ClassRow(name, each.objects, each.ap["all"], each.ap50, each.ap75, *best)
