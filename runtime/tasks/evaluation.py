"""What an evaluation gives: a report with its tables, and what measures a network batch by batch to make one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table; `style` is how it is emphasized: `""`, `"good"` or `"faint"`."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report. Columns in `left` are aligned to the left, the others to the right.

    In a square one, rows and columns have the same names: where those above the columns do not fit they are shortened,
    and where that leaves nothing of them they are numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    left: tuple[int, ...] = (0,)
    square: bool = False


class Report(Protocol):
    """All metrics of one evaluation, and its tables."""

    @property
    def values(self) -> Mapping[str, float]:
        """Each of the task's metrics by name."""

    @property
    def images(self) -> int:
        """How many images were measured."""

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of it behind the values."""

    def as_json(self) -> dict[str, Any]:
        """Return what `evaluate --json` has behind the values."""

    def tables(self) -> Iterator[str | Table]:
        """Yield what is shown below the line of metrics: sentences and tables."""


class Evaluator(Protocol):
    """Measures a network batch by batch; its memory grows with the images by a few numbers each."""

    def update(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take the outputs and the collated targets of a batch, (N, …) both."""

    def report(self) -> Report:
        """Return the report on all batches.

        Raises:
            ValueError: there were none.
        """

    def badness(self) -> Sequence[float]:
        """Return how bad each image is, in the order in which they came: the larger the worse."""


class WholeEvaluator(Evaluator, Protocol):
    """An evaluator that takes images which were seen in tiles, too."""

    def losses(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return the loss of each image of a batch."""

    def add(self, found: Any, truth: Any, loss: float) -> None:
        """Take what is found in an image and its truth, both in its own pixels, and its loss."""


class AnswersEvaluator(Evaluator, Protocol):
    """An evaluator of answers that are plainly right or wrong."""

    def correct(self) -> Sequence[bool]:
        """Return which images were answered right, in the order in which they came."""


class ViewsEvaluator(Evaluator, Protocol):
    """An evaluator that takes images which were seen in several views, too."""

    def update_views(self, outputs: Sequence[NDArray[np.float32]], targets: NDArray[Any]) -> None:
        """Take the outputs of a batch in each view."""


class Gathered:
    """What is kept of images with `width` outputs and as many targets: both, and the loss of each image."""

    def __init__(self, width: int, loss: Callable[[NDArray[np.float32], NDArray[Any]], Any]) -> None:
        self._width, self._loss = width, loss
        self._batches: list[tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float64]]] = []

    def take(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> None:
        """Take the outputs and the targets of a batch, (N, width) both.

        Raises:
            ValueError: the shapes do not fit.
        """
        if outputs.shape != targets.shape or outputs.shape[1:] != (self._width,) or not len(outputs):
            raise ValueError(f"outputs {outputs.shape} and targets {targets.shape} do not fit {self._width} columns")
        self._batches.append((outputs, targets, self._loss(outputs, targets)))

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return all outputs and all targets.

        Raises:
            ValueError: there were no images.
        """
        import numpy as np

        if not self._batches:
            raise ValueError("nothing to measure: no images")
        outputs, targets, _ = zip(*self._batches, strict=True)
        return np.concatenate(outputs), np.concatenate(targets)

    def losses(self) -> list[float]:
        """Return the loss of each image."""
        return [loss for *_, losses in self._batches for loss in losses.tolist()]
