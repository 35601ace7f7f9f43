"""The facts about the images that the compiler wants, from the listings of the sets."""

from __future__ import annotations

from collections.abc import Mapping

from recipe_lang.check.checked import CheckedRecipe
from runtime.compile.compiler import needs_sides
from runtime.data.listing import Listing
from runtime.data.sets import square_sides
from runtime.data.tiles import tile_counts, tiled
from runtime.plan.types import DataFacts, TilePlan
from runtime.tasks.catalog import task_of


def data_facts(listings: Mapping[str, Listing], recipe: CheckedRecipe) -> DataFacts:
    """Return the facts about the sets of a recipe. Sizes of images are looked up only where they matter."""
    tiles, target = TilePlan.of(recipe.block("data")["tiles"]), task_of(recipe).facts(listings)
    sides = square_sides(tiled(listings["train"].samples, tiles)) if needs_sides(recipe) else None
    if tiles is None:
        return DataFacts(target, sides)
    images = {name: len(listing.samples) for name, listing in listings.items()}
    return DataFacts(task_of(recipe).of_tiles(target, tile_counts(listings, tiles)), sides, images)
