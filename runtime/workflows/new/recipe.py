"""A commented recipe for what a survey found: `starter(survey, folder) -> Starter`.

In goes a `Survey`, out comes the text of a recipe in canonical layout, and how it divides the images. Above each block
stands why its fields are as they are, with the numbers that were seen. The rules of thumb are the constants below.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

from recipe_lang.output.formatter import format_text
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.words import printable
from runtime.data import splits
from runtime.data.sources.catalog import SOURCES
from runtime.data.targets import BOXES, MASK
from runtime.models.packaged import PACKAGED
from runtime.tasks.catalog import TASKS, USUAL
from runtime.tasks.protocol import Suggestion
from runtime.workflows.new import detection, segmentation
from runtime.workflows.new.division import SEED, Division, divided
from runtime.workflows.new.lines import Field, block, comment, source_text, string, unreadable, untested
from runtime.workflows.new.scan import Survey

_BASE = "efficientnet_lite0"
_NATIVE = PACKAGED[_BASE].size
_SMALLEST = 64  # px; of scikit-learn's 8 px digits it had .88 right at 32 px, and .93 at 64 px
_USEFUL = 128  # px, below which images that are larger themselves lost (docs/new.md): they are made no smaller
_EPOCHS_LEFT = 5  # of the head, for which a larger size has to leave time
_STEP = 32  # px; the base halves its input five times
_VIEWS = 4  # fixed crops of an image: named and not written, since they cost up to 3 points (docs/new.md)
_LONG = 2.0  # longer side to shorter, from which on a square shows less than half
_ENOUGH_FOR_TEST = 300  # images; 15% of fewer would tell accuracies apart by chance
_ENOUGH_TO_CHOOSE = (
    50  # validation images, below which chance chooses: with 35 to 40 the last epoch had 1 to 4% more right
)
_ENOUGH_FOR_MORE = 1_000  # training images, from which on more than the last block changes
_BIG_BATCH = 10_000  # images, from which on a batch has 64
_MANY = 20_000  # images, from which on a tenth of them is a test set, and a first try wants fewer
_WORK = 8_000  # images of the base's own size through the network in a stage: a few minutes on two cores
_MOST_EPOCHS = {"head": 10, "top": 8}  # more of them learn few images by heart


_OTHERS = {BOXES: (detection.shares, detection.body), MASK: (segmentation.shares, segmentation.body)}


@dataclass(frozen=True, slots=True)
class Starter:
    """A recipe's text, and the sets that it makes of the images."""

    text: str
    division: Division


@dataclass(frozen=True, slots=True)
class _Choices:
    """What was found, and what most lines of the recipe depend on; `size` is in pixels."""

    survey: Survey
    suggestion: Suggestion
    division: Division
    size: int
    batch: int

    @property
    def training(self) -> int:
        return self.division.training

    @property
    def monitor(self) -> tuple[Field, ...]:
        """The line that chooses an epoch, where enough images do."""
        if len(self.division.sets["valid"].samples) < _ENOUGH_TO_CHOOSE:
            return ()
        return (Field("monitor", f"valid.{self.suggestion.metric}", self.suggestion.why_metric),)

    def epochs(self, stage: str) -> int:
        """Return how many epochs are about the same work for all data; small images cost less."""
        images = _WORK * (_NATIVE / self.size) ** 2
        return min(_MOST_EPOCHS[stage], max(2, round(images / self.training)))


def starter(survey: Survey, folder: Path, size: int | None = None) -> Starter:
    """Write a recipe for what was found, with paths relative to `folder`, where the recipe will lie.

    `size` in pixels stands in place of the one that would be chosen.

    Raises:
        RecipeError: the images cannot be split, or a name cannot be written.
    """
    place = Path(os.path.realpath(folder))
    if (other := _OTHERS.get(TASKS[survey.task].target)) is not None:
        shares, body = other
        division = divided(survey, shares(survey))
        lines = [*body(survey, division, place, size)]
    else:
        choices = _choose(survey, size)
        division, lines = choices.division, _body(choices, place)
    text = "\n".join([*_head(survey), *lines])
    return Starter(format_text(Source("starter.ftr", f"{text}\n")), division)


def _body(choices: _Choices, folder: Path) -> list[str]:
    return [
        *_data(choices, folder),
        "",
        f"# ImageNet weights that come as a Python package, made for {_NATIVE}px: no download.",
        f'base = packaged("{_BASE}")',
        f"head = [dropout(0.2), dense({TASKS[choices.survey.task].outputs})]",
        *_loss(choices.suggestion),
        "",
        *_head_stage(choices),
        "",
        *_top_stage(choices),
        "",
        *_claim(choices),
    ]


def _loss(suggestion: Suggestion) -> Iterator[str]:
    if suggestion.loss:
        yield ""
        yield from comment(suggestion.why_loss)
        yield f"loss = {suggestion.loss}"


