"""What multi-label classification does with arrays: labels as one, scores as predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipe_lang.words import printable
from runtime.backend.mx import nd
from runtime.tasks.multi_label.targets import LabelFacts


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image's probability of each label, in the order of the outputs, or why it could not be read.

    `given` are the labels that reach their threshold, by falling probability.
    """

    image: str
    given: tuple[str, ...] = ()
    probabilities: tuple[tuple[str, float], ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without image and error."""
        return {"labels": list(self.given), "probabilities": dict(self.probabilities)}

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return its row of a CSV file, the cells between image and error; none where it could not be read."""
        if not self.probabilities:
            return ()
        return (("|".join(self.given), *(f"{share:.6f}" for _, share in self.probabilities)),)

    def lines(self) -> list[tuple[str, float]]:
        """Return the labels that are given, with their probabilities."""
        shares = dict(self.probabilities)
        return [(name, shares[name]) for name in self.given]

    def text(self) -> str:
        """Return it in one line; of an image without a label, also the likeliest."""
        if self.given or not self.probabilities:
            return "  ".join(f"{printable(name)} {share:.3f}" for name, share in self.lines())
        name, share = max(self.probabilities, key=lambda pair: pair[1])
        return f"no label (the likeliest: {printable(name)} {share:.3f})"


def collated(targets: Sequence[Sequence[int]], labels: int) -> NDArray[np.float32]:
    """Return labels as 1 where an image has them and 0 elsewhere: (N, L)."""
    found = np.zeros((len(targets), labels), np.float32)
    for row, target in zip(found, targets, strict=True):
        row[list(target)] = 1
    return found


def predictions(outputs: Any, images: Sequence[str], facts: LabelFacts) -> list[Prediction]:
    """Return the labels of images: `outputs` are their scores, an NDArray (batch, L) before the sigmoid."""
    shares = nd.sigmoid(outputs)[: len(images)].asnumpy().astype(np.float64)
    return [prediction(image, row, facts) for image, row in zip(images, shares.tolist(), strict=True)]


def prediction(image: str, shares: Sequence[float], facts: LabelFacts) -> Prediction:
    """Return the prediction of an image, of the probability of each label."""
    pairs = tuple(zip(facts.labels, shares, strict=True))
    given = [pair for pair, limit in zip(pairs, facts.shown, strict=True) if pair[1] >= limit]
    return Prediction(image, tuple(name for name, _ in sorted(given, key=lambda pair: -pair[1])), pairs)
