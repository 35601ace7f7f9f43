"""Measures images that are seen in tiles: what is found in those of one is merged and compared with its truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import fsum
from typing import TYPE_CHECKING, Any, cast

from runtime.tasks.evaluation import Evaluator, Report, WholeEvaluator
from runtime.tasks.protocol import Task, evaluator_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.data.listing import Sample, Tile
    from runtime.plan.types import Component, DataPlan, TargetFacts


def set_evaluator(
    task: Task, facts: TargetFacts, loss: Component, data: DataPlan, samples: Sequence[Sample]
) -> Evaluator:
    """Return what measures a network on samples that come in this order, be they images or tiles of them."""
    evaluator = evaluator_of(task, facts, loss)
    if data.tiles is None:
        return evaluator
    merge = partial(task.merged, data=data)
    return TileEvaluator(cast(WholeEvaluator, evaluator), merge, [cast("Tile", sample.image) for sample in samples])


class TileEvaluator:
    """Gives the task's evaluator whole images; it keeps the outputs of one image's tiles.

    `merge` makes of the outputs of an image's tiles what is found in the whole; `tiles` are all, in the order in which
    they come. The loss of an image is the mean of its tiles'.
    """

    def __init__(
        self,
        evaluator: WholeEvaluator,
        merge: Callable[[Sequence[NDArray[np.float32]], Sequence[Tile]], Any],
        tiles: Sequence[Tile],
    ) -> None:
        self._evaluator, self._merge, self._tiles = evaluator, merge, tiles
        self._outputs: list[NDArray[np.float32]] = []
        self._losses: list[float] = []
        self._done = 0

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take the outputs and the collated targets of a batch of tiles."""
        for each, loss in zip(outputs, self._evaluator.losses(outputs, targets).tolist(), strict=True):
            self._outputs.append(each.copy())  # not the whole batch
            self._losses.append(loss)
            whole = self._tiles[self._done].whole
            self._done += 1
            if self._done == len(self._tiles) or self._tiles[self._done].whole is not whole:
                self._finish()

    def _finish(self) -> None:
        tiles = self._tiles[self._done - len(self._outputs) : self._done]
        found, truth = self._merge(self._outputs, tiles), tiles[0].whole.target.moved(tiles[0].of, ())
        self._evaluator.add(found, truth, fsum(self._losses) / len(tiles))
        self._outputs, self._losses = [], []

    def report(self) -> Report:
        """Return the report on the whole images.

        Raises:
            ValueError: there were none.
        """
        return self._evaluator.report()

    def badness(self) -> Sequence[float]:
        """Return how bad each whole image is."""
        return self._evaluator.badness()
