"""A commented recipe for what a survey found: `starter(survey, folder) -> str`.

In goes a `Survey`, out comes the text of a recipe in canonical layout. Above each block stands why its fields are as
they are, with the numbers that were seen. The rules of thumb are the constants below.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from recipe_lang.diagnostics import RecipeError
from recipe_lang.formatter import WIDTH, format_text
from recipe_lang.printer import value_text
from recipe_lang.source import Source
from recipe_lang.vocabulary import Text
from runtime.bases.packaged import PACKAGED
from runtime.data import splits
from runtime.data.sources import Listing
from runtime.survey import Look, Survey
from runtime.survey_problems import UnwritableName
from runtime.survey_tables import Found
from runtime.vocabulary import VOCABULARY

_BASE = "efficientnet_lite0"
_SEED = 1
_SMALLEST = 64  # px; of 8 px digits the base got .88 right at 32 px and .93 at 64 px
_STEP = 32  # px; the base halves its input five times
_TINY = 64  # px; below it images are drawings, characters, icons
_UNEQUAL = 1.5  # largest class to smallest, from which on accuracy hides the smaller one
_FEW = 10  # images of a class, below which it is named
_ENOUGH_FOR_TEST = 300  # images; 15% of fewer would tell accuracies apart by chance
_ENOUGH_TO_OPEN = 50  # images a class, from which on trained blocks gain more than they forget
_MANY = 20_000  # images, from which on a tenth of them is a test set, and an hour is short
_PASSES = 10_000  # images through the network in a stage: a few minutes on two cores
_MOST_EPOCHS = 15


@dataclass(frozen=True, slots=True)
class _Field:
    """A line of a recipe and the reason for it; an empty reason stands for no comment."""

    name: str
    value: str
    reason: str = ""


def starter(survey: Survey, folder: Path) -> str:
    """Write a recipe for what was found, with paths relative to `folder`, where the recipe will lie.

    Raises:
        RecipeError: the images cannot be split, or a name cannot be written.
    """
    shares = _shares(survey)
    sets = {**{name: found.listing for name, found in survey.sets.items()}, **_held_out(survey.train, shares)}
    batch = _batch(len(sets["train"].samples))
    problems = splits.check_sets(sets, batch)
    if problems:
        raise RecipeError(problems)
    blocks = [
        *_head(survey),
        *_data(survey, sets, shares, batch, Path(os.path.realpath(folder))),
        "",
        f"# ImageNet weights that come as a Python package: no download. It was made for {PACKAGED[_BASE].size}px.",
        f'base = packaged("{_BASE}")',
        "head = [dropout(0.2), dense(classes)]",
        *_stages(sets, survey),
        *_claim(sets),
    ]
    return format_text(Source("starter.ftr", "\n".join(blocks) + "\n"))


def _head(survey: Survey) -> Iterator[str]:
    yield "# A starting point, written by `ftr new` for the images that it found: change what you know better."
    for note in survey.notes:
        yield from _comment(note)
    yield "ftr 1"
    yield ""
    yield f"name = {_string(file_stem(survey.name))}"
    yield f"seed = {_SEED}"
    yield ""


def _data(
    survey: Survey, sets: Mapping[str, Listing], shares: Mapping[str, float], batch: int, folder: Path
) -> Iterator[str]:
    size, why_size = _size(survey.look)
    augment, why_augment = _augment(survey)
    training = len(sets["train"].samples)
    fields = [_Field("train", _source(survey.sets["train"], folder), counted(survey.train))]
    for name in ("valid", "test"):
        if name in shares:
            reason = _why_split(name, sets, survey)
            fields.append(_Field(name, f"holdout({shares[name]:.0%})", reason))
        elif name in sets:
            fields.append(_Field(name, _source(survey.sets[name], folder), f"{len(sets[name].samples):,} images."))
    if "test" not in sets:
        reason = f"No test set: {len(survey.train.samples):,} images are too few for one. `valid` chooses the best"
        fields[-1] = _Field(fields[-1].name, fields[-1].value, f"{fields[-1].reason} {reason} epoch, so it flatters.")
    fields += [
        _Field("size", f"{size}px", why_size),
        _Field("augment", augment, why_augment),
        _Field("batch", str(batch), f"{training // batch:,} steps an epoch, of {training:,} images."),
    ]
    broken = survey.look.broken
    if broken:
        name, reason = broken[0]
        told = f"{len(broken)} of {survey.look.looked} images looked at cannot be read, such as {name} ({reason})."
        fields.append(_Field("on_error", "skip", f"{told} They are named and passed over."))
    yield from _block("data", fields)


def _block(header: str, fields: Sequence[_Field]) -> Iterator[str]:
    """Yield the reasons, one below the other as the fields are, and then the block."""
    width = max(len(each.name) for each in fields)
    for each in fields:
        if each.reason:
            yield from _comment(f"{each.name:<{width}}  {each.reason}", " " * (width + 2))
    yield f"{header} {{"
    yield from (f"{each.name} = {each.value}" for each in fields)
    yield "}"


def _comment(text: str, indent: str = "") -> list[str]:
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return wrap(printable, WIDTH, initial_indent="# ", subsequent_indent=f"# {indent}", break_on_hyphens=False)


def _source(found: Found, folder: Path) -> str:
    if not found.args:
        return found.call
    texts = {name: _string(_path(arg, folder) if isinstance(arg, Path) else arg) for name, arg in found.args.items()}
    first, *others = texts
    return f"{found.call}({', '.join([texts[first], *(f'{name} = {texts[name]}' for name in others)])})"


def _path(path: Path, folder: Path) -> str:
    """Return a path as the recipe writes it: relative, unless the two places have nothing in common."""
    if os.path.commonpath((path, folder)) == path.anchor:
        return str(path)
    return Path(os.path.relpath(path, folder)).as_posix()


def _string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RecipeError(UnwritableName(path=text)) from None
    return value_text(text, Text(), VOCABULARY)


def file_stem(name: str) -> str:
    """Return a name for a recipe and its file: letters, digits, `_` and `-` of the name that was found."""
    return re.sub(r"[^\w-]+", "-", name.encode(errors="replace").decode()).strip("-") or "recipe"


def counted(listing: Listing) -> str:
    """Return the number of images and of classes, the balance, and the classes by size (`2 classes, 1.3 : 1`)."""
    counts = sorted(zip(listing.counts(), listing.classes, strict=True), key=lambda pair: (-pair[0], pair[1]))
    shown = [f"{name} {count:,}" for count, name in (counts if len(counts) <= 6 else [*counts[:3], *counts[-2:]])]
    if len(counts) > 6:
        shown.insert(3, "…")
    return (
        f"{len(listing.samples):,} images, {len(counts):,} classes, {_inequality(listing):.1f} : 1 ({', '.join(shown)})."
    )


def _inequality(listing: Listing) -> float:
    return max(listing.counts()) / max(1, min(listing.counts()))


def _shares(survey: Survey) -> dict[str, float]:
    """Return what is held out of `train`: a validation set where there is none, a test set where images allow it."""
    count, smallest = len(survey.train.samples), min(survey.train.counts())
    tests = "test" in survey.sets or (count >= _ENOUGH_FOR_TEST and smallest >= _FEW)
    share = 0.1 if count >= _MANY else 0.15 if tests else 0.2
    wanted = ["valid", "test"] if tests else ["valid"]
    return {name: share for name in wanted if name not in survey.sets}


def _held_out(train: Listing, shares: Mapping[str, float]) -> dict[str, Listing]:
    return splits.holdouts(train, shares, _SEED)


def _why_split(name: str, sets: Mapping[str, Listing], survey: Survey) -> str:
    listing = sets[name]
    reason = f"{len(listing.samples):,} images, of each class alike."
    if name == "valid":
        few = [each for each, count in zip(survey.train.classes, survey.train.counts(), strict=True) if count < _FEW]
        if few:
            names = ", ".join(few[:5]) + (" and others" if len(few) > 5 else "")
            reason += f" Fewer than {_FEW} images are too few to judge a class by: {names}."
    return reason


def _size(look: Look) -> tuple[int, str]:
    """Return the side that nine of ten images have, as far as the base was made for it, and the reason."""
    sides = look.short_sides
    usual = sides[len(sides) // 10]
    size = max(_SMALLEST, min(PACKAGED[_BASE].size, usual // _STEP * _STEP))
    seen = f"{sides[0]}" if sides[0] == sides[-1] else f"{sides[0]} to {sides[-1]}"
    reason = f"Shorter sides are {seen} pixels ({look.looked} images looked at)."
    if usual < _SMALLEST:
        reason += f" Enlarged: the base sees little below {_SMALLEST}px."
    longest = sorted(max(pair) / min(pair) for pair in look.sizes)[len(look.sizes) // 2]
    if longest >= 2:
        reason += f" They are {longest:.1f} : 1 long: only the square in the middle is seen."
    return size, reason


_SPELT = re.compile(r"zero|one|two|three|four|five|six|seven|eight|nine")
_SIDED = re.compile(r"(?<![a-z])(left|right|clockwise|counterclockwise|anticlockwise)(?![a-z])", re.IGNORECASE)


def _augment(survey: Survey) -> tuple[str, str]:
    """Return the random steps for training images, and the reason."""
    names, look = survey.train.classes, survey.look
    is_tiny = look.short_sides[len(look.sizes) // 2] < _TINY
    crop = [] if is_tiny or look.grey else ["random_resized_crop(scale = 0.5 .. 1.0)"]
    if all(re.fullmatch(r"[^\W_]", name) or _SPELT.fullmatch(name.lower()) for name in names):
        return _listed(crop), "Not mirrored: the classes look like characters, or like grades. Else add flip(horizontal)."
    if any(map(_SIDED.search, names)):
        return _listed(crop), "Not mirrored: names of classes say left or right."
    if crop:
        return _listed([*crop, "flip(horizontal)"]), "Photos: parts of them, half of them mirrored, show the same thing."
    kind = "Small" if is_tiny else "Grey"
    return "[flip(horizontal)]", f"{kind} images: mirrored only, a crop might cut off what decides."


def _listed(steps: Sequence[str]) -> str:
    return f"[{', '.join(steps)}]" if steps else "none"


def _batch(training: int) -> int:
    """Return a power of two that leaves eight steps an epoch where it can."""
    most = 64 if training >= _PASSES else 32
    return min(most, 1 << max(0, (training // 8).bit_length() - 1))


def _stages(sets: Mapping[str, Listing], survey: Survey) -> Iterator[str]:
    training = len(sets["train"].samples)
    metric = "balanced_accuracy" if _inequality(survey.train) >= _UNEQUAL else "accuracy"
    counted_as = "The classes are unequal: each counts alike." if metric != "accuracy" else "The best epoch is kept."
    epochs = min(_MOST_EPOCHS, max(1, round(_PASSES / training)))
    yield ""
    yield f"# The new head alone, on a frozen base: about {epochs * training:,} images to see."
    if training >= _MANY:
        yield f"# `take = {training // 10} images` in `data` makes a first try ten times shorter."
    monitor = _Field("monitor", f"valid.{metric}", counted_as)
    head = (_Field("train", "head"), _Field("for", _epochs(epochs)), _Field("optimizer", "adam(lr = 5e-3)"), monitor)
    yield from _block('stage "head"', head)
    yield ""
    each = len(survey.train.samples) // len(survey.train.classes)
    if each < _ENOUGH_TO_OPEN:
        yield f"# The base stays frozen: {each} images a class are too few to change it."
        return
    yield f"# Then the top of the base at lower rates: {each:,} images a class are enough."
    top = (
        _Field("train", "base.block6 .. head"),
        _Field("for", _epochs(max(2, epochs))),
        _Field("optimizer", "adamw(lr = 3e-4)"),
        _Field("lr_scale", "layer_decay(0.7)"),
        _Field("schedule", "cosine(warmup = 1 epoch)"),
        _Field("norm", "frozen", f"Batches of {_batch(training)} say less about these images than ImageNet's statistics."),
        _Field("monitor", f"valid.{metric}"),
    )
    yield from _block('stage "top blocks"', top)


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' if count > 1 else ''}"


def _claim(sets: Mapping[str, Listing]) -> Iterator[str]:
    name = "test" if "test" in sets else "valid"
    yield ""
    yield "# After the first run, claim a little less than it reached; every later run is then tested against it:"
    yield f"# expect {{ {name}.accuracy >= … }}"
