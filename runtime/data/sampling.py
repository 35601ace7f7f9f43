"""Which training images an epoch shows, where classes have shares of it: rows, and the images that they draw.

An epoch is as long as without. Each class gets its share of it to the image; its own images come in turn, so that one
recurs only after all others of the class were seen as often, and an epoch that shows a part of a class draws it anew.
All follows from the seed, the stage, the epoch and the ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry
from runtime.data.class_weights import class_weights, weights_type

if TYPE_CHECKING:
    from runtime.data.listing import Sample

SAMPLINGS = (
    Entry(
        "balanced",
        "Each class has the same share of an epoch.",
        source="class-balanced sampling: Kang et al., arXiv 1910.09217, section 4.1",
        examples=("sampling = balanced",),
    ),
    Entry(
        "weighted",
        "The share of a class is that of its images times its weight.",
        (Arg("weights", weights_type("images", none=False), "By class: a word, names, or a list in their order."),),
        source="torch.utils.data.WeightedRandomSampler, drawn without replacement; `sqrt`: arXiv 1910.09217",
        formula="n the images of a class, w its weight\nshare = n w / sum over classes of n w",
        examples=("sampling = weighted(sqrt)", 'sampling = weighted(weights = { "rose" = 3 })'),
    ),
)


def sampling_shares(
    name: str, args: Mapping[str, Any], names: Sequence[str], counts: Sequence[int]
) -> tuple[float, ...]:
    """Return the share that each class has of an epoch; `counts` are its training images.

    Raises:
        RecipeError: the weights are not those of the classes.
    """
    total = sum(counts)
    weights = class_weights(args.get("weights", name), names, [count / total for count in counts]) or ()
    parts = [count * weight for count, weight in zip(counts, weights, strict=True)]
    return tuple(part / sum(parts) for part in parts)


def drawn(samples: Sequence[Sample], shares: Sequence[float], seed: int, stage: int, epoch: int) -> list[Sample]:
    """Return the samples of an epoch in random order, as many as there are, classes by their shares.

    Targets are positions of classes. Of classes without a sample the others take the share.
    """
    import numpy as np

    from runtime.system.random import derive_each

    labels = np.array([sample.target for sample in samples])
    keys = derive_each(seed, "sampling", stage, epoch, ids=(sample.id for sample in samples))
    here = np.bincount(labels, minlength=len(shares)) > 0
    chosen: list[tuple[int, int]] = []  # a place, and how often it has come before
    present = [share * bool(has) for share, has in zip(shares, here, strict=True)]
    for label, count in enumerate(_parts(present, len(samples))):
        places = np.flatnonzero(labels == label)
        ranked = places[np.argsort(keys[places], kind="stable")].tolist()
        chosen += [(ranked[number % len(ranked)], number // len(ranked)) for number in range(count)]
    names = (f"{turn}/{samples[place].id}" for place, turn in chosen)
    order = np.argsort(derive_each(seed, "order", stage, epoch, ids=names), kind="stable")
    return [samples[chosen[number][0]] for number in order]


def _parts(shares: Sequence[float], total: int) -> list[int]:
    """Return whole numbers in these proportions that sum up to `total`: the largest remainders go up."""
    exact = [total * share / sum(shares) for share in shares]
    counts = [floor(each) for each in exact]
    up = sorted(range(len(exact)), key=lambda place: (counts[place] - exact[place], place))
    for place in up[: total - sum(counts)]:
        counts[place] += 1
    return counts


def turns(samples: Sequence[Sample]) -> list[int]:
    """Return for each sample of an epoch how often it has come before."""
    seen: dict[str, int] = {}
    found = []
    for sample in samples:
        found.append(seen.get(sample.id, 0))
        seen[sample.id] = found[-1] + 1
    return found
