"""What `ftr data check` finds in masks: those that do not fit, are of another size, or show one thing alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from recipe_lang.words import printable
from runtime.data.images import ImageError
from runtime.data.listing import Listing, Pixels
from runtime.data.masks import IGNORED, Mask
from runtime.plan.size import Size
from runtime.tasks.segmentation.contents import contents


def of_sets(sets: Mapping[str, Listing]) -> Iterator[tuple[str, str]]:
    """Yield the classes that not all sets show."""
    shown = {name: set(np.flatnonzero((contents(listing) > 0).any(axis=0)).tolist()) for name, listing in sets.items()}
    for position, label in enumerate(next(iter(sets.values())).names):
        having = [name for name, found in shown.items() if position in found]
        if not having:
            yield "one_set", f"{printable(label)}: no mask shows it"
        elif len(having) < len(sets):
            lacking = ", ".join(name for name in sets if name not in having)
            yield "one_set", f"{printable(label)}: in {', '.join(having)}, not in {lacking}"


def of_image(mask: Mask, size: Size, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is to be said of the mask of an image of a size."""
    try:
        classes = mask.read(size)
    except ImageError as fault:
        yield "mask_unfit", str(fault)
        return
    if classes.shape != (size.height, size.width):
        yield "mask_scaled", f"it has {size} pixels, its mask {Size(*classes.shape)}"
    shown = np.unique(classes[classes != IGNORED])
    if not len(shown):
        yield "mask_empty", "no pixel counts"
    elif len(shown) == 1:
        yield "mask_empty", f"{printable(names[int(shown[0])])} alone"


def compared(one: Mask, other: Mask) -> str:
    """Say how far two masks agree; nothing where they cannot be compared."""
    try:
        first, second = one.stored(), other.stored()
    except ImageError:
        return ""
    if first.shape != second.shape:
        return ""
    return f"masks agree in {float((first == second).mean()):.1%} of the pixels"


def caption(mask: Mask | Pixels, names: Sequence[str]) -> str:
    """Return the classes of a mask with their shares of the pixels, the largest first."""
    try:
        classes = mask.stored() if isinstance(mask, Mask) else mask
    except ImageError as fault:
        return str(fault)
    shares = np.bincount(classes.ravel(), minlength=IGNORED + 1)[: len(names)] / classes.size
    rows = sorted(zip(shares.tolist(), names, strict=True), key=lambda row: -row[0])
    return ", ".join(f"{printable(name)} {share:.0%}" for share, name in rows if share)
