"""What a trained network says: of an image, as a graph that leaves ftr, and in the words of a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Prediction(Protocol):
    """What a network says of an image, or why it could not be read."""

    @property
    def image(self) -> str:
        """The image's path."""

    @property
    def error(self) -> str:
        """Why it could not be read; empty where it could."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without image and error."""

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return its rows of a CSV file, the cells between image and error; none where it could not be read."""

    def text(self) -> str:
        """Return it in one line."""


@dataclass(frozen=True, slots=True)
class CardWords:
    """What a model card says of a task: its name on the Hugging Face hub, metrics in the order of columns, sentences.

    `entries` are listed below `heading`, in the order of the outputs.
    """

    pipeline: str  # empty where the hub has no such task
    tag: str
    metrics: tuple[str, ...]
    headline: str  # the metric that the hub shows
    sentence: str
    warning: str
    heading: str
    entries: tuple[str, ...]
    data: str  # what `--data` of the example names


@dataclass(frozen=True, slots=True)
class PixelClasses:
    """Answers that are a class for each pixel: of scores (batch, classes, h, w), the best at the network's size."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Answers that are objects, the surest first: of points (batch, points, classes + 4), scores before the sigmoid.

    Of the `candidates` largest scores, none below `least`, a box is left out that overlaps a surer one of its class by
    more than `overlap`; of the first `kept` those are shown that reach the threshold of their class.
    """

    thresholds: tuple[float, ...]
    least: float
    candidates: int
    kept: int
    overlap: float


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What a network says as a symbol, the arrays that it needs besides the network's, and the name of the answers.

    `says` tells in words what the answers are, `form` what makes them of the symbol's output where that is more than
    operators of MXNet do.
    """

    name: str
    says: str
    symbol: Any
    arrays: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    form: PixelClasses | Objects | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two answers of one image are apart, on a scale where 1 is much, and whether they mean the same."""

    difference: float
    same: bool
