"""The last layer of a head as a nearest-mean classifier: what `init = class_means` puts into it before the first step.

In go the features that the layer takes of the training images, as they are prepared and without augmentation, in one
pass; out come weights that are set. With `dense` the score of a class is minus the squared distance of the features
from the class's mean (Mensink et al. 2013; Snell et al., arXiv 1703.05175, equation 8), with `cosine_classifier` the
cosine with the mean of its images' directions (weight imprinting: Qi et al., arXiv 1712.07136).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.backend.joined import one_by_one
from runtime.backend.mx import array
from runtime.models.heads import starts_from_means
from runtime.models.network import frozen_units
from runtime.models.run_weights import known_rows

if TYPE_CHECKING:
    from runtime.training.stage import Session, StageNet

Array = np.ndarray[Any, Any]
_SCALE = 10.0  # that of `cosine_classifier`: of features of length 1 both give the same differences of scores


def class_means(session: Session, net: StageNet) -> Iterator[tuple[int, int]]:
    """Set the weights of the last layer; yield how many images are done, and of how many.

    Nothing is done where the head does not start from class means. Of a head that is extended the rows of new classes
    are set alone.
    """
    plan = session.plan
    if not starts_from_means(plan.base, plan.head[-1]):
        return
    inputs, samples = net.inputs.each, session.sets.samples["train"]
    if inputs.prefix.keeps:
        yield from inputs.fill("train", samples, plan.data.prepare, [()] * len(samples))
    last = {name.rpartition(".")[2]: parameter for name, parameter in _of_last_layer(session).items()}
    turn = _units if plan.head[-1].name == "cosine_classifier" else np.asarray
    means, squares = _means(session, net, turn, len(last["weight"].data()))
    if "scale" in last:
        _imprint(last["weight"], means, known_rows(plan.base))
    else:
        _set(last["weight"], _SCALE / squares * means)
        _set(last["bias"], last["bias"].data().asnumpy() - _SCALE / (2 * squares) * np.square(means).sum(axis=1))


def _of_last_layer(session: Session) -> dict[str, Any]:
    names = [*session.model.parameters]
    prefix = names[-1].rpartition(".")[0] + "."
    return {name: session.model.parameters[name] for name in names if name.startswith(prefix)}


def _units(features: Array) -> Array:
    found: Array = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return found


def _imprint(weight: Any, means: Array, known: int) -> None:
    """Set the rows of new classes to their directions, as long as the known ones are, or of length 1."""
    values = weight.data().asnumpy()
    length = np.linalg.norm(values[:known], axis=1).mean() if known else 1.0
    values[known:] = length * _units(means[known:])
    _set(weight, values)


def _set(parameter: Any, values: Array) -> None:
    parameter.set_data(array(values.astype(np.float32), ctx=parameter.data().context))


def _means(session: Session, net: StageNet, turn: Any, classes: int) -> tuple[Array, float]:
    """Return the mean of each class's features, float64 (classes, features), and the mean of their squared lengths."""
    sums: Any = 0.0
    counts, squares = np.zeros(classes), 0.0
    for features, labels in _features(session, net):
        features = turn(features.astype(np.float64))
        here = np.zeros((classes, features.shape[1]))
        for label in np.unique(labels):
            here[label] = features[labels == label].sum(axis=0)
        sums, counts = sums + here, counts + np.bincount(labels, minlength=classes)
        squares += float(np.square(features).sum())
    return sums / np.maximum(counts, 1)[:, None], max(squares / counts.sum(), 1e-12)


def _features(session: Session, net: StageNet) -> Iterator[tuple[Array, Array]]:
    """Yield what the last layer takes of the training images, float32 (N, features), with their classes."""
    chain = session.model.chain
    cut, last = frozen_units(session.model, session.plan.stages[0].cut), len(chain.blocks) - 1
    rest = one_by_one(chain.net(cut, last)) if cut < last else None
    for values, labels in net.inputs.each.evaluation("train"):
        found = values[0] if rest is None else rest(*values)
        yield found[: len(labels)].asnumpy().reshape(len(labels), -1), labels
