"""The losses of scores for each cell of an image: rows, and what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.data.class_weights import class_weights, weights_type
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.data.listing import Listing
    from runtime.plan.types import TargetFacts

_IGNORED = 255


def _pixel_cross_entropy(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the loss of each image, of (N, C, h, w) scores and (N, h, w) labels."""
    weights, dice = args.get("weights"), args.get("dice", 0.0)

    def loss(F: Any, scores: Any, labels: Any) -> Any:  # noqa: N803 - as Gluon calls it
        # With the classes last, and sums over cells as products, forward and backward take half the time.
        counts = F.reshape(labels < _IGNORED, (0, 1, -1))
        logs = F.log_softmax(F.reshape(F.transpose(scores, axes=(0, 2, 3, 1)), (0, -3, 0)), axis=-1)
        places = F.reshape(F.contrib.arange_like(logs, axis=2), (1, 1, -1))
        shown = F.broadcast_equal(F.reshape(labels, (0, -1, 1)), places)
        entropy = -_sums(F, counts, logs * shown)
        if weights is not None:
            entropy = F.broadcast_mul(entropy, F.concat(*(F.full((1, 1), each) for each in weights), dim=1))
        mean = F.sum(entropy, axis=1) / F.broadcast_maximum(F.sum(counts, axis=(1, 2)), F.ones((1,)))
        return mean + dice * _overlap(F, F.exp(logs), shown, counts) if dice else mean

    return loss


def _overlap(F: Any, shares: Any, shown: Any, counts: Any) -> Any:  # noqa: N803
    """Return one less the soft Dice coefficient, a mean over the classes that an image shows."""
    true = _sums(F, counts, shown)
    occurs = true > 0
    missed = (1 - 2 * _sums(F, counts, shares * shown) / (true + _sums(F, counts, shares) + 1e-6)) * occurs
    return F.sum(missed, axis=1) / F.broadcast_maximum(F.sum(occurs, axis=1), F.ones((1,)))


def _sums(F: Any, counts: Any, values: Any) -> Any:  # noqa: N803
    """Return sums over the cells that count, (N, C), of values, (N, cells, C)."""
    return F.reshape(F.batch_dot(counts, values), (0, -1))


def _measured(args: Mapping[str, Any], scores: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    weights, dice = args.get("weights"), args.get("dice", 0.0)
    counts = labels < _IGNORED
    known = np.where(counts, labels, 0).astype(np.int64)
    shifted = (scores - scores.max(axis=1, keepdims=True)).astype(np.float64)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    each = -np.take_along_axis(logs, known[:, None], axis=1)[:, 0] * counts
    if weights is not None:
        each = each * np.array(weights)[known]
    found: NDArray[np.float64] = each.sum(axis=(1, 2)) / np.maximum(counts.sum(axis=(1, 2)), 1)
    if dice:
        shares = np.exp(logs) * counts[:, None]
        shown = (known[:, None] == np.arange(scores.shape[1])[:, None, None]) & counts[:, None]
        true, both = shown.sum(axis=(2, 3)), (shares * shown).sum(axis=(2, 3))
        missed = (1 - 2 * both / (true + shares.sum(axis=(2, 3)) + 1e-6)) * (true > 0)
        found = found + dice * missed.sum(axis=1) / np.maximum((true > 0).sum(axis=1), 1)
    return found


def _known(args: Mapping[str, Any], facts: TargetFacts, train: Listing) -> TargetFacts:
    """Return the facts with the classes' shares of the pixels, where the weights follow from these."""
    from runtime.tasks.segmentation.targets import with_shares

    return with_shares(facts, train) if isinstance(args.get("weights"), str) else facts


def _settled(args: Mapping[str, Any], facts: TargetFacts) -> Mapping[str, Any]:
    """Return the arguments with the weights as numbers."""
    if args.get("weights") is None:
        return args
    return {**args, "weights": class_weights(args["weights"], facts.names, getattr(facts, "shares", ()))}


LOSSES = (
    Loss(
        Entry(
            "pixel_cross_entropy",
            "Cross entropy of the softmax of a cell's scores with the class in its middle, a mean over the cells.",
            (
                Arg(
                    "weights",
                    weights_type("pixels"),
                    "By what the loss of a class's pixels is multiplied: by how rare they are, by name, or in the order"
                    " of the classes.",
                    None,
                    since="0.2",
                ),
                Arg(
                    "dice",
                    Number(0, 1000),
                    "How much of the soft Dice loss is added, which heeds the overlap of whole areas.",
                    0.0,
                    since="0.2",
                ),
            ),
            source="Long et al., arXiv 1411.4038; weights as in Eigen and Fergus, arXiv 1411.4734; Dice: Milletari et"
            " al., arXiv 1606.04797",
            formula="p the softmax of a cell's scores, w the weight of its class; words choose weights that have a mean"
            " of 1 over the pixels of training\n"
            "loss = mean over cells of -w log p(class) + dice (1 - mean over classes of 2 sum p t / (sum p + sum t))\n"
            "t is 1 in the cells of a class and 0 elsewhere; classes that an image does not show do not count",
            examples=(
                "task = segmentation\nloss = pixel_cross_entropy",
                "task = segmentation\nloss = pixel_cross_entropy(weights = sqrt)",
                "task = segmentation\nloss = pixel_cross_entropy(weights = balanced, dice = 1)",
                "task = segmentation\nloss = pixel_cross_entropy(weights = [1, 3.5])",
                'task = segmentation\nloss = pixel_cross_entropy(weights = { "crack" = 3.5 })',
            ),
        ),
        _pixel_cross_entropy,
        _measured,
        known=_known,
        settled=_settled,
    ),
)
