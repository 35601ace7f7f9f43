"""Which image belongs to which set: stratified parts, limits, and what the sets must satisfy.

In go listings and the recipe's seed; out come listings. A sample's place is decided by its id and the seed
alone, so it does not depend on the order of the files or, as far as the counts allow, on which other images
there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from math import floor

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.suggest import suggest
from runtime.data import problems
from runtime.data.similar_labels import meant
from runtime.data.sources.files import Listing, Sample
from runtime.system.random import derive_each


def holdouts(listing: Listing, fractions: Mapping[str, float], seed: int) -> dict[str, Listing]:
    """Split off disjoint parts, each a fraction of every class; the rest is named `train`.

    `fractions` maps each part's name to its fraction of the whole. Of a class of n images a part takes
    `fraction * n`, rounded half up, but at least one where n >= 2. It draws from what the parts before it
    left, in the random order that belongs to its name, so a further part does not change the earlier ones,
    and a larger first part holds the smaller one's images too. All keep the order of the listing.
    """
    sizes = listing.counts()
    rest = listing
    parts: dict[str, Listing] = {}
    for name, fraction in fractions.items():
        held = {
            sample.id
            for label, ranked in _ranked(rest, seed, name).items()
            for sample in ranked[: _share(fraction, sizes[label])]
        }
        parts[name] = _where(rest, held, True)
        rest = _where(rest, held, False)
    return {"train": rest, **parts}


def take(listing: Listing, count: int, seed: int) -> Listing:
    """Return exactly `count` samples with the proportions of the classes, in the order of the listing.

    Every class keeps at least one where `count` allows it; a larger count keeps the smaller one's samples
    too. Raises `RecipeError` where there are fewer.
    """
    if count > len(listing.samples):
        raise RecipeError(problems.TooFewImages(wanted=count, count=len(listing.samples)))
    # The k-th image of a class of n has used up (k + 1/2) / n of the class when it is taken; the
    # first of each class goes before all others.
    queue = sorted(
        ((place + 0.5) / len(ranked) if place else 0.0, place, len(ranked), label, sample.id)
        for label, ranked in _ranked(listing, seed, "take").items()
        for place, sample in enumerate(ranked)
    )
    return _where(listing, {name for *_, name in queue[:count]}, True)


def align(listing: Listing, classes: tuple[str, ...], set_name: str) -> Listing:
    """Return a listing with its labels renumbered, by class name, to the classes of training.

    Classes that the listing lacks stay without samples. A class that training has not is dropped where it
    has no image; else `RecipeError` names it and the set.
    """
    used = {label for label, count in enumerate(listing.counts()) if count}
    unknown = tuple(name for label, name in enumerate(listing.classes) if label in used and name not in classes)
    if unknown:
        raise RecipeError(
            problems.UnknownClass(
                set_name=set_name, names=unknown, classes=classes, nearest=_alike(unknown[0], classes)
            )
        )
    position = {name: label for label, name in enumerate(classes)}
    samples = tuple(replace(sample, label=position[listing.classes[sample.label]]) for sample in listing.samples)
    return replace(listing, samples=samples, classes=classes)


def _alike(name: str, classes: tuple[str, ...]) -> str:
    """Return the class that a name may be meant as: one that reads the same, else one that is spelled much like it."""
    return next((each for each in classes if meant(each) == meant(name)), suggest(name, classes))


def check_sets(sets: Mapping[str, Listing], batch: int) -> list[Problem]:
    """Return what makes the sets unusable; `train` among them is the training set, all have the same classes.

    A class without training images, a training set smaller than one batch, another set without images.
    """
    found: list[Problem] = []
    train = sets["train"]
    empty = tuple(name for name, count in zip(train.classes, train.counts(), strict=True) if not count)
    if empty:
        found.append(problems.ClassWithoutImages(names=empty))
    for name, listing in sets.items():
        needed = batch if name == "train" else 1
        if len(listing.samples) < needed:
            found.append(problems.SetTooSmall(set_name=name, count=len(listing.samples), needed=needed))
    return found


def _ranked(listing: Listing, seed: int, name: str) -> dict[int, list[Sample]]:
    """Return the samples of each label in the random order that belongs to a set's name."""
    keys = derive_each(seed, "split", name, ids=(sample.id for sample in listing.samples)).tolist()
    ranked: dict[int, list[Sample]] = defaultdict(list)
    for _, sample in sorted(zip(keys, listing.samples, strict=True), key=lambda pair: (pair[0], pair[1].id)):
        ranked[sample.label].append(sample)
    return ranked


def _share(fraction: float, count: int) -> int:
    # 0.29 * 50 is 14.499999999999998 in floating point.
    return max(floor(round(fraction * count, 9) + 0.5), 1 if count >= 2 else 0)


def _where(listing: Listing, ids: set[str], inside: bool) -> Listing:
    kept = tuple(sample for sample in listing.samples if (sample.id in ids) is inside)
    return replace(listing, samples=kept)
