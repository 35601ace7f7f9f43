"""Sizes, steps and tiles of images that do not fit each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe
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


def phase_size(recipe: CheckedRecipe, phase: CheckedBlock) -> Size:
    """Return the size of the training images of a stage, or of a phase of it."""
    return image_size(recipe)[0] if phase["size"] == "shared" else written_size(phase["size"])


def written_size(value: Any) -> Size:
    """Return a size as a recipe writes it: a side, or height and width."""
    return Size(*(each.value for each in value)) if isinstance(value, tuple) else Size.square(value)


def _sizes(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    size, size_span = image_size(recipe)
    base: CallValue = recipe["base"]
    yield from (problem.replace(span=recipe.fields["base"].span) for problem in base_problems(base))
    used = [(data["prepare"], size, size_span), (data["augment"], size, size_span)]
    for phase in recipe.phases("stage"):
        own = data["augment"] if phase["augment"] == "shared" else phase["augment"]
        used.append((own, phase_size(recipe, phase), phase.fields["size"].span or size_span))
    yield from _conflicts(used)
    for each, span in dict.fromkeys((each, span) for _, each, span in used):
        if task_of(recipe).takes_maps and any(side % _COARSEST for side in each):
            yield CellsCut(span=span, size=each.short, step=_COARSEST)
        if not all(accepts(base, side) for side in each):
            yield SizeNotTaken(span=span, base=base_name(base), size=each.short, takes=size_text(base))


def _conflicts(used: Iterable[tuple[Any, Size, Span | None]]) -> Iterator[Problem]:
    """Find crops of another size than that of the images for which they are used; each is told once."""
    told: set[Span | None] = set()
    for steps, size, size_span in used:
        for step in (each.value for each in steps if TRANSFORMS[each.value.name].crops) if steps else ():
            crop, span = step["size"], step.args["size"].span
            if crop is not None and written_size(crop) != size and span not in told:
                told.add(span)
                yield SizeConflict(span=span, crop=written_size(crop).written, size=size.written, size_span=size_span)


def _uncropped(recipe: CheckedRecipe) -> Iterator[Problem]:
    data = recipe.block("data")
    named = [(name, data[name]) for name in ("prepare", "augment")]
    for name, value in (*named, *(("augment", each.value) for each in recipe.all_values("stage", "augment"))):
        steps = value if isinstance(value, tuple) else ()
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
    for augment in (data["augment"], *(each.value for each in recipe.all_values("stage", "augment"))):
        for step in augment if isinstance(augment, tuple) else ():
            if step.value.name in names:
                yield StepMisused(span=step.span, name=step.value.name, where="is not an augmentation")


def _mixes(recipe: CheckedRecipe) -> Iterator[Problem]:
    """Find fixed versions of images that are mixed with others."""
    data = recipe.block("data")
    told: set[Span | None] = set()
    for stage in recipe.phases("stage"):
        shared = stage["augment"] == "shared"
        views = data if stage["views"] == "shared" else stage
        for step in (data if shared else stage)["augment"] or ():
            if TRANSFORMS[step.value.name].mix and views["views"] is not None and step.span not in told:
                told.add(step.span)
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
