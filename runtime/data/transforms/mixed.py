"""A batch after the steps of its augmentation that mix images: its pixels, and targets that are mixed alike.

A batch is mixed by one step at most: the first in the list whose draw falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.data.listing import Pixels
from runtime.data.sample_weights import WeightedTargets
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.plan.types import Component


@dataclass(frozen=True, slots=True, eq=False)
class MixedTargets:
    """The targets of mixed images: each is `targets` by a share, and `others` by what is left of one."""

    targets: npt.NDArray[Any] | WeightedTargets
    others: npt.NDArray[Any] | WeightedTargets
    share: float

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, places: Any) -> MixedTargets:
        return MixedTargets(self.targets[places], self.others[places], self.share)


def weights_of(targets: npt.NDArray[Any] | WeightedTargets | MixedTargets) -> npt.NDArray[np.float32] | None:
    """Return what each image of a batch counts, float32 (N,); None where all count alike."""
    if isinstance(targets, MixedTargets):
        one, other = weights_of(targets.targets), weights_of(targets.others)
        if one is None or other is None:
            return None
        return np.asarray(targets.share * one + (1 - targets.share) * other, np.float32)
    return targets.weights if isinstance(targets, WeightedTargets) else None


def mixes(steps: Sequence[Component]) -> bool:
    """Whether some steps mix images."""
    return any(TRANSFORMS[step.name].mix for step in steps)


def mixed(
    steps: Sequence[Component],
    images: Pixels,
    targets: npt.NDArray[Any] | WeightedTargets,
    rng: np.random.Generator | None,
) -> tuple[Pixels, npt.NDArray[Any] | WeightedTargets | MixedTargets]:
    """Return a batch after its steps, uint8 (N, H, W, 3) and its targets; without a generator it stays as it is."""
    for step in steps if rng is not None else ():
        mix = TRANSFORMS[step.name].mix
        if mix is not None and rng is not None and rng.random() < step.args["p"]:
            images, order, share = mix(step.args, images, rng)
            return images, MixedTargets(targets, targets[order], share)
    return images, targets
