"""A recipe and its parents as one recipe that needs no other file: `flatten(checked) -> Recipe`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang import nodes
from recipe_lang.checked import CallValue, CheckedRecipe, Value
from recipe_lang.extend import merge
from recipe_lang.source import Source, Span

Places = Mapping[tuple[str, int], str]


def flatten(recipe: CheckedRecipe) -> nodes.Recipe:
    """Return the merged statements of a checked recipe; paths that a parent writes become relative to the recipe."""
    folder = Path(recipe.source.name).parent
    values = [value for table in (recipe.fields, *(block.fields for block in recipe.blocks)) for value in table.values()]
    paths: dict[tuple[str, int], str] = {}
    for value in values:
        for path, span in _paths(value):
            if span.source is not recipe.source and not span.text.startswith('"/'):
                paths[span.source.name, span.start] = os.path.relpath(path, folder)
    items = merge(recipe.written).items
    return nodes.Recipe(recipe.source, tuple(_moved(item, paths) for item in items))


def _paths(value: Value) -> Iterator[tuple[Path, Span]]:
    """Yield the paths inside a value with the places where they are written."""
    match value.value:
        case Path() as path if value.span is not None:
            yield path, value.span
        case CallValue(args=args):
            yield from (found for arg in args.values() for found in _paths(arg))
        case tuple() as items:
            yield from (found for item in items if isinstance(item, Value) for found in _paths(item))


def _moved(node: Any, paths: Places) -> Any:
    """Return a node with the paths inside it replaced, at any depth."""
    if isinstance(node, tuple):
        return tuple(_moved(each, paths) for each in node)
    if isinstance(node, Span) or not is_dataclass(node):
        return node
    if isinstance(node, nodes.Text):
        path = paths.get((node.span.source.name, node.span.start))
        return node if path is None else nodes.Text(path, _quoted(path))
    changed = {each.name: _moved(getattr(node, each.name), paths) for each in fields(node)}
    return replace(node, **changed)  # type: ignore[type-var]


def _quoted(path: str) -> Span:
    text = json.dumps(path, ensure_ascii=False)
    return Source("path", text).span(0, len(text))
