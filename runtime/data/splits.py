"""Which image belongs to which set: shares, folds, limits, and what the sets must satisfy.

In go listings and the recipe's seed; out come listings. A sample's place is decided by its id and the seed
alone, so it does not depend on the order of the files or, as far as the counts allow, on which other images
there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import floor
from typing import Any

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.words import counted
from runtime.data import multi_label, problems
from runtime.data.groups import allotted
from runtime.data.listing import Listing, Sample
from runtime.data.multi_label import Strata
from runtime.data.newest import Time, newest
from runtime.system.random import derive_each


@dataclass(frozen=True, slots=True)
class Split:
    """How a set is drawn from the training images: a share of them, or of so many `folds` the one to `use`, from 1.

    `groups` are those of images that go together, `times` what tells the newest, which are then drawn; both by ids.
    """

    share: float
    folds: int = 0
    use: int = 0
    groups: Mapping[str, str] | None = None
    times: Mapping[str, tuple[Time, str]] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a stratified share."""
        return not self.folds and self.groups is None and self.times is None


def divided(listing: Listing, parts: Mapping[str, Split], seed: int, strata: Strata) -> dict[str, Listing]:
    """Draw disjoint parts; the rest is named `train`.

    `test` is drawn first, so that it does not depend on how validation is, and is the newest of all; folds are then
    those of what it leaves, or where both are folds, of the whole. Only stratified shares alone are drawn as
    `holdouts` says. Each part says in its notes what came out.

    Raises:
        RecipeError: there are too few images, groups or times.
    """
    if all(part.is_plain for part in parts.values()):
        return holdouts(listing, {name: part.share for name, part in parts.items()}, seed, strata)
    rest, found = listing, {}
    fold_of: dict[str, int] = {}
    for name in sorted(parts):
        part = parts[name]
        share = min(part.share * len(listing.samples) / max(1, len(rest.samples)), _MOST)
        ids = {sample.id for sample in rest.samples}
        groups = {id: group for id, group in (part.groups or {}).items() if id in ids}
        since = ""
        if part.folds:
            fold_of = fold_of or folds(rest, part.folds, seed, strata, groups)
            held = {id for id, fold in fold_of.items() if fold == part.use}
        elif part.times is not None:
            times = {id: time for id, time in part.times.items() if id in ids}
            held, since = newest(times, _share(part.share, len(listing.samples)))
        elif part.groups is not None:
            of = allotted(groups, strata, (share, 1 - share), seed, name)
            held = {id for id, place in of.items() if place == 0}
        else:
            held = {sample.id for sample in holdouts(rest, {name: share}, seed, strata)[name].samples}
        found[name] = replace(_where(rest, held, True), notes=(_note(name, part, held, len(listing.samples), since),))
        rest = _where(rest, held, False)
    return {"train": rest, **found}


_MOST = 0.99
"""The largest share of what an earlier part has left, where that took more than its own."""


def _note(name: str, part: Split, held: set[str], total: int, since: str) -> str:
    fold = f"fold {part.use} of {part.folds}, " if part.folds else ""
    named = {group for id, group in (part.groups or {}).items() if id in held}
    groups = f", {len(named):,} of {counted(len(set(part.groups.values())), 'group')}" if part.groups else ""
    newer = f", from {since} on" if since else ""
    return f"{name}: {fold}{counted(len(held), 'image')} ({len(held) / total:.1%}){groups}{newer}"


def folds(
    listing: Listing, count: int, seed: int, strata: Strata, groups: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Return the fold of each sample by its id, from 1 on; their sizes, and those of strata, differ by one at most.

    Where samples have several labels, folds have each label alike as far as these allow it; with `groups`, as far as
    groups do.

    Raises:
        RecipeError: there are fewer samples, or groups, than folds.
    """
    if count > len(listing.samples):
        raise RecipeError(problems.TooFewImages(wanted=count, count=len(listing.samples)))
    if groups:
        return {id: 1 + part for id, part in allotted(groups, strata, [1 / count] * count, seed, "folds").items()}
    ranked = _ranked(listing, seed, "folds", strata)
    if any(isinstance(stratum, tuple) for stratum in strata.values()):
        return _folds_of_labels(listing, count, seed, strata)
    in_turn = [sample.id for stratum in sorted(ranked) for sample in ranked[stratum]]
    return {id: 1 + place % count for place, id in enumerate(in_turn)}


def _folds_of_labels(listing: Listing, count: int, seed: int, strata: Strata) -> dict[str, int]:
    labels = {id: stratum for id, stratum in strata.items() if isinstance(stratum, tuple)}
    rest = [sample.id for sample in _ranked(listing, seed, "folds", dict.fromkeys(strata, 0))[0]]
    found: dict[str, int] = {}
    for fold in range(1, count):
        held = multi_label.drawn(rest, 1 / (count + 1 - fold), labels=labels, whole=rest)
        found |= dict.fromkeys(held, fold)
        rest = [id for id in rest if id not in held]
    return found | dict.fromkeys(rest, count)


def shots(listing: Listing, count: int, seed: int, strata: Strata) -> Listing:
    """Return at most `count` samples of each class, in the listing's order; a smaller count takes some of these."""
    ranked = _ranked(listing, seed, "shots", strata)
    kept = _where(listing, {sample.id for each in ranked.values() for sample in each[:count]}, True)
    note = f"train: {counted(count, 'image')} of each class, {len(kept.samples):,} of {len(listing.samples):,} in all"
    fewer = [(listing.names[label], len(each)) for label, each in sorted(ranked.items()) if len(each) < count]
    if fewer:
        note += "; fewer of " + ", ".join(f"{name} ({has})" for name, has in fewer)
    return replace(kept, notes=(*kept.notes, note))


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
