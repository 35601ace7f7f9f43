"""Parts of samples that have several labels each, such as the classes that an image shows.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011): the label that fewest of the samples left
have is shared out first, each of its samples to the part that lacks most of that label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor
from typing import TypeAlias

Labels: TypeAlias = Mapping[str, tuple[int, ...]]
Strata: TypeAlias = Mapping[str, int | tuple[int, ...]]


def drawn(ranked: Sequence[str], fraction: float, *, labels: Labels, whole: Sequence[str]) -> set[str]:
    """Return which of the samples in random order belong to a part that takes a fraction of `whole`.

    It has `fraction` times the samples of `whole`, rounded half up, at least one where these are two or more.
    """
    size = max(floor(round(fraction * len(whole), 9) + 0.5), 1 if len(whole) >= 2 else 0)
    wanted = {label: fraction * count for label, count in _counts(whole, labels).items()}
    spare = {label: count - wanted[label] for label, count in _counts(ranked, labels).items()}
    left = dict.fromkeys(ranked)
    held: set[str] = set()
    while left:
        counts = _counts(left, labels)
        label = min(counts, key=lambda each: (counts[each], each), default=None)
        for id in [each for each in left if label is None or label in labels[each]]:
            is_full, must = len(held) >= size, len(held) + len(left) <= size
            lacks = 0.0 if label is None else wanted[label] - spare[label]
            goes = must or not is_full and (lacks > 0 or lacks == 0 and size - len(held) > len(left) / 2)
            if label is None:
                goes = must or not is_full
            for each in labels[id]:
                (wanted if goes else spare)[each] -= 1
            held |= {id} if goes else set()
            del left[id]
    return held


def rarest(strata: Strata) -> dict[str, int]:
    """Return for each sample the label that fewest samples have; -1 of one without. What is no tuple stays."""
    counts = Counter(label for labels in strata.values() if isinstance(labels, tuple) for label in labels)
    return {
        id: labels if isinstance(labels, int) else min(labels, key=lambda each: (counts[each], each), default=-1)
        for id, labels in strata.items()
    }


def _counts(ids: Sequence[str] | Mapping[str, None], labels: Labels) -> Counter[int]:
    return Counter(label for id in ids for label in labels[id])
