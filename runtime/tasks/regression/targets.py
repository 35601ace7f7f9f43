"""Numbers as targets: what is known of them, how sets are drawn, and what makes them unusable.

A network learns standardized numbers: less their mean over the training images, in units of their standard deviation.
Sums are exact (`math.fsum`), so that neither the order of the images nor the processor matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, isfinite, sqrt
from typing import Any

from recipe_lang.problem import Problem, RecipeError
from recipe_lang.words import printable
from runtime.data.listing import Listing
from runtime.tasks.regression.problems import ConstantTarget, OtherTargets

_STRATA = 10
_SHOWN = 8  # on the screen


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """The names of the targets with their mean, standard deviation and range over the training images.

    `target_range` is empty where no images were listed; `counts` are the images of each set.
    """

    targets: tuple[str, ...]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]
    target_range: tuple[tuple[float, float], ...] = ()
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return self.targets

    def as_file(self) -> Any:
        """Return the content of `targets.json`."""
        return {"targets": list(self.targets), "mean": list(self.target_mean), "std": list(self.target_std)}

    def in_result(self) -> dict[str, Any]:
        """Return what `result.json` has of them."""
        return {"targets": list(self.targets)}

    def row(self) -> tuple[str, str]:
        """Return the row of `ftr plan --all`."""
        columns = zip(self.targets, self.target_range, self.target_mean, self.target_std, strict=True)
        each = [
            f"{printable(name)} ({low:.4g} to {high:.4g}, mean {mean:.4g}, std {std:.4g})"
            for name, (low, high), mean, std in columns
        ]
        return "targets", f"{len(each)}: {', '.join(each[:_SHOWN])}{', …' if len(each) > _SHOWN else ''}"

    def brief(self) -> str:
        """Return what `ftr plan` says behind the training images."""
        if len(self.targets) > 1:
            return f" ({len(self.targets)} targets)"
        (low, high), mean = self.target_range[0], self.target_mean[0]
        return f" ({printable(self.targets[0])} {low:.4g} to {high:.4g}, mean {mean:.3g})"

    def outputs(self) -> str:
        """Return what an exported model gives."""
        shown = ", ".join(self.targets[:_SHOWN]) + (", …: see targets.json" if len(self.targets) > _SHOWN else "")
        return f"{shown}, in the units of the data"


def facts(sets: Mapping[str, Listing]) -> NumberFacts:
    """Return what is known of the targets of the training images."""
    train = sets["train"]
    columns = list(zip(*(sample.target for sample in train.samples), strict=True))
    means = tuple(fsum(column) / len(column) for column in columns)
    stds = tuple(
        sqrt(fsum((value - mean) ** 2 for value in column) / len(column))
        for column, mean in zip(columns, means, strict=True)
    )
    ranges = tuple((min(column), max(column)) for column in columns)
    return NumberFacts(train.names, means, stds, ranges, {name: (len(each.samples),) for name, each in sets.items()})


def read(plain: Any) -> NumberFacts:
    """Return what `targets.json` says, which may come from somebody else.

    Raises:
        ValueError: it is not names with their mean and standard deviation.
    """
    wrong = ValueError("`targets.json` is not names with their mean and standard deviation")
    if not isinstance(plain, dict) or plain.keys() != {"targets", "mean", "std"}:
        raise wrong
    names, means, stds = plain["targets"], plain["mean"], plain["std"]
    if not all(isinstance(each, list) and 0 < len(each) == len(names) <= 65536 for each in (names, means, stds)):
        raise wrong
    if not all(isinstance(name, str) for name in names) or not all(map(_is_number, (*means, *stds))):
        raise wrong
    if not all(std > 0 for std in stds):
        raise wrong
    return NumberFacts(tuple(names), tuple(map(float, means)), tuple(map(float, stds)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def strata(listing: Listing) -> dict[str, int]:
    """Return the tenth in which each image's first number lies, by the image's id; equal numbers share one."""
    values = {sample.id: sample.target[0] for sample in listing.samples}
    count = len(values)
    tenths = max(1, min(_STRATA, count // _STRATA))
    below, stratum = 0, {}
    for value, times in sorted(Counter(values.values()).items()):
        stratum[value] = (2 * below + times) * tenths // (2 * count)  # by its middle rank, in whole numbers
        below += times
    return {id: stratum[value] for id, value in values.items()}


def align(listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
    """Return a listing with as many targets as training has, called as there.

    Raises:
        RecipeError: it has another number of them.
    """
    if len(listing.names) != len(names):
        raise RecipeError(
            OtherTargets(set_name=set_name, names=listing.names, training=names, count=len(listing.names))
        )
    return replace(listing, names=names)


def constant(sets: Mapping[str, Listing]) -> list[Problem]:
    """Return the targets of which nothing can be learned: all training images have one number."""
    train = sets["train"]
    columns: Sequence[Sequence[float]] = list(zip(*(sample.target for sample in train.samples), strict=True))
    return [
        ConstantTarget(name=name, value=column[0], images=len(column))
        for name, column in zip(train.names, columns, strict=False)
        if min(column) == max(column) or not isfinite(fsum(column)) or not _spread(column)
    ]


def _spread(column: Sequence[float]) -> bool:
    """Whether numbers have a standard deviation that can be divided by."""
    mean = fsum(column) / len(column)
    try:
        return 0 < sqrt(fsum((value - mean) ** 2 for value in column) / len(column)) < float("inf")
    except OverflowError:
        return False
