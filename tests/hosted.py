"""Whole recipes around the short examples of the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recipe_lang.check.vocabulary import Family
from runtime.help import index as places

_SOURCES = {
    "regression": 'csv("leaves.csv", image = "file", target = "weight")',
    "detection": 'voc("photos")',
    "multi_label": 'csv("photos.csv", image = "file", labels = "tags")',
    "segmentation": 'masks("photos", "masks", classes = ["background", "leaf"])',
}
_HOST = {"data": {"train": 'folder("photos")'}, "stage": {"train": "head", "for": "3 epochs"}}


def hosted(text: str, inside: str, task: str = "classification") -> str:
    """Return a recipe with these statements at the top, in its `data` block or in its stage, for a task."""
    if inside == "file":
        return f"{text}\n"
    top = [text] if inside == "recipe" else []
    if task in _SOURCES and not re.search(r"^task\b", text, re.MULTILINE):
        top = [f"task = {task}", *top]
    said = re.search(r"^task = (\w+)", "\n".join(top), re.MULTILINE)
    source = {"train": _SOURCES[said[1]]} if said and said[1] in _SOURCES else {}
    data = _block("data", text if inside == "data" else "", source)
    stage = _block('stage "example"', text if inside == "stage" else "")
    blocks = [data] if not re.search(r"^data\b", "\n".join(top), re.MULTILINE) else []
    blocks += [stage] if not re.search(r"^(stage|phase)\b", "\n".join(top), re.MULTILINE) else []
    return "\n".join(["ftr 1", *top, *blocks, ""])


def _block(header: str, text: str, others: Mapping[str, str] | None = None) -> str:
    written = set(re.findall(r"^(\w+)\s*=", text, re.MULTILINE))
    host = {**_HOST[header.split()[0]], **(others or {})}
    needed = [f"{name} = {value}" for name, value in host.items() if name not in written]
    return "\n".join([f"{header} {{", *(f"  {line}" for line in [*needed, *text.splitlines()]), "}"])


def where(family: Family) -> str:
    """Return where statements with calls of a family stand: in the `recipe`, in `data` or in a `stage`."""
    return _first([use.rpartition(" of ")[2] for use in places.uses(family.name)])


def _first(found: Sequence[str]) -> str:
    known = {"the recipe": "recipe", "`data`": "data", "`stage`": "stage"}
    return next((known[place] for place in known if place in found), "recipe")  # weights stand in the base
