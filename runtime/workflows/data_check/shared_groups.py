"""Groups of images, such as those of a patient, that are in several sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.words import counted
from runtime.data.groups import groups_of
from runtime.data.listing import Listing
from runtime.data.parts import parts_of_train


def grouping_of(recipe: CheckedRecipe) -> str | CallValue | None:
    """Return what a recipe keeps images together by; None where it does not."""
    found: str | CallValue | None
    found = next((each.value["by"] for each in parts_of_train(recipe).values() if each.value["by"] is not None), None)
    return found


def shared_groups(listings: Mapping[str, Listing], by: str | CallValue) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each group that several sets have, and its images in each, by their ids.

    Raises:
        RecipeError: a set does not say what its groups are.
    """
    sets_of: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for name, listing in listings.items():
        for id, group in groups_of(listing, by).items():
            sets_of[group].setdefault(name, []).append(id)
    yield from sorted((group, found) for group, found in sets_of.items() if len(found) > 1)


def told(group: str, found: Mapping[str, list[str]]) -> str:
    """Say how many images a group has in each set."""
    return f"{group}: " + ", ".join(f"{name} {counted(len(ids), 'image')}" for name, ids in found.items())
