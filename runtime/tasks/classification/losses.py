"""The losses of class scores: rows, and what they compute."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def cross_entropy(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the cross entropy of each image, of (N, C) scores and (N,) labels.

    With smoothing e the target is 1 - e on the class plus e / C everywhere (arXiv 1512.00567).
    """
    smoothing = args["label_smoothing"]

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803 - as Gluon calls it
        log_share = F.log_softmax(scores, axis=-1)
        each = -F.pick(log_share, labels, axis=-1)
        if smoothing:
            each = (1 - smoothing) * each - smoothing * F.mean(log_share, axis=-1)
        return each

    return loss


def measured_cross_entropy(
    args: Mapping[str, Any], scores: NDArray[np.float32], labels: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the cross entropy of each image, without smoothing: float64 (N,)."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # infinite scores: the loss is no number, which ends the run
        shifted = scores - scores.max(axis=1, keepdims=True)
    true = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
    total = np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    logs = np.fromiter(map(math.log, total), np.float64, len(total))  # NumPy's own differs between processors
    found: NDArray[np.float64] = logs - true
    return found


LOSSES = (
    Loss(
        Entry(
            "cross_entropy",
            "Cross entropy of the softmax of the scores.",
            (
                Arg(
                    "label_smoothing",
                    Number(0, 1, below=True),
                    "Fraction of the target that is spread evenly over all classes.",
                    0.0,
                ),
            ),
            source="label smoothing: Szegedy et al., arXiv 1512.00567",
            formula="p the softmax of the scores, C the number of classes, e the label smoothing\n"
            "loss = -sum over classes of q log p\nq = 1 - e + e / C for the true class, e / C for the others",
            examples=("loss = cross_entropy(label_smoothing = 0.1)",),
        ),
        cross_entropy,
        measured_cross_entropy,
    ),
)
