"""The facts about the images that the compiler wants, from the listings of the sets."""

from __future__ import annotations

from collections.abc import Mapping

from recipe_lang.check.checked import CheckedRecipe
from runtime.compile.compiler import needs_sides, written_loss
from runtime.data.listing import Listing
from runtime.data.sets import square_sides
from runtime.plan.types import DataFacts
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import loss_of


def data_facts(listings: Mapping[str, Listing], recipe: CheckedRecipe) -> DataFacts:
    """Return the facts about the sets of a recipe. Sizes of images are looked up only where they matter."""
    sides = square_sides(listings["train"].samples) if needs_sides(recipe) else None
    task = task_of(recipe)
    target = task.facts(listings)
    for stage in recipe.all("stage"):
        loss = written_loss(recipe, stage)
        target = loss_of(task, loss).known(loss.args, target, listings["train"])
    return DataFacts(target, sides)
