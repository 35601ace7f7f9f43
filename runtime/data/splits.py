"""Which image belongs to which set: stratified parts, limits, and what the sets must satisfy.

In go listings and the recipe's seed; out come listings. A sample's place is decided by its id and the seed
alone, so it does not depend on the order of the files or, as far as the counts allow, on which other images
there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import floor
from typing import Any

from recipe_lang.problem import Problem, RecipeError
from runtime.data import multi_label, problems
from runtime.data.listing import Listing, Sample
from runtime.data.multi_label import Strata
from runtime.system.random import derive_each


def holdouts(listing: Listing, fractions: Mapping[str, float], seed: int, strata: Strata) -> dict[str, Listing]:
    """Split off disjoint parts, each a fraction of every stratum; the rest is named `train`.

    `fractions` maps each part's name to its fraction of the whole, `strata` each sample's id to its stratum. Of a
    stratum of n images a part takes `fraction * n`, rounded half up, but at least one where n >= 2. It draws from what
    the parts before it left, in the random order that belongs to its name, so a further part does not change the
    earlier ones, and a larger first part holds the smaller one's images too. All keep the order of the listing.
    Where samples have several labels, a part takes its fraction of all samples and, as far as they allow it, of those
    with each label (`multi_label.py`).
    """
    if any(isinstance(stratum, tuple) for stratum in strata.values()):
        labels = {id: stratum for id, stratum in strata.items() if isinstance(stratum, tuple)}
        drawn = partial(multi_label.drawn, labels=labels, whole=[sample.id for sample in listing.samples])
    else:
        drawn = None
    sizes = Counter(strata[sample.id] for sample in listing.samples)
    rest = listing
    parts: dict[str, Listing] = {}
    for name, fraction in fractions.items():
        ranks = _ranked(rest, seed, name, strata if drawn is None else dict.fromkeys(strata, 0))
        held = (
            {sample.id for stratum, ranked in ranks.items() for sample in ranked[: _share(fraction, sizes[stratum])]}
            if drawn is None
            else drawn([sample.id for ranked in ranks.values() for sample in ranked], fraction)
        )
        parts[name] = _where(rest, held, True)
        rest = _where(rest, held, False)
    return {"train": rest, **parts}


def take(listing: Listing, count: int, seed: int, strata: Strata) -> Listing:
    """Return exactly `count` samples with the proportions of the strata, in the order of the listing.

    Of several labels the one that fewest samples have is the stratum.

    Every stratum keeps at least one where `count` allows it; a larger count keeps the smaller one's samples
    too. Raises `RecipeError` where there are fewer.
    """
    if count > len(listing.samples):
        raise RecipeError(problems.TooFewImages(wanted=count, count=len(listing.samples)))
    strata = multi_label.rarest(strata)
    # The k-th image of a stratum of n has used up (k + 1/2) / n of it when it is taken; the first of each goes before
    # all others.
    queue = sorted(
        ((index + 0.5) / len(ranked) if index else 0.0, index, len(ranked), stratum, sample.id)
        for stratum, ranked in _ranked(listing, seed, "take", strata).items()
        for index, sample in enumerate(ranked)
    )
    return _where(listing, {name for *_, name in queue[:count]}, True)


def too_small(sets: Mapping[str, Listing], batch: int) -> list[Problem]:
    """Return which sets have too few images: `train` fewer than one batch, another set none."""
    return [
        problems.SetTooSmall(set_name=name, count=len(listing.samples), needed=needed)
        for name, listing in sets.items()
        if len(listing.samples) < (needed := batch if name == "train" else 1)
    ]


def _ranked(listing: Listing, seed: int, name: str, strata: Strata) -> dict[Any, list[Sample]]:
    """Return the samples of each stratum in the random order that belongs to a set's name."""
    keys = derive_each(seed, "split", name, ids=(sample.id for sample in listing.samples)).tolist()
    ranked: dict[Any, list[Sample]] = defaultdict(list)
    for _, sample in sorted(zip(keys, listing.samples, strict=True), key=lambda pair: (pair[0], pair[1].id)):
        ranked[strata[sample.id]].append(sample)
    return ranked


def _share(fraction: float, count: int) -> int:
    # 0.29 * 50 is 14.499999999999998 in floating point.
    return max(floor(round(fraction * count, 9) + 0.5), 1 if count >= 2 else 0)


def _where(listing: Listing, ids: set[str], inside: bool) -> Listing:
    kept = tuple(sample for sample in listing.samples if (sample.id in ids) is inside)
    return replace(listing, samples=kept)
