"""How good masks are.

In go scores of cells and true classes of pixels, batch by batch; out comes a `Report`. The scores are enlarged to the
size of the truth, bilinear between the middles of cells, before the best is taken. All metrics but the boundary F1 come
from one matrix of counts over the set: a class that neither occurs nor is predicted has no IoU, and pixels to be
ignored count nowhere. The boundary F1 is a mean over images (`boundaries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isnan, nan
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.tasks.confusion import MOST, counts_of, frequent_table, matrix_table
from runtime.tasks.evaluation import Table
from runtime.tasks.protocol import LOSS, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRICS: Mapping[str, Metric] = {
    "loss": LOSS,
    "miou": Metric(
        "Mean over the classes of intersection over union of predicted and true pixels, over the whole set.",
        True,
        "mean IoU",
        short="miou",
        example=">= 70%",
    ),
    "pixel_accuracy": Metric("Fraction of the pixels whose class is right.", True, "pixel accuracy", short="acc"),
    "mean_recall": Metric(
        "Mean over the classes of the fraction of a class's pixels that are found.", True, "mean recall", short="rec"
    ),
    "dice": Metric("Mean over the classes of the Dice coefficient, the F1 of a class's pixels.", True, "mean Dice"),
    "boundary_f1": Metric(
        "Mean over the classes of the boundary F1, a mean over images: outlines within 0.75% of the diagonal are right"
        " (Csurka et al., BMVC 2013).",
        True,
        "boundary F1",
        short="bf1",
    ),
}


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The quality of one class; `share` is its fraction of the true pixels."""

    name: str
    iou: float
    dice: float
    precision: float
    recall: float
    boundary_f1: float
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """All metrics of one evaluation, and a row for each class.

    `confusion` counts pixels of a class (rows) that are taken for one (columns).
    """

    values: Mapping[str, float]
    images: int
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""
        return {"by_class": [{name: getattr(row, name) for name in ClassRow.__slots__} for row in self.classes]}

    def as_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` has behind the values; rows of `confusion` are true, columns predicted."""
        names = [row.name for row in self.classes]
        return {**self.in_result(), "confusion": {"names": names, "matrix": self.confusion}}

    def tables(self) -> Iterator[str | Table]:
        """Yield the table of classes, and what was taken for what."""
        columns = ("iou", "dice", "precision", "recall", "boundary_f1", "share")
        rows = tuple((printable(row.name), *(_shown(getattr(row, name)) for name in columns)) for row in self.classes)
        yield Table("by class", ("class", "IoU", "Dice", "precision", "recall", "boundary F1", "of the pixels"), rows)
        names = [printable(row.name) for row in self.classes]
        if len(names) > MOST:
            yield frequent_table(names, counts_of(self.confusion), ("true", "predicted", "pixels"))
            return
        yield "confusion matrix: rows are true, columns predicted, as shares of a row's pixels"
        yield matrix_table(names, self.confusion, lambda count, all_of_row: f"{count / all_of_row:.3f}")


def _shown(value: float) -> str:
    return "-" if isnan(value) else f"{value:.4f}"


class MaskEvaluator:
    """Measures masks; it keeps a matrix of counts, and one loss for each image."""

    def __init__(self, classes: tuple[str, ...], loss: Callable[[NDArray[np.float32], NDArray[Any]], Any]) -> None:
        self._classes, self._loss = classes, loss
        self._counts: Any = 0
        self._fits: Any = 0  # for each class the sum of its boundary F1, and of how many images
        self._losses: list[float] = []

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take the scores, (N, C, h, w), and the true classes of a batch: uint8 (N, H, W), or N arrays (H, W)."""
        from runtime.tasks.segmentation.network import best_classes

        losses = self.losses(outputs, targets).tolist()
        for scores, truth, loss in zip(outputs, targets, losses, strict=True):
            self.add(best_classes(scores, truth.shape), truth, loss)

    def losses(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return the loss of each image of a batch."""
        import numpy as np

        from runtime.tasks.segmentation.network import at_cells

        cells = np.stack([at_cells(each[None], outputs.shape)[0] for each in targets])
        found: NDArray[np.float64] = self._loss(outputs, cells)
        return found

    def add(self, found: NDArray[np.uint8], truth: NDArray[np.uint8], loss: float) -> None:
        """Take the class of each pixel of an image, the true ones, and its loss."""
        import numpy as np

        from runtime.tasks.segmentation.boundaries import boundary_f1

        self._losses.append(loss)
        count = len(self._classes)
        known = truth < count
        pairs = truth[known].astype(np.int64) * count + found[known]
        self._counts = self._counts + np.bincount(pairs, minlength=count * count).reshape(count, count)
        fits = boundary_f1(truth, found, count)
        self._fits = self._fits + np.stack([np.nan_to_num(fits), ~np.isnan(fits)])

    def badness(self) -> Sequence[float]:
        """Return the loss of each image."""
        return self._losses

    def report(self) -> Report:
        """Return the report; a metric that is not defined is NaN.

        Raises:
            ValueError: there were no images.
        """
        if not self._losses:
            raise ValueError("nothing to measure: no images")
        counts, fits = self._counts.tolist(), self._fits.tolist()
        total = sum(map(sum, counts))
        rows = []
        for index, name in enumerate(self._classes):
            right, true, predicted = counts[index][index], sum(counts[index]), sum(row[index] for row in counts)
            rows.append(
                ClassRow(
                    name,
                    iou=_ratio(right, true + predicted - right),
                    dice=_ratio(2 * right, true + predicted),
                    precision=_ratio(right, predicted),
                    recall=_ratio(right, true),
                    boundary_f1=_ratio(fits[0][index], fits[1][index]),
                    share=_ratio(true, total),
                )
            )
        values = {
            "loss": fsum(self._losses) / len(self._losses),
            "miou": _mean(row.iou for row in rows),
            "pixel_accuracy": _ratio(sum(counts[index][index] for index in range(len(rows))), total),
            "mean_recall": _mean(row.recall for row in rows),
            "dice": _mean(row.dice for row in rows),
            "boundary_f1": _mean(row.boundary_f1 for row in rows),
        }
        return Report(values, len(self._losses), tuple(rows), tuple(map(tuple, counts)))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _mean(values: Iterator[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return fsum(known) / len(known) if known else nan
