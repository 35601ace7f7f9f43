"""What classification does with arrays: labels as one array, class scores as predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.backend.mx import nd
from runtime.tasks.class_names import beside_number


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image's classes by falling probability, or why it could not be read."""

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


def predictions(outputs: Any, images: Sequence[str], classes: Sequence[str], top: int) -> list[Prediction]:
    """Return the most probable classes of images: `outputs` are their scores, an NDArray (batch, C) before softmax."""
    shares = nd.softmax(outputs)[: len(images)].asnumpy()
    orders = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    return [
        Prediction(image, tuple((classes[index], float(share[index])) for index in order))
        for image, share, order in zip(images, shares, orders, strict=True)
    ]
