"""What makes two recipes the same: the hash of the values that they write.

The hash covers the language's version and every explicit value after parameters and `defaults`, units
normalized, in the vocabulary's order. Defaults are part of the language's version and stay out, so that a new
optional argument never changes a hash. Paths, `name`, `about`, titles, domains and `expect` stay out too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Metric, Quantity, Selection, Value
from recipe_lang.check.vocabulary import Arg, BlockType, Vocabulary
from recipe_lang.output.resolved import left_out


def recipe_hash(recipe: CheckedRecipe, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 of the recipe's canonical form, as 64 hex digits."""
    return _hash(_Form(vocabulary, lambda value, arg: value.span is not None), recipe)


def resolved_hash(recipe: CheckedRecipe, vocabulary: Vocabulary) -> str:
    """Return the hash of all values, the language's defaults too: that of the recipe as `print_recipe` writes it."""
    return _hash(_Form(vocabulary, lambda value, arg: not left_out(value, arg)), recipe)


def _hash(form: _Form, recipe: CheckedRecipe) -> str:
    text = json.dumps(form.recipe(recipe), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Form:
    """The canonical form: plain data of the values that count as written."""

    vocabulary: Vocabulary
    is_written: Callable[[Value, Arg], bool]

    def recipe(self, recipe: CheckedRecipe) -> dict[str, Any]:
        return {
            "ftr": self.vocabulary.version,
            "fields": self._fields(recipe.fields, self.vocabulary.fields),
            "blocks": [
                [kind.name, self._fields(block.fields, kind.fields), *self._inside(block, kind)]
                for kind in self.vocabulary.blocks.values()
                for block in recipe.all(kind.name)
            ],
        }

    def _inside(self, block: CheckedBlock, kind: BlockType) -> list[Any]:
        """Return the blocks in a block, each with where it begins."""
        return [
            [self._item(each.begins), self._fields(each.fields, kind.inside[each.kind].fields)] for each in block.inside
        ]

    def _fields(self, fields: Mapping[str, Value], table: Mapping[str, Arg]) -> dict[str, Any]:
        return {
            name: self._plain(value)
            for name, value in fields.items()
            if self.is_written(value, table[name]) and table[name].identity
        }

    def _plain(self, value: Value) -> Any:
        """Return a checked value as plain data, paths left out."""
        match value.value:
            case CallValue() as call:
                table = {arg.name: arg for arg in self.vocabulary.families[call.family].entries[call.name].args}
                args = {
                    name: self._plain(arg)
                    for name, arg in call.args.items()
                    if self.is_written(arg, table[name]) and not isinstance(arg.value, Path)
                }
                return {"call": call.name, "args": args}
            case Quantity() as quantity:
                return {"number": float(quantity.number), "unit": quantity.unit}
            case Metric() as metric:
                return {"metric": str(metric)}
            case Selection() as selection:
                return {
                    "select": [*selection.parts, *(f"matching {p}" for p in selection.patterns)],
                    "without": list(selection.without),
                }
            case (tuple(), *_) as pairs:  # a map: its order means nothing
                return sorted((self._item(pair) for pair in pairs), key=json.dumps)
            case tuple() as items:
                return [self._item(item) for item in items]
            case Path():
                return None
            case bool() | None | str() as simple:
                return simple
            case number:
                return float(number)

    def _item(self, item: Any) -> Any:
        if isinstance(item, Value):
            return self._plain(item)
        if isinstance(item, tuple):
            return [self._plain(part) for part in item]
        return float(item)
