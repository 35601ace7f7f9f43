"""What classification does with arrays: labels as one array, class scores as predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.backend.mx import nd
from runtime.tasks.class_names import beside_number
from runtime.tasks.classification.targets import ClassFacts


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image's classes, the answer and then by falling probability, or why it could not be read."""

    image: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without image and error."""
        return {"classes": [{"name": name, "probability": share} for name, share in self.classes]}

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return its row of a CSV file, the cells between image and error; none where it could not be read."""
        return tuple((name, f"{share:.6f}") for name, share in self.classes[:1])

    def text(self) -> str:
        """Return it in one line."""
        return "  ".join(f"{beside_number(name)} {share:.3f}" for name, share in self.classes)


def predictions(outputs: Any, images: Sequence[str], facts: ClassFacts, top: int) -> list[Prediction]:
    """Return the most probable classes of images, the answer first where a threshold makes it another one.

    `outputs` are their scores, an NDArray (batch, C) before softmax.
    """
    if facts.temperature is not None:
        outputs = outputs / facts.temperature
    shares = nd.softmax(outputs)[: len(images)].asnumpy()
    return [
        Prediction(
            image, tuple((facts.names[place], float(share[place])) for place in by_answer(share, facts.threshold)[:top])
        )
        for image, share in zip(images, shares, strict=True)
    ]


def by_answer(shares: Any, threshold: float | None) -> Any:
    """Return the classes by falling probability; of two with a threshold the answer comes first."""
    if threshold is not None and len(shares) == 2:
        return [1, 0] if shares[1] >= threshold else [0, 1]
    return np.argsort(-shares, kind="stable")
