"""The graph of a base that is an exported network, in the folder of its run: so that the run can be loaded anywhere.

In goes a plan, or a recipe that was trained; out comes a copy of the file, or the recipe that names it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.syntax import nodes
from runtime.models.weights_sources import EXPORTED
from runtime.plan.types import Plan
from runtime.weights.symbol_file import read_graph

BASE_GRAPH = "base-symbol.json"


def keep_graph(folder: Path, plan: Plan) -> None:
    """Copy the graph of a plan's base into its run folder, where the base is one.

    Raises:
        RecipeError: it cannot be read.
        OSError: it cannot be written.
    """
    from runtime.runs.folder import write_text  # which a check of a recipe has no use for

    if plan.base.name == EXPORTED.entry.name:
        read_graph(plan.base.args["file"])
        write_text(folder / BASE_GRAPH, plan.base.args["file"].read_text(encoding="utf-8"))


def with_own_graph(recipe: CheckedRecipe, folder: Path) -> CheckedRecipe:
    """Return the recipe of a run with the graph in its folder as that of its base, where the base is one."""
    field = recipe.fields["base"]
    call = field.value
    if not isinstance(call, CallValue) or call.name != EXPORTED.entry.name:
        return recipe
    file = replace(call.args["file"], value=folder / BASE_GRAPH)
    return replace(
        recipe, fields={**recipe.fields, "base": replace(field, value=replace(call, args={**call.args, "file": file}))}
    )


def naming_own_graph(recipe: nodes.Recipe, folder: Path) -> nodes.Recipe:
    """Return the recipe in a run's folder, unchecked yet, with the graph there as that of its base, where it has one.

    The base's own file is named from where the recipe was, and may be gone: without it nobody knows the base's parts.
    """
    if not os.path.isfile(folder / BASE_GRAPH):
        return recipe
    return replace(recipe, items=tuple(_with_graph(item, (folder / BASE_GRAPH).absolute()) for item in recipe.items))


def _with_graph(item: nodes.Item, graph: Path) -> nodes.Item:
    call = item.value if isinstance(item, nodes.Field) and item.name == "base" else None
    if not isinstance(item, nodes.Field) or not isinstance(call, nodes.Call) or call.name != EXPORTED.entry.name:
        return item
    text = nodes.Text(str(graph), call.span)
    is_file = [each.name == "file" or (number == 0 and each.name is None) for number, each in enumerate(call.arguments)]
    arguments = (
        replace(each, value=text) if mine else each for each, mine in zip(call.arguments, is_file, strict=True)
    )
    return replace(item, value=replace(call, arguments=tuple(arguments)))
