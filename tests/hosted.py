"""Whole recipes around the short examples of the documentation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recipe_lang.check.vocabulary import Family
from runtime.help import index as places

_HOST = {"data": {"train": 'folder("photos")'}, "stage": {"train": "head", "for": "3 epochs"}}


def hosted(text: str, inside: str) -> str:
    """Return a recipe with these statements at the top, in its `data` block or in its stage."""
    if inside == "file":
        return f"{text}\n"
    top = [text] if inside == "recipe" else []
    data = _block("data", text if inside == "data" else "")
    stage = _block('stage "example"', text if inside == "stage" else "")
    blocks = [data] if not re.search(r"^data\b", "\n".join(top), re.MULTILINE) else []
    blocks += [stage] if not re.search(r"^(stage|phase)\b", "\n".join(top), re.MULTILINE) else []
    return "\n".join(["ftr 1", *top, *blocks, ""])


def _block(header: str, text: str) -> str:
    written = set(re.findall(r"^(\w+)\s*=", text, re.MULTILINE))
    needed = [f"{name} = {value}" for name, value in _HOST[header.split()[0]].items() if name not in written]
    return "\n".join([f"{header} {{", *(f"  {line}" for line in [*needed, *text.splitlines()]), "}"])


def where(family: Family) -> str:
    """Return where statements with calls of a family stand: in the `recipe`, in `data` or in a `stage`."""
    return _first([use.rpartition(" of ")[2] for use in places.uses(family.name)])


def _first(found: Sequence[str]) -> str:
    known = {"the recipe": "recipe", "`data`": "data", "`stage`": "stage"}
    return next((known[place] for place in known if place in found), "recipe")  # weights stand in the base
