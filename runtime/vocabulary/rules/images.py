"""Sizes, steps and tiles of images that do not fit each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.problem import Kind, Problem
from recipe_lang.source import Span
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.plan.size import Size
from runtime.tasks.catalog import task_of
from runtime.vocabulary.models import (
    accepts,
    base_name,
    base_problems,
    native_size,
    size_text,
)

MixedVersions = Kind(
    "E411",
    "mixed versions",
    reason="""A step that mixes images pairs each with another one of its batch, a new one each time.

    Versions that are drawn once, with `views`, are of single images: frozen features of them are cached.""",
    fields="name views_span",
    message="`{name}` mixes each image with others, and cannot have versions that are drawn once",
    help="leave out `views`, or `{name}`",
    related={"views_span": "the versions"},
)

SizeConflict = Kind(
    "E423",
    "size conflict",
    reason="All crops make images of the side that `size` says.",
    fields="crop size size_span",
    message="this crop makes images of {crop}, but `size` is {size}",
    help="write `{size}` here, or leave the crop's size out",
    related={"size_span": "the size"},
)

SizeNotTaken = Kind(
    "E427",
    "size not taken",
    reason="Each base takes images of certain sizes only.",
    fields="base size takes",
    message="{base} cannot train on images of {size}: it takes {takes}",
)

StepMisused = Kind(
    "E429",
    "step misused",
    reason="`normalize`, `flatten_alpha` and `levels` are given once, in `prepare`, where they apply to all images.",
    fields="name where",
    message="`{name}` {where}",
    help=lambda p: (
        f"write it once, in `prepare`: it is applied {'first' if TRANSFORMS[p.name].reads else 'last'}, to all images"
    ),
)

CellsCut = Kind(
    "E434",
    "cells cut",
    reason="A head over several maps adds each to the next finer one at twice its size, so sides are whole cells.",
    fields="size step",
    message="a head over maps takes sides in steps of {step}px, not {size}",
    help="write for example `size = 256px`",
)

NothingCrops = Kind(
    "E432",
    "nothing crops",
    reason="The network takes square images of one size: a resize sets the shorter side only, so a crop follows it.",
    message="no crop follows this resize",
    help="add `center_crop` after it, or `random_crop` in `augment`",
)

TilesCut = Kind(
    "E440",
    "tiles cut",
    reason="""All of a tile is seen: where a step cuts it, something lies in no tile.

    `stretch` and `letterbox` show all of an image.""",
    fields="tiles_span",
    message="`prepare` cuts off a part of each tile",
    help="leave `prepare` out, or write `prepare = [stretch]`",
    related={"tiles_span": "the tiles"},
)

_COARSEST = 32  # pixels of a cell of the coarsest map


def image_size(recipe: CheckedRecipe) -> tuple[Size, Span | None]:
    """Return the size of the images that the network sees, and where it is written."""
    data = recipe.block("data")
    if data["size"] is not None:
        return written_size(data["size"]), data.fields["size"].span
    for step in data["prepare"] or ():
        if TRANSFORMS[step.value.name].crops and step.value["size"] is not None:
            return written_size(step.value["size"]), step.value.args["size"].span
    return Size.square(native_size(recipe["base"])), recipe.fields["base"].span


def written_size(value: Any) -> Size:
    """Return a size as a recipe writes it: a side, or height and width."""
    return Size(*(each.value for each in value)) if isinstance(value, tuple) else Size.square(value)


def _sizes(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    size, size_span = image_size(recipe)
    lists = [data["prepare"], *(block["augment"] for block in (data, *recipe.all("stage")))]
    for step in (step.value for steps in lists if isinstance(steps, tuple) for step in steps):
        crop = step["size"] if TRANSFORMS[step.name].crops else None
        if crop is not None and written_size(crop) != size:
            crop = written_size(crop)
            yield SizeConflict(span=step.args["size"].span, crop=crop.written, size=size.written, size_span=size_span)
    if task_of(recipe).takes_maps and any(side % _COARSEST for side in size):
        yield CellsCut(span=size_span, size=size.short, step=_COARSEST)
    base: CallValue = recipe["base"]
    yield from (problem.replace(span=recipe.fields["base"].span) for problem in base_problems(base))
    if not all(accepts(base, side) for side in size):
        yield SizeNotTaken(span=size_span, base=base_name(base), size=size.short, takes=size_text(base))


def _uncropped(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    for block, name in ((data, "prepare"), (data, "augment"), *((stage, "augment") for stage in recipe.all("stage"))):
        steps = block[name] if isinstance(block[name], tuple) else ()
        rows = [TRANSFORMS[step.value.name] for step in steps]
        resizes = [index for index, row in enumerate(rows) if row.resizes and not row.crops]
        crops = [index for index, row in enumerate(rows) if row.crops]
        # In `prepare` the compiler adds the crop where none is written.
        if resizes and max(crops, default=len(steps) if name == "prepare" else -1) < resizes[-1]:
            yield NothingCrops(span=steps[resizes[-1]].span)


def _once(recipe: CheckedRecipe) -> Iterator[Problem]:
    """Find misuse of what holds for all images."""
    data = recipe.block("data")
    names = {name for name, row in TRANSFORMS.items() if not row.augments and row.draw is None}
    seen: set[str] = set()
    for step in data["prepare"] or ():
        if step.value.name in names and step.value.name in seen:
            yield StepMisused(span=step.span, name=step.value.name, where="is given twice")
        seen.add(step.value.name)
    for block in (data, *recipe.all("stage")):
        augment = block["augment"]
        for step in augment if isinstance(augment, tuple) else ():
            if step.value.name in names:
                yield StepMisused(span=step.span, name=step.value.name, where="is not an augmentation")


def _mixes(recipe: CheckedRecipe) -> Iterator[Problem]:
    """Find fixed versions of images that are mixed with others."""
    data = recipe.block("data")
    for stage in recipe.all("stage"):
        shared = stage["augment"] == "shared"
        views = data if stage["views"] == "shared" else stage
        for step in (data if shared else stage)["augment"] or ():
            if TRANSFORMS[step.value.name].mix and views["views"] is not None:
                yield MixedVersions(span=step.span, name=step.value.name, views_span=views.span_of("views"))


def _tiles(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    names = {step.value.name for step in data["prepare"] or ()}
    if data["tiles"] is not None and (names.isdisjoint(("stretch", "letterbox")) or "center_crop" in names):
        yield TilesCut(span=data.span_of("prepare"), tiles_span=data.span_of("tiles"))


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _sizes,
    _uncropped,
    _once,
    _mixes,
    _tiles,
)
