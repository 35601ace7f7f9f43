"""What makes two recipes the same: the hash of the values that they write.

The hash covers the language's version and every explicit value after parameters and `defaults`, units
normalized, in the vocabulary's order. Defaults are part of the language's version and stay out, so that a new
optional argument never changes a hash. Paths, `name`, `about`, titles, domains and `expect` stay out too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedRecipe, Metric, Quantity, Selection, Value
from recipe_lang.check.vocabulary import Arg, Vocabulary


def recipe_hash(recipe: CheckedRecipe, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 of the recipe's canonical form, as 64 hex digits."""
    text = json.dumps(canonical(recipe, vocabulary), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(recipe: CheckedRecipe, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the recipe's explicit values as plain data."""
    return {
        "ftr": vocabulary.version,
        "fields": _fields(recipe.fields, vocabulary.fields),
        "blocks": [
            [kind.name, _fields(block.fields, kind.fields)]
            for kind in vocabulary.blocks.values()
            for block in recipe.all(kind.name)
        ],
    }


def _fields(fields: Mapping[str, Value], table: Mapping[str, Arg]) -> dict[str, Any]:
    return {name: plain(value) for name, value in fields.items() if value.span is not None and table[name].identity}


def plain(value: Value) -> Any:
    """Return a checked value as plain data, explicit arguments only, paths left out."""
    match value.value:
        case CallValue() as call:
            args = {
                name: plain(arg)
                for name, arg in call.args.items()
                if arg.span is not None and not isinstance(arg.value, Path)
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
            return sorted((_item(pair) for pair in pairs), key=json.dumps)
        case tuple() as items:
            return [_item(item) for item in items]
        case Path():
            return None
        case bool() | None | str() as simple:
            return simple
        case number:
            return float(number)


def _item(item: Any) -> Any:
    if isinstance(item, Value):
        return plain(item)
    if isinstance(item, tuple):
        return [plain(part) for part in item]
    return float(item)
