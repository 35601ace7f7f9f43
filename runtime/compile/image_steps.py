"""What a recipe says of its images to the steps that evaluation and training do to them, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, floor

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe, Value
from runtime.compile.components import component
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.data.transforms.row import Sides
from runtime.data.transforms.views import is_idle
from runtime.models.catalog import crop_share
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.vocabulary.rules.images import image_size, phase_size


def prepare_steps(
    block: CheckedBlock, size: Size, share: float = 1.0
) -> tuple[tuple[Component, ...], Component | None]:
    """Return the steps for evaluation, how files are read first, and the `normalize` step where one is written.

    Where no geometry is written, it is the usual one: the centre, which is this share of the shorter side.
    """
    written = block["prepare"] or ()
    resize = Component("resize", {"size": Size(*(floor(side / share) for side in size)).plain})
    crop = Component("center_crop", {"size": size.plain})
    steps = [component(value) for value in written]
    reading = [item for item in steps if TRANSFORMS[item.name].reads]
    geometry = [_sized(item, size) for item in steps if TRANSFORMS[item.name].draw]
    normalize = next((item for item in steps if item not in reading and not TRANSFORMS[item.name].draw), None)
    if not geometry:
        geometry = [resize]
    if not any(TRANSFORMS[item.name].crops for item in geometry):
        geometry.append(crop)
    return (*reading, *geometry), normalize


def _sized(item: Component, size: Size) -> Component:
    if "size" in item.args and item.args["size"] is None:
        return Component(item.name, {**item.args, "size": size.plain}, item.span)
    return item


def training_steps(
    augment: tuple[Value, ...] | None, prepare: tuple[Component, ...], size: Size, sides: Sides | None = None
) -> tuple[Component, ...]:
    """Return what is done to a training image, in order, less what does nothing.

    Without augmentation that is `prepare`. An augmentation with a crop of its own replaces the crops of `prepare`, and
    its resizing as well where it brings its own; any other one comes behind it.
    """
    sides = sides if size.height == size.width else None  # steps that do nothing to squares do something then
    steps = [_sized(component(value), size) for value in augment or ()]
    rows = [TRANSFORMS[item.name] for item in steps]
    crops = any(row.crops for row in rows)
    resizes = crops and any(row.resizes for row in rows)
    replaced = {name for name, row in TRANSFORMS.items() if row.crops and crops or row.resizes and resizes}
    before = [item for item in prepare if item.name not in replaced]
    return tuple(_settled([*before, *(item for item in steps if not is_idle(item))], sides))


def _settled(steps: list[Component], sides: Sides | None) -> Iterator[Component]:
    """Yield the steps, and for a random crop that has no choice the fixed step that it is: it can be kept."""
    for item in steps:
        fixed = TRANSFORMS[item.name].fixed(item.args, sides) if sides else None
        if fixed is not None:
            item = Component(fixed, {"size": item.args["size"]}, item.span)
        row = TRANSFORMS[item.name]
        if row.crops or row.resizes and sides:
            sides = item.args["size"], item.args["size"]
        yield item


def needs_sides(recipe: CheckedRecipe) -> bool:
    """Whether a crop may have no choice if all images are square: then their sizes matter."""
    size, _ = image_size(recipe)
    prepare, _ = prepare_steps(recipe.block("data"), size, crop_share(component(recipe.fields["base"])))

    def steps(phase: CheckedBlock, sides: Sides | None) -> tuple[Component, ...]:
        return phase_steps(recipe, phase, prepare, size, sides)

    return any(steps(phase, None) != steps(phase, (1, 1)) for phase in recipe.phases("stage"))


def phase_steps(
    recipe: CheckedRecipe, phase: CheckedBlock, prepare: tuple[Component, ...], size: Size, sides: Sides | None
) -> tuple[Component, ...]:
    """Return what is done to training images in a stage, or a phase of it; `prepare` and `size` are those of the data.

    Where its images have another size, all that `prepare` says of sizes changes with it.
    """
    own = phase_size(recipe, phase)
    if own != size:
        prepare = tuple(_resized(step, size, own) for step in prepare)
    return training_steps(augmentation(recipe, phase), prepare, own, sides)


def _resized(step: Component, size: Size, own: Size) -> Component:
    given = step.args.get("size")
    if given is None:
        return step
    if TRANSFORMS[step.name].crops:  # all crops are of the size of the data
        return replace(step, args={**step.args, "size": own.plain})
    factor = max(new / old for new, old in zip(own, size, strict=True))
    scaled = Size(*(ceil(side * factor) for side in Size.of(given)))
    return replace(step, args={**step.args, "size": scaled.plain})


def augmentation(recipe: CheckedRecipe, stage: CheckedBlock) -> tuple[Value, ...] | None:
    """Return what a stage writes of its augmentation, or the recipe for all stages."""
    own, shared = stage["augment"], recipe.block("data")["augment"]
    chosen: tuple[Value, ...] | None = shared if own == "shared" else own
    return chosen
