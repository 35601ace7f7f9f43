"""What regression does with arrays: targets as one, outputs as predictions, and as an exported model gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipe_lang.words import printable
from runtime.backend.mx import mx
from runtime.tasks.regression.metrics import units
from runtime.tasks.regression.targets import NumberFacts


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image's numbers by name, in the units of the data, or why it could not be read."""

    image: str
    values: tuple[tuple[str, float], ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without image and error."""
        return {"values": [{"name": name, "value": value} for name, value in self.values]}

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return its row of a CSV file, the cells between image and error; none where it could not be read."""
        return (tuple(f"{value:.6g}" for _, value in self.values),) if self.values else ()

    def text(self) -> str:
        """Return it in one line."""
        return "  ".join(f"{printable(name)} {value:.4g}" for name, value in self.values)


def standardized(targets: Sequence[Sequence[float]], facts: NumberFacts) -> NDArray[np.float64]:
    """Return targets in standard deviations from their mean: (N, k)."""
    found: NDArray[np.float64] = np.array(targets, np.float64) - np.array(facts.target_mean)
    found /= np.array(facts.target_std)
    return found


def predictions(outputs: Any, images: Sequence[str], facts: NumberFacts) -> list[Prediction]:
    """Return the numbers of images; `outputs` is an NDArray (batch, k), of which the first count."""
    values = units(outputs[: len(images)].asnumpy().astype(np.float64), facts)
    return [
        Prediction(image, tuple(zip(facts.targets, row, strict=True)))
        for image, row in zip(images, values.tolist(), strict=True)
    ]


def exported(symbol: Any, facts: NumberFacts) -> tuple[Any, Mapping[str, NDArray[np.float32]]]:
    """Return the symbol in the units of the data, and the arrays that it needs besides."""
    arrays = {name: np.array([getattr(facts, name)], np.float32) for name in ("target_std", "target_mean")}
    std, mean = (mx.sym.var(name, shape=values.shape, dtype="float32") for name, values in arrays.items())
    return mx.sym.broadcast_add(mx.sym.broadcast_mul(symbol, std), mean), arrays
