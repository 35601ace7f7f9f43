"""What depends on a word of a top field: `narrowed(vocabulary, words) -> Vocabulary`.

A row may stand, or have a default, only where the recipe says `field = word`. Once the words of a recipe are known,
what is left is a vocabulary without conditions, so that nothing else has to ask for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import CheckedRecipe, Value
from recipe_lang.syntax import nodes

Words = Mapping[str, Value]
"""The words of the top fields that take one; a field whose word is not known is missing."""


def written_words(
    items: Iterable[nodes.Item], params: Mapping[str, nodes.Node], vocabulary: v.Vocabulary
) -> dict[str, Value]:
    """Return the words of merged statements, defaults included; none for a field whose value is wrong."""
    values: dict[str, nodes.Node | None] = {}
    for item in items:
        if isinstance(item, nodes.Field | nodes.Broken):
            values.setdefault(item.name, item.value if isinstance(item, nodes.Field) else None)
    found = {}
    for name, arg in vocabulary.fields.items():
        if isinstance(arg.type, v.Word):
            node = values.get(name)
            if isinstance(node, nodes.Reference):
                node = params.get(node.name)
            if name not in values:
                found[name] = Value(arg.default)
            elif isinstance(node, nodes.Name) and node.value in arg.type.options:
                found[name] = Value(node.value, node.span)
    return found


def vocabulary_of(recipe: CheckedRecipe, vocabulary: v.Vocabulary) -> v.Vocabulary:
    """Return what a checked recipe may say, and its defaults."""
    words = {name: value for name, value in recipe.fields.items() if isinstance(vocabulary.fields[name].type, v.Word)}
    return narrowed(vocabulary, words)


def narrowed(vocabulary: v.Vocabulary, words: Words) -> v.Vocabulary:
    """Return what a recipe of these words may say, and its defaults; what depends on another field stays."""
    return replace(
        vocabulary,
        fields=_args(vocabulary.fields, words),
        blocks={name: _block(kind, words) for name, kind in vocabulary.blocks.items()},
        families={name: _family(family, words) for name, family in vocabulary.families.items()},
        metrics={name: metric for name, metric in vocabulary.metrics.items() if _may_hold(metric.only, words)},
    )


def _block(block: v.BlockType, words: Words) -> v.BlockType:
    inside = {name: _block(kind, words) for name, kind in block.inside.items()}
    return replace(block, fields=_args(block.fields, words), inside=inside)


def _may_hold(conditions: frozenset[v.Condition], words: Words) -> bool:
    return not conditions or any(field not in words or words[field].value == word for field, word in conditions)


def _family(family: v.Family, words: Words) -> v.Family:
    entries = {name: _entry(entry, words) for name, entry in family.entries.items() if _may_hold(entry.only, words)}
    return replace(family, entries=entries)


def _entry(entry: v.Entry, words: Words) -> v.Entry:
    is_plain = not any(arg.by for arg in entry.args)
    return entry if is_plain else replace(entry, args=tuple(_arg(arg, words) for arg in entry.args))


def _args(args: Mapping[str, v.Arg], words: Words) -> dict[str, v.Arg]:
    return {name: _arg(arg, words) for name, arg in args.items()}


def _arg(arg: v.Arg, words: Words) -> v.Arg:
    if not arg.by:
        return arg
    holds = [default for (field, word), default in arg.by.items() if field in words and words[field].value == word]
    if not holds:  # where a word is not known, nothing is missing
        holds = [arg.default, *(default for (field, _), default in arg.by.items() if field not in words)]
        holds = [default for default in holds if default is not v.REQUIRED] or [v.REQUIRED]
    return replace(arg, default=holds[0], by={})
