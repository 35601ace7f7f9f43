"""Images with a mask each: two folders whose files bear the same names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data import problems
from runtime.data.listing import Listing, Sample
from runtime.data.masks import Mask
from runtime.data.sources.files import existing, images_below
from runtime.data.sources.problems import MaskValues, NoColor, NoMask
from runtime.data.sources.skipped import passed_line

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def masks(
    images: Path,
    folder: Path,
    classes: Sequence[str],
    values: Sequence[int] | None,
    colors: Sequence[str] | None,
    ignore: int | None,
) -> Listing:
    """List the images of a folder, each with the mask of the same name in another one.

    An ending such as `_mask`, `-mask`, `_label` or `_L` behind the name of a mask is ignored, and so is the kind of
    file. `values` are what stands for the classes in masks of one channel, 0, 1, … without them; `colors` are those of
    masks in colours.

    Raises:
        RecipeError: a folder is missing or empty, an image has no mask, or what is said of the masks does not fit.
    """
    roots = existing(images, "folder"), existing(folder, "folder")
    if len(values or colors or classes) != len(classes):
        said = "values" if values else "colors"
        raise RecipeError(MaskValues(said=said, count=len(values or colors or ()), classes=len(classes)))
    for color in colors or ():
        if not _COLOR.fullmatch(color):
            raise RecipeError(NoColor(text=color))
    try:
        (found, passed), (others, _) = map(images_below, roots)
    except OSError as fault:
        path = str(fault.filename or images)
        raise RecipeError(problems.UnreadableData(path=path, reason=fault.strerror or str(fault))) from fault
    if not found:
        reason = f"it holds no image; {passed_line(passed)}" if passed else "it holds no image"
        raise RecipeError(problems.UnreadableData(path=str(images), reason=reason))
    mask_of = {_stem(path.relative_to(roots[1])): path for path in others}
    ids = {path: path.relative_to(roots[0]).as_posix() for path in found}
    without = [name for path, name in ids.items() if _stem(path.relative_to(roots[0])) not in mask_of]
    if without:
        nearest = suggest(without[0], [path.name for path in others])
        raise RecipeError(NoMask(path=str(folder), names=tuple(without), nearest=nearest))
    meaning = _meaning(classes, values, colors)
    samples = (
        Sample(name, Mask(mask_of[_stem(path.relative_to(roots[0]))], meaning, None if colors else ignore), path)
        for path, name in ids.items()
    )
    return Listing(tuple(samples), tuple(classes), tuple(passed))


_ENDINGS = re.compile(r"([_-](mask|masks|label|labels|seg|gt|L))$", re.IGNORECASE)


def _stem(path: Path) -> str:
    return path.with_name(_ENDINGS.sub("", path.stem)).as_posix()


def _meaning(
    classes: Sequence[str], values: Sequence[int] | None, colors: Sequence[str] | None
) -> tuple[int | tuple[int, int, int], ...]:
    if colors is None:
        return tuple(values or range(len(classes)))
    return tuple((int(each[1:3], 16), int(each[3:5], 16), int(each[5:], 16)) for each in colors)
