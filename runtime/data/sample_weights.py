"""How much each image of a table counts in training: a column of weights, which its loss is multiplied by.

Weights are divided by their mean over the training images, so that a weight of 1 is the usual and the learning rate
keeps its meaning. What is measured is of images that count alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.data.listing import Columns, Listing, Sample
from runtime.data.problems import NoWeight, quoted
from runtime.data.sources.tables import is_number, raise_all


@dataclass(frozen=True, slots=True, eq=False)
class WeightedTargets:
    """The targets of a batch, collated, and a weight for each, float32 (N,)."""

    targets: npt.NDArray[Any]
    weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, places: Any) -> WeightedTargets:
        return WeightedTargets(self.targets[places], self.weights[places])


def with_weights(listing: Listing, columns: Columns, column: str) -> Listing:
    """Return a listing whose samples have the weights that a column of its table says.

    Raises:
        RecipeError: the column cannot be used; a cell is no number, or below 0.
    """
    cells = columns.cells(column)
    bad = [
        columns.fault(cell, f"{quoted(column)} is {quoted(cell.text)}, no weight", "write 0, or a number above it")
        for cell in cells.values()
        if not is_number(cell.text) or float(cell.text) < 0
    ]
    raise_all(bad)
    samples = tuple(replace(sample, weight=float(cells[sample.id].text)) for sample in listing.samples)
    return replace(listing, samples=samples)


def settled(sets: Mapping[str, Listing]) -> dict[str, Listing]:
    """Return sets of which only the training set has weights, and says so where it has.

    Raises:
        RecipeError: all weights of the training set are 0.
    """
    train = sets["train"]
    weights = [sample.weight for sample in train.samples]
    if weights and not any(weights):
        raise RecipeError(NoWeight(count=len(weights)))
    found = {name: _plain(listing) for name, listing in sets.items()}
    if all(weight == 1 for weight in weights):
        return {**found, "train": train}
    mean = sum(weights) / len(weights)
    zeros = f"; {counted(weights.count(0), 'image')} of weight 0" if 0 in weights else ""
    note = f"train: weights from {min(weights) / mean:.3g} to {max(weights) / mean:.3g} times their mean{zeros}"
    return {**found, "train": replace(train, notes=(*train.notes, note))}


def _plain(listing: Listing) -> Listing:
    """Return a listing whose samples count alike."""
    if all(sample.weight == 1 for sample in listing.samples):
        return listing
    return replace(listing, samples=tuple(replace(sample, weight=1.0) for sample in listing.samples))


def weight_scale(samples: Sequence[Sample]) -> float:
    """Return what makes the mean of the weights of samples 1."""
    total = sum(sample.weight for sample in samples)
    return len(samples) / total if total else 1.0


def weighted(targets: npt.NDArray[Any], weights: Sequence[float], scale: float) -> npt.NDArray[Any] | WeightedTargets:
    """Return the collated targets of a batch with the weights of its samples; as they are where all come to 1."""
    scaled = [scale * weight for weight in weights]
    return targets if all(each == 1 for each in scaled) else WeightedTargets(targets, np.array(scaled, np.float32))
