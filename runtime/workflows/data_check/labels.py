"""Which labels may be wrong: those that a model which has not seen the image would be the surest to change.

In go what the network's base gives of each image and the labels; out come suspects, the surest first. Each fifth of
the images is judged by a logistic regression on the other four (scikit-learn), so that no label vouches for itself. A
label is suspected where its probability is far below what is usual in its class, and another class is likelier: the
thresholds by class and the ranking by self-confidence of confident learning (Northcutt, Jiang and Chuang 2021, Journal
of Artificial Intelligence Research 70). Of 89 labels of the digits that were made wrong, 85 were among 131 suspects.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.backend.mx import mx
from runtime.data.sets import Sets
from runtime.features.inputs import SetInputs, kept_rows
from runtime.models.network import frozen_units, start_weights
from runtime.system.cache.disk import FeatureCache
from runtime.system.random import generator
from runtime.training.stage import features_of
from runtime.workflows.data_check.check import DataReport, Group, all_seen
from runtime.workflows.preparation import Prepared

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

    place: int
    likely: int
    probability: float
    own: float


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


def with_suspects(
    report: DataReport,
    prepared: Prepared,
    workers: int,
    cache: FeatureCache | None,
    progress: Callable[[str, int, int], None],
) -> DataReport:
    """Return the report with the labels that may be wrong, by what the recipe's base gives of its images."""
    seen, samples = all_seen(prepared.listings, ())
    broken = {(group.images[0].set, group.images[0].id) for group in report.found.get("broken", ())}
    sound = [place for place, image in enumerate(seen) if (image.set, image.id) not in broken]
    position = {place: number for number, place in enumerate(sound)}
    rows = _rows(prepared, broken, workers, cache, progress)
    labels = np.array([samples[place].label for place in sound], np.int64)
    together = [[position[place] for place in places if place in position] for places in report.together]
    progress("judging the labels", 0, len(sound))
    found = suspects(rows, labels, [places for places in together if places], prepared.plan.seed)
    groups = tuple(
        Group(
            (report.seen[sound[each.place]],),
            f"looks like {report.classes[each.likely]} ({each.probability:.0%}; as labelled {each.own:.0%})",
        )
        for each in found
    )
    return replace(report, found={**report.found, "suspects": groups}) if groups else report


def _rows(
    prepared: Prepared,
    broken: set[tuple[str, str]],
    workers: int,
    cache: FeatureCache | None,
    progress: Callable[[str, int, int], None],
) -> Floats:
    """Return what the base gives of each sound image of all sets, float32 (images, numbers)."""
    plan, model, context = prepared.plan, prepared.model, mx.cpu()
    start_weights(model, plan.base, plan.seed, context)
    samples = {
        name: tuple(sample for sample in listing.samples if (name, sample.id) not in broken)
        for name, listing in prepared.listings.items()
    }
    sets = Sets(plan.data, plan.seed, samples, workers)
    features = features_of(model, plan.base, sets, context, fuse=True, keep=True, cache=cache)
    cut = frozen_units(model, len(model.parts) - 1)
    later = [frozen_units(model, stage.cut) for stage in plan.stages[1:]]  # as a run cuts it: it finds the same rows
    rows = []
    try:
        prefix = features.prefix(cut, later, kept_rows(plan) + sum(map(len, samples.values())))
        inputs = SetInputs(sets, prefix)
        for name in samples:
            for done, total in inputs.fill_evaluation(name):
                progress(f"frozen part, {name}", done, total)
            for values, labels in inputs.evaluation(name):
                batch = values[: len(labels)].asnumpy()
                rows.append(batch.reshape(len(labels), -1))
    finally:
        features.close()
    return np.concatenate(rows)
