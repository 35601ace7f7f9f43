"""Advice on the objects of a plan (W786, W787)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_lang.problem import Kind, Problem
from recipe_lang.words import counted, listed

if TYPE_CHECKING:
    from recipe_lang.check.checked import CheckedRecipe
    from runtime.tasks.detection.targets import BoxFacts


def _dropped(p: Problem) -> str:
    each = listed(tuple(f"{count:,} {why}" for why, count in p.dropped), "and")
    return f"{counted(p.total, 'object is', 'objects are')} left out of the training images: {each}"


ObjectsLeftOut = Kind(
    "W786",
    "objects left out",
    reason="""Some annotated objects take no part in training, which may be as it should be, or a fault of a tool.

    Boxes that end before they begin, have no area or lie outside of their image are left out, and so are objects of
    classes that the recipe does not name.""",
    fields="dropped total",
    message=_dropped,
    help="look at them: a tool may have swapped corners, or scaled boxes to another size",
    source="torchvision.transforms.v2.SanitizeBoundingBoxes drops the same",
)

ObjectsCutOff = Kind(
    "W787",
    "objects cut off",
    reason="""A centre crop shows a part of each image: objects outside of it are neither learned nor found, and no
    metric counts them.

    `stretch` shows the whole image at the size of the network; its proportions change, as they do in training.""",
    message="`center_crop` cuts off what lies at the edges, and the objects there",
    help="write `prepare = [stretch]`, or leave `prepare` out",
    source="Liu et al. 2016 (SSD), arXiv 1512.02325: images are resized to a fixed size in prediction",
)


def advice(recipe: CheckedRecipe, facts: BoxFacts) -> Iterator[Problem]:
    """Yield advice on the objects of the training images, and on what cuts some off."""
    crop = next((step for step in recipe.block("data")["prepare"] or () if step.value.name == "center_crop"), None)
    if crop is not None:
        yield ObjectsCutOff(span=crop.span)
    if facts.dropped:
        place = recipe.block("data").span_of("train")
        yield ObjectsLeftOut(span=place, dropped=tuple(facts.dropped.items()), total=sum(facts.dropped.values()))
