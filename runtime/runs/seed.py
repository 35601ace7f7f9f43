"""A recipe with another seed: `with_seed(tree, settings, seed)`, as if it were written in it.

Where the recipe says `seed = $name`, it is the parameter that gets another value, as `--set name=3` gives it; else the
statement is another one. What comes out is a recipe like any other: nothing later knows where its seed is from.
`seeded_text` gives its text, with comments and layout as they were.
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
    place = written.value.span if written is not None else tree.source.span(0, 0)
    field = nodes.Field("seed", nodes.Number(float(seed), None, place), place, place)
    if any(_is_seed(item) for item in tree.items):
        return replace(tree, items=tuple(field if _is_seed(item) else item for item in tree.items)), tuple(settings)
    begins = len(_opening(tree))
    return replace(tree, items=(*tree.items[:begins], field, *tree.items[begins:])), tuple(settings)


def seeded_text(tree: nodes.Recipe) -> str:
    """Return the text of a recipe that `with_seed` gave another seed: the number is replaced, or a line is added."""
    text = tree.source.text
    seed = next(_seeds(replace(tree, parent=None)), None)
    if seed is None or not isinstance(seed.value, nodes.Number):
        return text
    number, place = f"{seed.value.value:.0f}", seed.value.span
    if place.text:
        return text[: place.start] + number + text[place.end :]
    ends = [item.span.end for item in _opening(tree)]
    if not ends:
        return f"seed = {number}\n\n{text}"
    line = text.find("\n", max(ends))
    line = len(text) if line < 0 else line
    return f"{text[:line]}\n\nseed = {number}{text[line:]}"


def _opening(tree: nodes.Recipe) -> tuple[nodes.Item, ...]:
    """Return what a recipe begins with: its version, and which recipe it extends."""
    rest = (at for at, item in enumerate(tree.items) if not isinstance(item, nodes.Version | nodes.Extends))
    return tree.items[: next(rest, len(tree.items))]


def _seeds(tree: nodes.Recipe | None) -> Iterator[nodes.Field]:
    """Yield what a recipe and its parents say of the seed; what counts first."""
    while tree is not None:
        yield from (item for item in tree.items if isinstance(item, nodes.Field) and _is_seed(item))
        tree = tree.parent


def _is_seed(item: nodes.Item) -> bool:
    return isinstance(item, nodes.Field) and item.name == "seed"
