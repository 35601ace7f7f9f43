"""Labels as targets: what is known of them, how sets are drawn, and what makes them unusable.

The target of an image is a tuple of the positions of its labels in the listing's names, in order; it may be empty.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import counted, listed, printable
from runtime.data.listing import Listing
from runtime.data.similar_labels import alike, meant
from runtime.tasks.multi_label.metrics import USUAL
from runtime.tasks.multi_label.problems import LabelLeftWithoutImages, UnknownLabels

_SHOWN = 8  # on the screen
BEST = "best"


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """The labels in order, and of each set how many images have each, how many have none, and how many there are.

    `threshold` is the probability from which on labels are given, or `best`, of each label the one with the best F1 on
    validation; `thresholds` are those of a finished run, then.
    """

    labels: tuple[str, ...]
    images: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    without: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    exclusive: bool = False  # whether each training image has exactly one
    threshold: float | str = USUAL
    thresholds: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return self.labels

    @property
    def limits(self) -> tuple[float, ...]:
        """The threshold of each label; empty where the best ones are not known yet."""
        return self.thresholds if isinstance(self.threshold, str) else (self.threshold,) * len(self.labels)

    @property
    def shown(self) -> tuple[float, ...]:
        """The threshold of each label that predictions go by."""
        return self.limits or (USUAL,) * len(self.labels)

    def as_file(self) -> Any:
        """Return the content of `labels.json`."""
        return {"labels": list(self.labels), "threshold": self.threshold}

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of them."""
        return {"labels": list(self.labels)}

    def row(self) -> tuple[str, str]:
        """Return the row of `ftr plan --all`."""
        pairs = zip(self.labels, self.images["train"], strict=True)
        each = [f"{printable(name)} ({count:,})" for name, count in pairs]
        return "labels", f"{len(each)}: {', '.join(each[:_SHOWN])}{', …' if len(each) > _SHOWN else ''}"

    def brief(self) -> str:
        """Return what `ftr plan` says behind the training images."""
        images, least, most = self.counts["train"][0], min(self.images["train"]), max(self.images["train"])
        without = f", {self.without['train']:,} images without" if self.without.get("train") else ""
        each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        mean = sum(self.images["train"]) / images
        return f" ({counted(len(self.labels), 'label')} of {each}, {mean:.1f} an image{without})"

    def outputs(self) -> str:
        """Return what an exported model gives."""
        shown = ", ".join(self.labels[:_SHOWN]) + (", …: see labels.json" if len(self.labels) > _SHOWN else "")
        return f"scores of the labels before the sigmoid, in this order: {shown}"


def facts(sets: Mapping[str, Listing]) -> LabelFacts:
    """Return what is known of the labels of the sets."""
    train = sets["train"].samples
    return LabelFacts(
        sets["train"].names,
        images={name: label_counts(each) for name, each in sets.items()},
        without={name: sum(not sample.target for sample in each.samples) for name, each in sets.items()},
        counts={name: (len(each.samples),) for name, each in sets.items()},
        exclusive=all(len(sample.target) == 1 for sample in train),
    )


def read(plain: Any, result: Mapping[str, Any]) -> LabelFacts:
    """Return what `labels.json` says, and `result.json` of thresholds; they may come from somebody else.

    Raises:
        ValueError: it is not labels with a threshold.
    """
    wrong = ValueError("`labels.json` is not labels with a threshold")
    if not isinstance(plain, dict) or plain.keys() != {"labels", "threshold"}:
        raise wrong
    names, threshold = plain["labels"], plain["threshold"]
    if not isinstance(names, list) or not 0 < len(names) <= 65536 or not all(isinstance(each, str) for each in names):
        raise wrong
    if len(set(names)) < len(names) or threshold != BEST and not _is_share(threshold):
        raise wrong
    found = LabelFacts(tuple(names), threshold=threshold if threshold == BEST else float(threshold))
    return replace(found, thresholds=best_thresholds(result, names)) if threshold == BEST else found


def best_thresholds(result: Mapping[str, Any], names: Sequence[str]) -> tuple[float, ...]:
    """Return the threshold of each label with the best F1 on validation, according to `result.json`."""
    valid = result.get("valid")
    rows = valid.get("by_label") if isinstance(valid, dict) else None
    best = {
        row["name"]: row["threshold"]
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and isinstance(row.get("name"), str) and _is_share(row.get("threshold"))
    }
    return tuple(best.get(name, USUAL) for name in names)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and 0 <= value <= 1


def label_counts(listing: Listing) -> tuple[int, ...]:
    """Return the number of images that have each label, in the order of the names."""
    found = Counter(label for sample in listing.samples for label in sample.target)
    return tuple(found[label] for label in range(len(listing.names)))


def align(listing: Listing, labels: tuple[str, ...], set_name: str) -> Listing:
    """Return a listing with its labels renumbered, by name, to those of training.

    Raises:
        RecipeError: it has labels that training has not.
    """
    if listing.names == labels:
        return listing
    used = {label for sample in listing.samples for label in sample.target}
    unknown = tuple(name for label, name in enumerate(listing.names) if label in used and name not in labels)
    if unknown:
        nearest = next((each for each in labels if meant(each) == meant(unknown[0])), suggest(unknown[0], labels))
        raise RecipeError(UnknownLabels(set_name=set_name, names=unknown, labels=labels, nearest=nearest))
    place = {name: number for number, name in enumerate(labels)}
    samples = (
        replace(sample, target=tuple(sorted(place[listing.names[label]] for label in sample.target)))
        for sample in listing.samples
    )
    return replace(listing, samples=tuple(samples), names=labels)


def without_images(sets: Mapping[str, Listing]) -> list[Problem]:
    """Return the labels that no training image has."""
    train = sets["train"]
    empty = tuple(name for name, count in zip(train.names, label_counts(train), strict=True) if not count)
    return [LabelLeftWithoutImages(names=empty)] if empty else []


def text(target: Sequence[int], names: Sequence[str]) -> str:
    """Return labels as text, from which they could be had again."""
    plain = (names[label] for label in target)
    return ", ".join(json.dumps(name, ensure_ascii=False) if set(name) & set(',"') else name for name in plain)


def caption(target: Sequence[int], names: Sequence[str]) -> str:
    """Return labels in a few words."""
    return ", ".join(printable(names[label]) for label in target) or "no label"


def findings(sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
    """Yield what `ftr data check` finds in the labels alone: those that not all sets have, and that may be one."""
    train = sets["train"]
    counts = {name: label_counts(each) for name, each in sets.items()}
    for place, label in enumerate(train.names):
        having = {name: each[place] for name, each in counts.items() if each[place]}
        if not having:
            yield "one_set", f"{printable(label)}: no image has it"
        elif len(having) < len(sets):
            shown = ", ".join(f"{counted(count, 'image')} in {name}" for name, count in having.items())
            lacking = ", ".join(name for name in sets if name not in having)
            yield "one_set", f"{printable(label)}: {shown}, none in {lacking}"
    always = [name for name, count in zip(train.names, counts["train"], strict=True) if count == len(train.samples)]
    yield from (("one_set", f"{printable(label)}: every training image has it") for label in always)
    yield from (("classes", listed(names, "and")) for names in alike(train.names, meant))
