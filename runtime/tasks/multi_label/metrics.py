"""How good labels are.

In go scores and true labels, batch by batch; out comes a `Report`: average precision ranks the images by the scores of
a label, everything else counts what is given from a label's threshold on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, isnan, nan
from typing import TYPE_CHECKING, Any

from recipe_lang.words import printable
from runtime.tasks.evaluation import Gathered, Table
from runtime.tasks.protocol import LOSS, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

USUAL = 0.5
"""The probability from which on a label is given, where neither the recipe nor validation says which."""

METRICS: Mapping[str, Metric] = {
    "loss": LOSS,
    "map": Metric(
        "Mean average precision: mean over the labels that occur of the area below precision by recall.",
        True,
        "mAP",
        example=">= 70%",
        short="mAP",
    ),
    "f1_micro": Metric(
        "F1 of all given labels together: each label of each image has equal weight.",
        True,
        "micro F1",
        example=">= 70%",
        short="F1",
        long="micro F1",
    ),
    "f1_macro": Metric(
        "Mean of the labels' F1: each label has equal weight; one that no image has, and none is given, has none.",
        True,
        "macro F1",
        example=">= 60%",
        short="macro",
        long="macro F1",
    ),
    "exact_match": Metric(
        "Fraction of images of which all labels are right: subset accuracy.",
        True,
        "exact match",
        example=">= 50%",
        short="exact",
    ),
}

_TABLE = 100  # labels of a table on the screen


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The quality of one label at its threshold: fractions 0 to 1, NaN where nothing was to divide by."""

    name: str
    images: int
    ap: float
    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Report:
    """All metrics of one evaluation, and a row for each label.

    `given` is the mean number of labels that are given to an image. `chosen` says whether the thresholds are the best
    on these very images.
    """

    values: Mapping[str, float]
    images: int
    labels: tuple[LabelRow, ...]
    given: float
    chosen: bool

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""
        return {"by_label": [{name: _plain(getattr(row, name)) for name in LabelRow.__slots__} for row in self.labels]}

    def as_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` has behind the values."""
        return {**self.in_result(), "labels_per_image": self.given}

    def tables(self) -> Iterator[str | Table]:
        """Yield a table of the labels, of very many the worst."""
        rows, title = self.labels, "by label"
        if len(rows) > _TABLE:
            rows = tuple(sorted((row for row in rows if row.images), key=lambda row: row.ap)[:_TABLE])
            title = f"the {len(rows)} worst of {len(self.labels):,} labels (--json has all)"
        where = "with the best F1 on these images" if self.chosen else "that `predict` goes by"
        cells = tuple(
            (printable(row.name), f"{row.images:,}", *(_shown(getattr(row, name)) for name in LabelRow.__slots__[2:]))
            for row in rows
        )
        columns = ("label", "images", "AP", "threshold", "precision", "recall", "F1")
        yield Table(f"{title}, at the threshold {where}", columns, cells)
        true = sum(row.images for row in self.labels) / self.images
        yield f"{self.given:.2f} labels are given to an image, and it has {true:.2f}"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _shown(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"


class LabelEvaluator:
    """Measures labels; of each image it keeps the scores, the labels and its loss.

    `thresholds` are the probabilities from which on a label is given; without, those with the best F1 on what is
    measured.
    """

    def __init__(
        self,
        labels: Sequence[str],
        loss: Callable[[NDArray[np.float32], NDArray[Any]], Any],
        thresholds: Sequence[float] = (),
    ) -> None:
        self._labels, self._thresholds = labels, thresholds
        self._gathered = Gathered(len(labels), loss)

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take scores before the sigmoid, (N, L) float32, and labels, (N, L) of 0 and 1.

        Raises:
            ValueError: the shapes do not fit.
        """
        self._gathered.take(outputs, targets)

    def badness(self) -> Sequence[float]:
        """Return the loss of each image."""
        return self._gathered.losses()

    def report(self) -> Report:
        """Return the report; a metric that is not defined is NaN.

        Raises:
            ValueError: there were no images.
        """
        import numpy as np

        scores, targets = self._gathered.arrays()
        true, losses = targets > 0.5, self._gathered.losses()
        shares = sigmoid(scores)
        limits = self._thresholds or [best_threshold(shares[:, n], true[:, n]) for n in range(len(self._labels))]
        given = shares >= np.array(limits)
        rows = tuple(
            _row(name, average_precision(scores[:, n], true[:, n]), limits[n], given[:, n], true[:, n])
            for n, name in enumerate(self._labels)
        )
        right, all_given, all_true = int((given & true).sum()), int(given.sum()), int(true.sum())
        values = {
            "loss": fsum(losses) / len(losses),
            "map": _mean([row.ap for row in rows]),
            "f1_micro": _share(2 * right, all_given + all_true),
            "f1_macro": _mean([row.f1 for row in rows]),
            "exact_match": float((given == true).all(axis=1).mean()),
        }
        return Report(values, len(losses), rows, all_given / len(losses), not self._thresholds)


def sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of scores, the same on every processor: NumPy's own exponentials differ."""
    import numpy as np

    flat = np.clip(scores, -700, 700).astype(np.float64).ravel().tolist()
    return np.fromiter((1 / (1 + exp(-each)) for each in flat), np.float64, len(flat)).reshape(scores.shape)


def average_precision(scores: NDArray[Any], true: NDArray[np.bool_]) -> float:
    """Return the sum over the scores, falling, of the gain in recall times precision; NaN without a true one.

    Images of the same score count together, as in scikit-learn's `average_precision_score`.
    """
    hits, given = _curve(scores, true)
    total = int(true.sum())
    if not total:
        return nan
    gains = [after - before for before, after in zip([0, *hits], hits, strict=False)]
    return fsum(gain / total * hit / count for gain, hit, count in zip(gains, hits, given, strict=True))


def best_threshold(shares: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Return the probability between two images from which on F1 is best, the largest such; `USUAL` without a true one.

    It lies in the middle between the last image that gets the label and the first that does not.
    """
    import numpy as np

    total = int(true.sum())
    if not total:
        return USUAL
    hits, given = _curve(shares, true)
    f1 = [2 * hit / (count + total) for hit, count in zip(hits, given, strict=True)]
    place = f1.index(max(f1))
    distinct = np.unique(shares)[::-1].tolist()
    last, following = distinct[place], distinct[place + 1] if place + 1 < len(distinct) else 0.0
    return float((last + following) / 2)


def _curve(scores: NDArray[Any], true: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Return for each distinct score, falling, how many images reach it and are true, and how many reach it."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits: list[int] = np.cumsum(true[order])[ends].tolist()
    return hits, (ends + 1).tolist()


def _row(name: str, ap: float, threshold: float, given: NDArray[np.bool_], true: NDArray[np.bool_]) -> LabelRow:
    right, shown, there = int((given & true).sum()), int(given.sum()), int(true.sum())
    return LabelRow(
        name,
        there,
        ap,
        threshold,
        precision=_share(right, shown),
        recall=_share(right, there),
        f1=_share(2 * right, shown + there),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else nan


def _mean(values: Sequence[float]) -> float:
    """Return the mean of what is defined; NaN where nothing is."""
    defined = [value for value in values if not isnan(value)]
    return fsum(defined) / len(defined) if defined else nan
