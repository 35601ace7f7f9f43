"""The losses of scores for each cell of an image: rows, and what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Entry
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IGNORED = 255


def _cross_entropy(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:  # noqa: ARG001
    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803 - as Gluon calls it
        counts = labels < _IGNORED
        each = -F.pick(F.log_softmax(scores, axis=1), labels * counts, axis=1) * counts
        return F.sum(each, axis=(1, 2)) / F.broadcast_maximum(F.sum(counts, axis=(1, 2)), F.ones((1,)))

    return loss


def _measured(args: Mapping[str, Any], scores: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:  # noqa: ARG001
    import numpy as np

    counts = labels < _IGNORED
    shifted = (scores - scores.max(axis=1, keepdims=True)).astype(np.float64)
    true = np.take_along_axis(shifted, np.where(counts, labels, 0)[:, None].astype(np.int64), axis=1)[:, 0]
    each = (np.log(np.exp(shifted).sum(axis=1)) - true) * counts
    found: NDArray[np.float64] = each.sum(axis=(1, 2)) / np.maximum(counts.sum(axis=(1, 2)), 1)
    return found


LOSSES = (
    Loss(
        Entry(
            "pixel_cross_entropy",
            "Cross entropy of the softmax of a cell's scores with the class in its middle, a mean over the cells.",
            source="Long et al., arXiv 1411.4038",
            examples=("task = segmentation\nloss = pixel_cross_entropy",),
        ),
        _cross_entropy,
        _measured,
    ),
)
