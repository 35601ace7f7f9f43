"""Images with a mask each: two folders whose files bear the same names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from recipe_lang.words import a_few
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
    split: Path | None = None,
) -> Listing:
    """List the images of a folder, each with the mask of the same name in another one, or in the same.

    An ending such as `_mask`, `-mask`, `_label` or `_L` behind the name of a mask is ignored, and so is the kind of
    file. `values` are what stands for the classes in masks of one channel, 0, 1, … without them; `colors` are those of
    masks in colours. `split` is a text file with the names of the images that count, one a line; all without it.

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
    if os.path.samefile(*roots):
        found, others = [path for path in found if not is_mask(path)], [path for path in others if is_mask(path)]
    mask_of = {stem_of(path.relative_to(roots[1])): path for path in others}
    if split is not None:
        found = _chosen(found, roots[0], split)
    ids = {path: path.relative_to(roots[0]).as_posix() for path in found}
    without = [name for path, name in ids.items() if stem_of(path.relative_to(roots[0])) not in mask_of]
    if without:
        nearest = suggest(without[0], [path.name for path in others])
        raise RecipeError(NoMask(path=str(folder), names=tuple(without), nearest=nearest))
    meaning = _meaning(classes, values, colors)
    samples = (
        Sample(name, Mask(mask_of[stem_of(path.relative_to(roots[0]))], meaning, None if colors else ignore), path)
        for path, name in ids.items()
    )
    return Listing(tuple(samples), tuple(classes), tuple(passed))


_ENDINGS = re.compile(
    r"[_-](mask|masks|label|labels|seg|segmentation|annotation|gt|L|(gtFine_|gtCoarse_)?label(Train)?Ids)$",
    re.IGNORECASE,
)
_OF_IMAGES = re.compile(r"[_-](leftImg8bit|sat|image|img)$", re.IGNORECASE)
_LONGEST_LIST = 100_000_000  # bytes


def is_mask(path: Path) -> bool:
    """Whether a file is a mask by the ending of its name."""
    return _ENDINGS.search(path.stem) is not None


def stem_of(path: Path) -> str:
    """Return what an image and its mask have in common: the path without what the names of either end with."""
    return path.with_name(_OF_IMAGES.sub("", _ENDINGS.sub("", path.stem))).as_posix()


def _chosen(found: Sequence[Path], root: Path, split: Path) -> list[Path]:
    """Return the images that a list names: by a name, or a path whose beginning may be another machine's."""
    path = existing(split, "file")
    try:
        if path.stat().st_size > _LONGEST_LIST:
            raise RecipeError(
                problems.UnreadableData(path=str(path), reason=f"it has more than {_LONGEST_LIST:,} bytes")
            )
        lines = path.read_bytes().decode().splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "it is no text in UTF-8"
        raise RecipeError(problems.UnreadableData(path=str(path), reason=reason)) from fault
    by_name: dict[str, Path] = {}
    for each in found:
        inside = each.relative_to(root)
        for name in (inside, inside.with_suffix(""), Path(inside.name), Path(inside.stem)):
            by_name.setdefault(name.as_posix(), each)
    names = dict.fromkeys(line.split()[0] for line in lines if line.strip())
    chosen = {name: by_name.get(name) or by_name.get(name.rsplit("/", 1)[-1]) for name in names}
    if missing := [name for name, each in chosen.items() if each is None]:
        reason = f"it names {a_few(missing)}, which {'is' if len(missing) == 1 else 'are'} not among the images"
        raise RecipeError(problems.UnreadableData(path=str(path), reason=reason))
    if not chosen:
        raise RecipeError(problems.UnreadableData(path=str(path), reason="it names no image"))
    return sorted({each for each in chosen.values() if each is not None})


def _meaning(
    classes: Sequence[str], values: Sequence[int] | None, colors: Sequence[str] | None
) -> tuple[int | tuple[int, int, int], ...]:
    if colors is None:
        return tuple(values or range(len(classes)))
    return tuple((int(each[1:3], 16), int(each[3:5], 16), int(each[5:], 16)) for each in colors)