def summary(survey: Survey) -> str:
    """Say in a line how many images there are, and what their targets are like."""
    return f"{len(survey.train.samples):,} images, {TASKS[survey.task].suggest(survey.train).summary}"


def file_stem(name: str) -> str:
    """Return a name for a recipe and its file: letters, digits, `_` and `-` of the name that was found."""
    known = name.encode(errors="replace").decode()
    return re.sub(r"[^\w-]+", "-", known).strip("-")[:80] or "recipe"


def _choose(survey: Survey, size: int | None) -> _Choices:
    train, task = survey.train, TASKS[survey.task]
    suggestion = task.suggest(train)
    division = divided(survey, _shares(survey, suggestion))
    batch = _batch(division.training)
    problems = [*task.problems(division.sets), *splits.too_small(division.sets, batch)]
    if problems:
        raise RecipeError(problems)
    return _Choices(survey, suggestion, division, size or _size(_middle_side(survey), division.training), batch)


def _size(own: int, training: int) -> int:
    """Return the largest size that leaves time for some epochs; small images gain most of being enlarged."""
    affordable = _NATIVE * sqrt(_WORK / (_EPOCHS_LEFT * training))
    least = max(_SMALLEST, min(_USEFUL, own))
    return int(max(least, min(_NATIVE, affordable)) // _STEP * _STEP)


def _shares(survey: Survey, suggestion: Suggestion) -> dict[str, float]:
    """Return what is held out of `train`: a validation set where there is none, a test set where images allow it."""
    count = len(survey.train.samples)
    tests = "test" in survey.sets or (count >= _ENOUGH_FOR_TEST and suggestion.can_be_tested)
    share = 0.1 if count >= _MANY else 0.15 if tests else 0.2
    return {name: share for name in ("valid", "test")[: 1 + tests] if name not in survey.sets}


def _batch(training: int) -> int:
    """Return a power of two that leaves eight steps an epoch where it can."""
    most = 64 if training >= _BIG_BATCH else 32
    return min(most, 1 << max(0, (training // 8).bit_length() - 1))


def _usual_side(survey: Survey) -> int:
    """Return the shorter side in pixels that nine of ten images have."""
    sides = survey.sampled.short_sides
    return sides[len(sides) // 10]


def _middle_side(survey: Survey) -> int:
    """Return the shorter side in pixels that half of the images have."""
    sides = survey.sampled.short_sides
    return sides[len(sides) // 2]


def _head(survey: Survey) -> Iterator[str]:
    yield "# A starting point for the images that were found: change what you know better."
    for note in survey.notes:
        yield from comment(note)
    yield "ftr 1"
    yield ""
    yield f"name = {string(file_stem(survey.name))}"
    if survey.task != USUAL.name:
        yield f"task = {survey.task}"
    yield f"seed = {SEED}"
    yield ""


def _data(choices: _Choices, folder: Path) -> Iterator[str]:
    survey = choices.survey
    source = source_text(survey.sets["train"], folder)
    suppression, why = ("", "") if choices.monitor else choices.suggestion.unmonitored(choices.division.sets["train"])
    fields = [
        Field("train", f"{source}{suppression}", f"{summary(survey)}{choices.suggestion.detail}{' ' * bool(why)}{why}"),
        *_evaluation(choices, folder),
        Field("size", f"{choices.size}px", _why_size(survey, choices.size)),
        *_reading(survey),
        _augment(choices),
        Field("batch", str(choices.batch), f"{choices.training // choices.batch:,} steps per epoch."),
        *unreadable(survey.sampled),
    ]
    yield from block("data", fields)


def _evaluation(choices: _Choices, folder: Path) -> Iterator[Field]:
    """Yield the lines of the sets that do not train."""
    sets = choices.division.sets
    for name in ("valid", "test"):
        if name not in sets:
            continue
        share, reason = choices.division.shares.get(name), f"{len(sets[name].samples):,} images"
        if share is None:
            value = source_text(choices.survey.sets[name], folder)
        else:
            by = choices.survey.sets["train"].by
            value = f"holdout({share:.0%}, by = {string(by)})" if by else f"holdout({share:.0%})"
            together = f"; images of a {printable(by)} stay together" if by else ""
            reason = f"{reason}, {choices.suggestion.held}{together}"
        if name == "valid" and not choices.monitor:
            reason += ": too few to choose an epoch by, so stages keep their last"
        elif name == "valid" and "test" not in sets:
            reason += ". They choose the epoch, so they flatter it"
        if name == "valid" and "test" not in sets:
            reason += f". {untested(len(choices.survey.train.samples), _ENOUGH_FOR_TEST)}"
        yield Field(name, value, f"{reason}.")


def _why_size(survey: Survey, size: int) -> str:
    sides, own = survey.sampled.short_sides, _middle_side(survey)
    seen = f"{own} pixels" if sides[0] == sides[-1] else f"{sides[0]} to {sides[-1]} pixels, half at least {own}"
    reason = f"Shorter sides are {seen} ({survey.sampled.count} images looked at)."
    if size > own:
        reason += f" Enlarged: the base is made for {_NATIVE}px, and sees little in small images."
    if size < _NATIVE:
        reason += f" {_NATIVE}px may reach more, and takes {(_NATIVE / size) ** 2:.1f} times as long."
    ratios = sorted(max(pair) / min(pair) for pair in survey.sampled.sizes)
    ratio = ratios[len(ratios) // 2]
    if ratio >= _LONG:
        reason += f" They are {ratio:.1f} times as long: only the square in the middle is seen."
    return reason


def _reading(survey: Survey) -> Iterator[Field]:
    """Yield the line that says how transparency and values of 16 bits are read, where there are such."""
    sampled, steps, reasons = survey.sampled, [], []
    if sampled.transparent:
        ground = "black" if 2 * sampled.vanishing > sampled.transparent else "white"
        steps.append(f"flatten_alpha({ground})")
        why = f", since {sampled.vanishing} of them vanish on white" if ground == "black" else ""
        reasons.append(
            f"{sampled.transparent} of {sampled.count} images looked at are transparent: flattened onto {ground}{why}."
        )
    if sampled.levels is not None:
        steps.append(f"levels({sampled.levels})")
        reasons.append(f"16-bit values end at {sampled.levels} or below: that is white, or the images would be black.")
    if steps:
        yield Field("prepare", f"[{', '.join(steps)}]", " ".join(reasons))


def _augment(choices: _Choices) -> Field:
    survey = choices.survey
    is_tiny = _usual_side(survey) < _SMALLEST
    uncropped = choices.suggestion.uncropped
    if is_tiny or survey.sampled.grey:
        uncropped = f"{'Small' if is_tiny else 'Grey'} images: mirrored only, a crop might cut off what decides."
    crops, sided = not uncropped, choices.suggestion.sided(is_tiny and survey.sampled.grey)
    source = SOURCES.get(survey.sets["train"].call)
    sided = sided or ("the images show characters" if source is not None and source.shows_characters else "")
    steps = ["random_resized_crop(scale = 0.5 .. 1.0)"] * crops + ["flip(horizontal)"] * (not sided)
    reason = "Photos: a part of one, mirrored or not, shows the same. Leave out what changes the class."
    reason = f"Not mirrored: {sided}." if sided else uncropped or reason
    if crops and choices.epochs("top") > _VIEWS:
        reason += f" `views = {_VIEWS}` takes about half the time, and cost 0 to 3 points of accuracy."
    return Field("augment", f"[{', '.join(steps)}]" if steps else "none", reason)


def _head_stage(choices: _Choices) -> Iterator[str]:
    epochs = choices.epochs("head")
    yield from comment(f"The new head alone, on a frozen base: {epochs} times {choices.training:,} images.")
    if len(choices.survey.train.samples) >= _MANY:
        tenth = choices.training // 1000 * 100
        yield from comment(f"`take = {tenth} images` in the data block makes a first try ten times shorter.")
    fields = (
        Field("train", "head"),
        Field("for", f"{epochs} epochs"),
        Field("optimizer", "adam(lr = 5e-3)"),
        *choices.monitor,
    )
    yield from block('stage "head"', fields)


def _top_stage(choices: _Choices) -> Iterator[str]:
    suggestion = choices.suggestion
    if suggestion.too_few:
        yield from comment(f"The base stays as it is: {suggestion.too_few} are too few to train more of it.")
        return
    yield from comment(f"Then the top of the base at a lower learning rate: {suggestion.enough} for that.")
    first = "block6" if choices.training >= _ENOUGH_FOR_MORE else "block7"
    fields = (
        Field("train", f"base.{first} .. head"),
        Field("for", f"{choices.epochs('top')} epochs"),
        Field("optimizer", "adamw(lr = 3e-4)"),
        Field("lr_scale", "layer_decay(0.7)", "Each part has 0.7 of the learning rate of the one after it."),
        Field("schedule", "cosine(warmup = 1 epoch)"),
        Field("norm", "frozen", f"ImageNet's statistics are steadier than those of {choices.batch} images."),
        *([replace(each, reason="") for each in choices.monitor] or [Field("keep", "last")]),
    )
    yield from block('stage "top"', fields)


def _claim(choices: _Choices) -> Iterator[str]:
    name = "test" if "test" in choices.division.sets else "valid"
    metric = choices.suggestion.metric
    less, sign = ("less", ">=") if TASKS[choices.survey.task].metrics[metric].higher_is_better else ("more", "<=")
    yield f"# After the first run, claim a little {less} than it reached; later runs are tested against it:"
    yield f"# expect {{ {name}.{metric} {sign} … }}"
