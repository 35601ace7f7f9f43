"""The losses of class scores: rows, and what they compute."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.data.class_weights import class_weights, weights_type
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.data.listing import Listing
    from runtime.plan.types import TargetFacts


def cross_entropy(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the cross entropy of each image, of (N, C) scores and (N,) labels.

    With smoothing e the target is 1 - e on the class plus e / C everywhere (arXiv 1512.00567). Each term has the weight
    of its class, as in PyTorch; the loss of a batch is the mean over its images all the same.
    """
    smoothing, weights = args.get("label_smoothing", 0.0), args.get("weights")

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803 - as Gluon calls it
        log_share = F.log_softmax(scores, axis=-1)
        if weights is not None:
            log_share = F.broadcast_mul(log_share, _row(F, weights))
        each = -F.pick(log_share, labels, axis=-1)
        if smoothing:
            each = (1 - smoothing) * each - smoothing * F.mean(log_share, axis=-1)
        return each

    return loss


def _focal(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the focal loss of each image, of (N, C) scores and (N,) labels."""
    gamma, weights = args["gamma"], args.get("weights")

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803
        log_share = F.pick(F.log_softmax(scores, axis=-1), labels, axis=-1)
        missed = F.broadcast_maximum(1 - F.exp(log_share), F.full((1,), _LEAST))  # 0 to a power has no gradient
        each = -(missed**gamma) * log_share
        if weights is None:
            return each
        return each * F.pick(F.broadcast_mul(F.ones_like(scores), _row(F, weights)), labels, axis=-1)

    return loss


def _logit_adjusted(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the cross entropy of scores to which the logarithm of the classes' shares is added."""
    plain, shift = cross_entropy({}), _shift(args)

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803
        return plain(F, F.broadcast_add(scores, _row(F, shift)), labels)

    return loss


_LEAST = 1e-7
_RAREST = 1e-9  # the share of a class that is kept without images


def _row(F: Any, numbers: tuple[float, ...]) -> Any:  # noqa: N803
    """Return a constant of shape (1, C)."""
    return F.concat(*(F.full((1, len(list(same))), number) for number, same in groupby(numbers)), dim=1)


def _shift(args: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(args["tau"] * math.log(max(share, _RAREST)) for share in args["shares"])


def measured_cross_entropy(
    args: Mapping[str, Any], scores: NDArray[np.float32], labels: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the cross entropy of each image, without smoothing: float64 (N,)."""
    return _weighted(args, _surprise(scores, labels), labels)


def _measured_focal(args: Mapping[str, Any], scores: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    surprise = _surprise(scores, labels)
    missed = (max(0.0, -math.expm1(-each)) ** args["gamma"] if each == each else each for each in surprise.tolist())
    return _weighted(args, np.fromiter(missed, np.float64, len(surprise)) * surprise, labels)


def _measured_adjusted(
    args: Mapping[str, Any], scores: NDArray[np.float32], labels: NDArray[Any]
) -> NDArray[np.float64]:
    import numpy as np

    return _surprise(scores + np.array(_shift(args), np.float32), labels)


def _surprise(scores: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return minus the logarithm of the true class's probability, float64 (N,)."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # infinite scores: the loss is no number, which ends the run
        shifted = scores - scores.max(axis=1, keepdims=True)
    true = np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]
    total = np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64)
    logs = np.fromiter(map(math.log, total), np.float64, len(total))  # NumPy's own differs between processors
    found: NDArray[np.float64] = logs - true
    return found


def _weighted(args: Mapping[str, Any], losses: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    weights = args.get("weights")
    return losses if weights is None else losses * np.array(weights)[labels]


def _known(args: Mapping[str, Any], facts: TargetFacts, train: Listing) -> TargetFacts:  # noqa: ARG001
    """Return the facts with the classes' shares of the images, where the loss follows from these."""
    from runtime.tasks.classification.targets import with_shares

    return with_shares(facts) if isinstance(args.get("weights"), str) or "tau" in args else facts


def _settled(args: Mapping[str, Any], facts: TargetFacts) -> Mapping[str, Any]:
    """Return the arguments with numbers in place of what the classes decide."""
    shares = getattr(facts, "shares", None) or ()
    if "tau" in args:
        return {**args, "shares": shares}
    if args.get("weights") is None:
        return args
    return {**args, "weights": class_weights(args["weights"], facts.names, shares)}


_WEIGHTS = Arg(
    "weights",
    weights_type("images"),
    "By what the loss of a class's images is multiplied: by how rare they are, by name, or in the order of the"
    " classes.",
    None,
    since="0.2",
)

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
                _WEIGHTS,
            ),
            source="label smoothing: Szegedy et al., arXiv 1512.00567; `balanced`: scikit-learn's compute_class_weight",
            formula="p the softmax of the scores, C the number of classes, e the label smoothing, w the weight of a"
            " class; words choose weights that have a mean of 1 over the training images\n"
            "loss = -sum over classes of w q log p\nq = 1 - e + e / C for the true class, e / C for the others",
            examples=(
                "loss = cross_entropy(label_smoothing = 0.1)",
                "loss = cross_entropy(weights = balanced)",
                'loss = cross_entropy(weights = { "rose" = 3 })',
            ),
        ),
        cross_entropy,
        measured_cross_entropy,
        known=_known,
        settled=_settled,
        unmeasured=("label_smoothing",),
    ),
    Loss(
        Entry(
            "focal",
            "Cross entropy in which images count less the surer the network is of their class.",
            (Arg("gamma", Number(0, 100), "How much less: 0 is cross entropy.", 2.0), _WEIGHTS),
            source="Lin et al., arXiv 1708.02002; of two classes it is torchvision's sigmoid_focal_loss, `weights` its"
            " alpha",
            formula="p the probability of the true class, w its weight\nloss = -w (1 - p) ** gamma log p",
            examples=("loss = focal", 'loss = focal(gamma = 1.5, weights = { "rose" = 0.25, "tulip" = 0.75 })'),
        ),
        _focal,
        _measured_focal,
        known=_known,
        settled=_settled,
    ),
    Loss(
        Entry(
            "logit_adjusted",
            "Cross entropy of scores to which the logarithm of the classes' shares is added: a rare class has to win by"
            " more in training, so that what predicts, without it, weighs the classes alike.",
            (Arg("tau", Number(0, 10), "By what the logarithm is multiplied: 0 is cross entropy.", 1.0),),
            source="Menon et al., arXiv 2007.07314",
            formula="f the scores, s a class's share of the training images, y the true class\n"
            "loss = -log softmax(f + tau log s)[y]",
            examples=("loss = logit_adjusted", "loss = logit_adjusted(tau = 0.5)"),
        ),
        _logit_adjusted,
        _measured_adjusted,
        known=_known,
        settled=_settled,
    ),
)
