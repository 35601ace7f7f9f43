"""A recipe and its parents as one recipe that needs no other file: `flatten(checked) -> Recipe`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedRecipe, Value
from recipe_lang.compose.merge import merge
from recipe_lang.source import Span
from recipe_lang.syntax import nodes

Places = Mapping[tuple[str, int], str]


def flatten(recipe: CheckedRecipe) -> nodes.Recipe:
    """Return the merged statements of a checked recipe; paths that a parent writes become relative to the recipe."""
    folder = recipe.source.folder
    values = [
        value for table in (recipe.fields, *(block.fields for block in recipe.blocks)) for value in table.values()
    ]
    paths: dict[tuple[str, int], str] = {}
    for value in values:
        for path, span in _paths(value):
            if span.source is not recipe.source and not span.text.startswith('"/'):
                paths[_place(span)] = _relative(path, folder)
    items = merge(recipe.written).items
    for param in (item for item in items if isinstance(item, nodes.Param)):
        texts = list(_texts(param))
        if not any(_place(text.span) in paths for text in texts):
            continue
        for text in texts:  # the domain holds paths as the default does
            if text.span.source is not recipe.source and not text.value.startswith("/"):
                paths[_place(text.span)] = _relative(text.span.source.folder / text.value, folder)
    return nodes.Recipe(recipe.source, tuple(_moved(item, paths) for item in items))


def _place(span: Span) -> tuple[str, int]:
    return span.source.name, span.start


def _relative(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder; behind a link `..` is not the folder that the path names."""
    if ".." in path.parts or ".." in folder.parts:
        return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
    return os.path.relpath(path, folder)


def _texts(node: Any) -> Iterator[nodes.Text]:
    """Yield the strings inside a node, at any depth."""
    if isinstance(node, nodes.Text):
        yield node
    elif isinstance(node, tuple):
        yield from (found for each in node for found in _texts(each))
    elif is_dataclass(node) and not isinstance(node, Span):
        yield from (found for each in fields(node) for found in _texts(getattr(node, each.name)))


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
        return nodes.Text(paths.get(_place(node.span), node.value), node.span)
    changed = {each.name: _moved(getattr(node, each.name), paths) for each in fields(node)}
    return replace(node, **changed)  # type: ignore[type-var]
