"""A recipe with another seed: `with_seed(tree, settings, seed)`, as if it were written in it.

Where the recipe says `seed = $name`, it is the parameter that gets another value, as `--set name=3` gives it; else the
statement is another one. What comes out is a recipe like any other: nothing later knows where its seed is from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from recipe_lang.syntax import nodes


def with_seed(tree: nodes.Recipe, settings: Sequence[str], seed: int) -> tuple[nodes.Recipe, tuple[str, ...]]:
    """Return a recipe with a seed of its own, and the settings of its parameters that go with it."""
    written = next(_seeds(tree), None)
    if written is not None and isinstance(written.value, nodes.Reference):
        name = written.value.name
        kept = [text for text in settings if text.partition("=")[0].strip() != name]
        return tree, (*kept, f"{name}={seed}")
    if written is not None and written.value == nodes.Number(float(seed), None, written.span):
        return tree, tuple(settings)
    place = written.span if written is not None else tree.source.span(0, 0)
    field = nodes.Field("seed", nodes.Number(float(seed), None, place), place, place)
    own = [item for item in tree.items if not _is_seed(item)]
    begins = sum(isinstance(item, nodes.Version | nodes.Extends) for item in own)
    return replace(tree, items=(*own[:begins], field, *own[begins:])), tuple(settings)


def _seeds(tree: nodes.Recipe | None) -> Iterator[nodes.Field]:
    """Yield what a recipe and its parents say of the seed; what counts first."""
    while tree is not None:
        yield from (item for item in tree.items if isinstance(item, nodes.Field) and _is_seed(item))
        tree = tree.parent


def _is_seed(item: nodes.Item) -> bool:
    return isinstance(item, nodes.Field) and item.name == "seed"
