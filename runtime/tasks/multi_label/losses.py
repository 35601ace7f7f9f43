"""The losses of labels: rows, and what they compute. All are of each label on its own, a mean over the labels.

z is the score of an image that has the label, or minus it: sigmoid(z) is the probability of the truth. What training
computes and what measures agree, but for the smoothing of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from math import exp, log, log1p
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Either, Entry, NothingType, Number, Word
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.plan.types import TargetFacts

Args = Mapping[str, Any]
_LETTERS = "p the sigmoid of a score, t 1 where the image has the label and 0 elsewhere; a mean over the labels"
_LEAST = 1e-7


def _softplus(F: Any, scores: Any) -> Any:  # noqa: N803 - as Gluon calls it
    """Return log(1 + exp(score)), which is -log of the sigmoid of minus the score."""
    return F.Activation(scores, act_type="softrelu")


def _binary(args: Args) -> Callable[[Any, Any, Any], Any]:
    smoothing, weights = args["label_smoothing"], args["positive_weight"]

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803
        labels = (1 - smoothing) * labels + smoothing / 2
        having = labels * _softplus(F, -scores)
        if weights is not None:
            having = F.broadcast_mul(having, _row(F, weights))
        return F.mean(having + (1 - labels) * _softplus(F, scores), axis=1)

    return loss


def _row(F: Any, weights: Any) -> Any:  # noqa: N803
    """Return weights as a constant of shape (1, L), or (1, 1) of one for all labels."""
    each = weights if isinstance(weights, tuple) else (weights,)
    return F.concat(*(F.full((1, len(list(same))), number) for number, same in groupby(each)), dim=1)


def _focal(args: Args) -> Callable[[Any, Any, Any], Any]:
    gamma, alpha = args["gamma"], args["alpha"]

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803
        z = scores * (2 * labels - 1)
        each = F.exp(-gamma * _softplus(F, z)) * _softplus(F, -z)  # 1 - sigmoid(z) is exp(-softplus(z))
        if alpha is not None:
            each = each * (alpha * labels + (1 - alpha) * (1 - labels))
        return F.mean(each, axis=1)

    return loss


def _asymmetric(args: Args) -> Callable[[Any, Any, Any], Any]:
    positive, negative, margin = args["gamma_positive"], args["gamma_negative"], args["margin"]

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803
        having = F.exp(-positive * _softplus(F, scores)) * _softplus(F, -scores)
        if margin:
            shifted = F.clip(F.sigmoid(scores) - margin, _LEAST, 1)
            lacking = shifted**negative * -F.log(1 - shifted)
        else:
            lacking = F.exp(-negative * _softplus(F, -scores)) * _softplus(F, scores)
        return F.mean(labels * having + (1 - labels) * lacking, axis=1)

    return loss


def _log_share(z: float) -> float:
    """Return -log of the sigmoid."""
    return max(-z, 0.0) + log1p(exp(-abs(z)))


def _binary_of(args: Args, score: float, has: bool, weight: float) -> float:  # noqa: ARG001
    return weight * _log_share(score) if has else _log_share(-score)


def _focal_of(args: Args, score: float, has: bool, weight: float) -> float:  # noqa: ARG001
    z, alpha = score if has else -score, args["alpha"]
    balance = 1.0 if alpha is None else alpha if has else 1 - alpha
    return float(balance * exp(-args["gamma"] * _log_share(-z)) * _log_share(z))


def _asymmetric_of(args: Args, score: float, has: bool, weight: float) -> float:  # noqa: ARG001
    if has:
        return float(exp(-args["gamma_positive"] * _log_share(-score)) * _log_share(score))
    if not args["margin"]:
        return float(exp(-args["gamma_negative"] * _log_share(score)) * _log_share(-score))
    shifted = min(max(exp(-_log_share(score)) - args["margin"], _LEAST), 1.0)
    return float(shifted ** args["gamma_negative"] * -log(1 - shifted))


def _measured(each: Callable[[Args, float, bool, float], float]) -> Callable[..., NDArray[np.float64]]:
    """Return what measures a loss, given its value for each label: plain floats are the same on every processor."""

    def measure(args: Args, scores: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
        import numpy as np

        count = scores.shape[1]
        weights = args.get("positive_weight") or 1.0
        row = weights if isinstance(weights, tuple) else (weights,) * count
        pairs = zip(scores.tolist(), (labels > 0.5).tolist(), strict=True)
        return np.fromiter((sum(map(each, (args,) * count, *pair, row)) / count for pair in pairs), np.float64)

    return measure


def _settled(args: Args, facts: TargetFacts) -> Args:
    """Return the arguments with the weights of the labels as numbers."""
    if not isinstance(args["positive_weight"], str):
        return args
    images: Mapping[str, tuple[int, ...]] = getattr(facts, "images", {})
    total = facts.counts["train"][0]
    power = {"balanced": 1.0, "sqrt": 0.5}[args["positive_weight"]]
    return {**args, "positive_weight": tuple(((total - count) / count) ** power for count in images["train"])}


LOSSES = (
    Loss(
        Entry(
            "binary_cross_entropy",
            "Cross entropy of the sigmoid of each label's score.",
            (
                Arg(
                    "label_smoothing",
                    Number(0, 1, below=True),
                    "How far targets lie from 0 and 1: half of it.",
                    0.0,
                ),
                Arg(
                    "positive_weight",
                    Either(
                        (
                            NothingType(),
                            Word(
                                {
                                    "balanced": "Training images without the label for each that has it.",
                                    "sqrt": "The square root of that.",
                                }
                            ),
                            Number(0, 1e6, above=True),
                        )
                    ),
                    "By what the loss of a label is multiplied where an image has it.",
                    None,
                ),
            ),
            source="gluon.loss.SigmoidBCELoss; `positive_weight`: PyTorch's BCEWithLogitsLoss(pos_weight)",
            formula=f"{_LETTERS}\nw the positive weight, e the label smoothing\n"
            "loss = -w q log p - (1 - q) log(1 - p)\nq = (1 - e) t + e / 2",
            examples=(
                "task = multi_label\nloss = binary_cross_entropy",
                "task = multi_label\nloss = binary_cross_entropy(positive_weight = sqrt)",
                "task = multi_label\nloss = binary_cross_entropy(label_smoothing = 0.1, positive_weight = 2)",
            ),
        ),
        _binary,
        _measured(_binary_of),
        settled=_settled,
        unmeasured=("label_smoothing",),
    ),
    Loss(
        Entry(
            "binary_focal",
            "Binary cross entropy in which labels count less the surer the network is of them.",
            (
                Arg("gamma", Number(0, 100), "How much less: 0 is binary cross entropy.", 2.0),
                Arg(
                    "alpha",
                    Either((NothingType(), Number(0, 1))),
                    "The weight where an image has the label, and 1 less it elsewhere; none for 1 in both places.",
                    0.25,
                ),
            ),
            source="Lin et al., arXiv 1708.02002; torchvision's sigmoid_focal_loss",
            formula=f"{_LETTERS}\nu the probability of the truth: p where t is 1, else 1 - p\n"
            "loss = -(alpha t + (1 - alpha) (1 - t)) (1 - u) ** gamma log u",
            examples=(
                "task = multi_label\nloss = binary_focal",
                "task = multi_label\nloss = binary_focal(gamma = 1.5, alpha = none)",
            ),
        ),
        _focal,
        _measured(_focal_of),
    ),
    Loss(
        Entry(
            "asymmetric",
            "A focal loss that lets go of absent labels sooner than of present ones, and of the easiest altogether.",
            (
                Arg("gamma_negative", Number(0, 100), "How much less a sure absent label counts.", 4.0),
                Arg("gamma_positive", Number(0, 100), "How much less a sure present label counts.", 1.0),
                Arg(
                    "margin",
                    Number(0, 1, below=True),
                    "Probability below which an absent label counts for nothing.",
                    0.05,
                ),
            ),
            source="Ridnik et al., arXiv 2009.14119",
            formula=f"{_LETTERS}\nm = max(p - margin, 0)\n"
            "loss = -t (1 - p) ** gamma_positive log p - (1 - t) m ** gamma_negative log(1 - m)",
            examples=(
                "task = multi_label\nloss = asymmetric",
                "task = multi_label\nloss = asymmetric(gamma_negative = 2, gamma_positive = 0, margin = 0)",
            ),
        ),
        _asymmetric,
        _measured(_asymmetric_of),
    ),
)
