"""What validation decides for a classifier: the temperature of its scores, the probability that suffices for a class.

In go scores and labels of validation; out come plain numbers, which the facts of a run keep and all that answers uses.
How well probabilities are calibrated is measured here as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BINS = 15
_NONE = 1e-30  # the least probability that has a logarithm here
_LEAST, _MOST = 0.05, 20.0  # of a temperature
_HALVINGS = 40


def fitted_temperature(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the temperature with the least cross entropy of scores (N, C) / temperature, of 0.05 to 20.

    The cross entropy is convex in 1 / temperature: where its slope changes its sign is found by halving. Where all
    images are right it falls for ever, and says nothing of the probabilities of others: the temperature is then 1.
    """
    import numpy as np

    if (scores.argmax(axis=1) == labels).all():
        return 1.0
    wide = scores.astype(np.float64)
    true = np.take_along_axis(wide, labels[:, None], axis=1)[:, 0].sum()

    def falls(inverse: float) -> bool:
        powers = np.exp(inverse * (wide - wide.max(axis=1, keepdims=True)))
        return bool(((powers * wide).sum(axis=1) / powers.sum(axis=1)).sum() < true)

    low, high = math.log(1 / _MOST), math.log(1 / _LEAST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(math.exp(middle)) else (low, middle)
    return float(f"{math.exp(-(low + high) / 2):.6g}")


def probabilities(odds: Sequence[float]) -> list[float]:
    """Return the probability of the second of two classes, of its score less that of the first."""
    return [1 / (1 + math.exp(-each)) if each > -700 else 0.0 for each in odds]


def best_threshold(chances: Sequence[float], labels: Sequence[int], metric: str) -> float:
    """Return the probability from which on the second class is best answered, by a metric; of equal ones near 0.5.

    Between two probabilities that occur it is their middle.
    """
    measure = THRESHOLD_METRICS[metric]
    pairs = sorted((chance, label) for chance, label in zip(chances, labels, strict=True) if not math.isnan(chance))
    right, wrong = sum(label for _, label in pairs), sum(1 - label for _, label in pairs)  # of answers `second`
    missed, spared = 0, 0
    found = [(measure(right, wrong, missed, spared), -0.5, 0.0)]
    for place, (chance, label) in enumerate(pairs):
        right, missed = right - label, missed + label
        wrong, spared = wrong - (1 - label), spared + (1 - label)
        after = pairs[place + 1][0] if place + 1 < len(pairs) else 1.0
        if after > chance:
            middle = (chance + after) / 2
            found.append((measure(right, wrong, missed, spared), -abs(middle - 0.5), middle))
    return max(found)[2] if pairs else 0.5


def _f1(right: int, wrong: int, missed: int, spared: int) -> float:
    shares = [_share(2 * part, 2 * part + wrong + missed) for part in (right, spared)]
    occurring = [share for share in shares if share is not None]
    return sum(occurring) / max(1, len(occurring))


def _balanced(right: int, wrong: int, missed: int, spared: int) -> float:
    shares = (_share(right, right + missed), _share(spared, spared + wrong))
    occurring = [share for share in shares if share is not None]
    return sum(occurring) / max(1, len(occurring))


def _accuracy(right: int, wrong: int, missed: int, spared: int) -> float:
    return (right + spared) / max(1, right + wrong + missed + spared)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


THRESHOLD_METRICS: Mapping[str, Callable[[int, int, int, int], float]] = {
    "f1": _f1,
    "balanced_accuracy": _balanced,
    "accuracy": _accuracy,
}
"""What a threshold can be chosen by, of how many of the second class are found, wrongly found, missed and rightly not:
the same numbers as those of the report."""


def mean_scores(views: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return scores (N, C) whose softmax is the mean of that of several."""
    import numpy as np

    shares = np.zeros(views[0].shape, np.float64)
    for scores in views:
        powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
        shares += powers / powers.sum(axis=1, keepdims=True)
    found: NDArray[np.float32] = np.log(np.maximum(shares / len(views), _NONE)).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one probability: their mean probability, the fraction that is right, and how many they are."""

    confidence: float
    accuracy: float
    count: int


def bins(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Return the answers by their probability, in bins of equal width that include their upper end; none empty.

    What is no number, of a network that diverged, counts as sure.
    """
    import numpy as np

    confidences = np.nan_to_num(confidences, nan=1.0)
    places = np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    sums = [np.bincount(places, weights, minlength=BINS) for weights in (confidences, right)]
    rows = zip(*sums, counts, strict=True)
    return tuple(Bin(float(each / n), float(hits / n), int(n)) for each, hits, n in rows if n)


def calibration_error(found: Sequence[Bin]) -> float:
    """Return the expected calibration error: how far accuracy and probability are apart, a mean over the answers."""
    total = sum(each.count for each in found)
    return sum(each.count * abs(each.accuracy - each.confidence) for each in found) / total


def decided(valid: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the threshold and the temperature that the part `valid` of a result has."""
    return _within(valid.get("threshold"), 0.0, 1.0), _within(valid.get("temperature"), _LEAST / 2, _MOST * 2)


def _within(value: Any, low: float, high: float) -> float | None:
    return value if type(value) is float and low <= value <= high else None
