"""The facts about the images that the compiler wants, from the listings of the sets."""

from __future__ import annotations

from collections.abc import Mapping

from recipe_lang.check.checked import CheckedRecipe
from runtime.compile.image_steps import needs_sides
from runtime.compile.phases import written_loss
from runtime.data.listing import Listing
from runtime.data.sets import square_sides
from runtime.data.tiles import tile_counts, tiled
from runtime.plan.types import DataFacts, TilePlan
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import loss_of


def data_facts(listings: Mapping[str, Listing], recipe: CheckedRecipe) -> DataFacts:
    """Return the facts about the sets of a recipe. Sizes of images are looked up only where they matter."""
    tiles, task = TilePlan.of(recipe.block("data")["tiles"]), task_of(recipe)
    sides = square_sides(tiled(listings["train"].samples, tiles)) if needs_sides(recipe) else None
    target = task.asked(task.facts(listings), recipe)
    for phase in recipe.phases("stage"):
        loss = written_loss(recipe, phase)
        target = loss_of(task, loss).known(loss.args, target, listings["train"])
    if tiles is None:
        return DataFacts(target, sides)
    images = {name: len(listing.samples) for name, listing in listings.items()}
    return DataFacts(task.of_tiles(target, tile_counts(listings, tiles)), sides, images)
