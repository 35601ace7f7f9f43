"""What `ftr new` says of numbers, and chooses by them."""

from __future__ import annotations

from math import fsum
from statistics import median

from recipe_lang.words import listed, printable
from runtime.data.listing import Listing
from runtime.tasks.protocol import Suggestion, enough_images

_ENOUGH_TO_OPEN = 200  # images, as many as four classes need


def suggested(train: Listing) -> Suggestion:
    """Return what `ftr new` says of the numbers."""
    columns: list[tuple[float, ...]] = list(zip(*(sample.target for sample in train.samples), strict=True))
    ranges = (
        f"{printable(name)[:40]} {min(column):.4g} to {max(column):.4g}"
        for name, column in zip(train.names, columns, strict=True)
    )
    error = fsum(map(_error_of_median, columns)) / len(columns)
    too_few, enough = enough_images(train, _ENOUGH_TO_OPEN)
    return Suggestion(
        summary=listed(tuple(ranges), "and"),
        detail=f". The median as the answer for every image has an MAE of {error:.3g}: a network must do better.",
        metric="mae",
        why_metric="Mean absolute error, in the units of the data.",
        held="stratified by value",
        uncropped="Mirrored only: a crop may change a number such as a size or a count. Leave out what changes yours.",
        too_few=too_few,
        enough=enough,
    )


def _error_of_median(column: tuple[float, ...]) -> float:
    middle = median(column)
    return fsum(abs(value - middle) for value in column) / len(column)
