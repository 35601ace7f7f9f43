"""What a run whose head is extended says of the classes that the run before knew, and what that run had reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from runtime.tasks.classification.metrics import part_line
from runtime.tasks.protocol import PARTS


def part_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each part of the test set of a `result.json`, and one for the run before."""
    for part in PARTS:
        if found := result.get("test", {}).get(part):
            yield f"{part} classes: test {part_line(found)}"
    if line := reached_line(result):
        yield line


def reached_line(result: Mapping[str, Any]) -> str:
    """Return what the run before had reached, as a `result.json` has it, which may be a stranger's; empty if not."""
    match result.get("base"):
        case {"reached": {"set": "test" | "valid" as name, "accuracy": float() as accuracy, "images": int() as images}}:
            if isfinite(accuracy) and 0 < images < 1e15:
                return f"the run before, on its own {name} set: accuracy {accuracy:.4f} of {images:,} images"
    return ""
