"""What training sees, as one picture: `ftr data show`.

In go a prepared recipe and one of its stages; out come the images of its first epochs as the network gets them, with
their targets drawn, and a sheet of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recipe_lang.words import listed, printable
from runtime.data.decoded import Opening
from runtime.data.listing import Pixels, Sample
from runtime.data.loader import prepared_sample
from runtime.data.sets import Sets
from runtime.data.tiles import tiled
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.mixed import mixes
from runtime.data.transforms.views import chosen, draw_view, is_fixed, version
from runtime.plan.size import Size
from runtime.plan.types import StagePlan
from runtime.system.fonts import font_for
from runtime.system.random import derive
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import Task
from runtime.workflows.preparation import Prepared

_EPOCHS = 4  # of an image, side by side, where each shows it otherwise
_COLUMNS = 6  # of different images
_SIDES = (192, 320)  # px, between which the longer side of a picture is brought
_GAP, _LINE = 8, 16
_MOST_LINES = 4  # of a title, and of what a target says


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A training image as the network gets it in an epoch, from 0; its target has gone through the same changes."""

    id: str
    epoch: int
    pixels: Pixels
    target: Any


def seen_in_training(prepared: Prepared, stage: StagePlan, count: int) -> list[Seen]:
    """Return images in the order of the first epoch of a stage, each as its first epochs show it.

    There is one epoch where all show the same.

    Raises:
        RecipeError: an image cannot be read.
    """
    plan = prepared.plan
    samples = {name: tiled(each.samples, plan.data.tiles) for name, each in prepared.listings.items()}
    sets = Sets(plan.data, plan.seed, samples, 0, lambda targets: np.zeros(len(targets)))
    opening = Opening()
    shown = [(epoch, stage.at(epoch)) for epoch in _epochs(stage)]
    pipelines = {epoch: Pipeline(phase.augment) for epoch, phase in shown}
    return [
        Seen(s.id, epoch, *prepared_sample(s, opening, pipelines[epoch], partial(_randomness, sets, phase, epoch)))
        for s in list(dict.fromkeys(sets.order(stage, 0)))[:count]
        for epoch, phase in shown
    ]


def _epochs(stage: StagePlan) -> list[int]:
    """Return the epochs to show, from 0: the first of each phase, as many as tell them apart."""
    phases = stage.phases()
    each = max(1, _EPOCHS // len(phases))
    return [epoch for epochs, phase in phases for epoch in epochs[: 1 if phase.views == 1 else each]]


def _randomness(sets: Sets, stage: StagePlan, epoch: int, sample: Sample) -> Any:
    """Return what gives a sample its view in an epoch, as training does (`runtime/features/inputs.py`)."""
    if stage.views is not None and is_fixed(stage.augment, stage.views):
        return chosen(version(stage.augment, derive(sets.seed, "version", sample.id, epoch % stage.views)))
    drawn = sets.randomness(stage, epoch, sample)
    return drawn if stage.views is None else chosen(draw_view(stage.augment, drawn))


def contact_sheet(seen: Sequence[Seen], task: Task, names: tuple[str, ...], title: str) -> Image.Image:
    """Draw images in rows, each with its target and its id; the epochs of an image stand side by side."""
    epochs = len({each.epoch for each in seen})
    columns = epochs if epochs > 1 else min(_COLUMNS, len(seen))
    pictures = [_picture(each, task, names) for each in seen]
    width, height = (max(sides) for sides in zip(*(picture.size for picture in pictures), strict=True))
    texts = [(_name(each, epochs), printable(task.caption(each.target, names))) for each in seen]
    font = _font("".join([title, *(text for pair in texts for text in pair)]))
    captions = [[_cut(name, width, font, keep_end=True), *_broken(said, width, font)] for name, said in texts]
    heading = _broken(printable(title), columns * (width + _GAP), font)
    top = 2 * _GAP + len(heading) * _LINE
    step = width + _GAP, height + max(map(len, captions)) * _LINE + _GAP
    sheet = Image.new("RGB", (_GAP + columns * step[0], top + -(-len(seen) // columns) * step[1]), "white")
    draw = ImageDraw.Draw(sheet)

    def write(x: int, y: int, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines):
            draw.text((x, y + number * _LINE), line, fill="black", font=font)

    write(_GAP, _GAP, heading)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = _GAP + number % columns * step[0], top + number // columns * step[1]
        sheet.paste(picture, (x, y))
        write(x, y + height, caption)
    return sheet


def _picture(seen: Seen, task: Task, names: tuple[str, ...]) -> Image.Image:
    picture = Image.fromarray(seen.pixels)
    longer = max(picture.size)
    factor = min(_SIDES[1], max(_SIDES[0], longer)) / longer
    if factor != 1:
        kind = Image.Resampling.NEAREST if factor > 2 else Image.Resampling.BICUBIC
        picture = picture.resize((round(picture.width * factor), round(picture.height * factor)), kind)
    task.mark(picture, seen.target, names, Size(*seen.pixels.shape[:2]))
    return picture


def _name(seen: Seen, epochs: int) -> str:
    return f"epoch {seen.epoch + 1}" if epochs > 1 and seen.epoch else printable(seen.id)


def _font(letters: str) -> Any:
    return ImageFont.load_default(_LINE - 4) if letters.isascii() else font_for(letters, _LINE - 4)


def _broken(text: str, width: int, font: Any) -> list[str]:
    """Break a text between words; of the last line, and of a longer word, the end is left out."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and len(lines) < _MOST_LINES and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_cut(line, width, font) for line in lines]


def _cut(text: str, width: int, font: Any, *, keep_end: bool = False) -> str:
    """Return a text that fits, with `…` for its end, or its beginning: of a path the end is what tells."""
    shown, left = text, len(text)
    while left and font.getlength(shown) > width:
        left -= 1
        shown = f"…{text[len(text) - left :]}" if keep_end else f"{text[:left]}…"
    return shown


def sheet_title(prepared: Prepared, stage: StagePlan, seen: Sequence[Seen]) -> str:
    """Say what a sheet shows: how many images, of which stage and epochs."""
    images, epochs = len({each.id for each in seen}), [str(epoch + 1) for epoch in dict.fromkeys(e.epoch for e in seen)]
    when = "each epoch"
    if len(epochs) > 1:
        when = f"epochs {listed(tuple(epochs), 'and')}" if stage.switches else f"epochs 1 to {epochs[-1]}"
    mixing = ", before their batch is mixed" * any(mixes(phase.augment) for _, phase in stage.phases())
    return f"{prepared.plan.name}: {images} training images as {stage.name} sees them in {when}{mixing}"


def sheet_of(prepared: Prepared, stage: StagePlan, count: int) -> tuple[Image.Image, str]:
    """Return the sheet of a stage, and what it shows in a sentence.

    Raises:
        RecipeError: an image cannot be read.
    """
    seen = seen_in_training(prepared, stage, count)
    title = sheet_title(prepared, stage, seen)
    return contact_sheet(seen, task_of(prepared.recipe), prepared.listings["train"].names, title), title
