"""What a recipe's shards ask of a command before NumPy and MXNet are loaded: how many threads, how many processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from recipe_lang.problem import RecipeError


def most_shards(recipe: Path, settings: Sequence[str], outside: bool) -> int:
    """Return the largest `shards` of the stages of a recipe; 1 where it cannot be read, which is said later."""
    from recipe_lang.check.checker import check
    from runtime.runs.lineage import load_recipe
    from runtime.runs.recipe_files import STANDARD_INPUT, read_recipe
    from runtime.vocabulary import VOCABULARY

    if recipe == STANDARD_INPUT:  # it can be read but once
        return 1
    try:
        checked = check(load_recipe(read_recipe(recipe), outside=outside), VOCABULARY, settings)
    except (RecipeError, OSError):
        return 1
    return max(int(stage["shards"]) for stage in checked.all("stage"))


def threads_of(recipe: Path, settings: Sequence[str], outside: bool) -> int | None:
    """Return the number of threads where nobody has chosen one: 1 with shards, else None, which is all cores.

    Threads move bits, and shards are to give the same with any number of processes, on any number of cores.
    """
    return 1 if most_shards(recipe, settings, outside) > 1 else None


def processes_for(shards: int) -> int:
    """Return how many processes of this machine share out shards."""
    return min(shards, len(os.sched_getaffinity(0)))
