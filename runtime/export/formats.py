"""The formats of exports, and what their files are called: the ending of a name chooses one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FORMATS: Mapping[str, tuple[str, ...]] = {
    "symbol": ("-symbol.json", "-0000.params"),
    "onnx": (".onnx",),
    "safetensors": (".safetensors",),
}
"""What the files of each format are called behind the prefix; beside the last one lies its description."""


def split_ending(path: Path) -> tuple[str, Path]:
    """Return the format that the ending of a name stands for, and the path without it; no format where it has none."""
    for form, endings in FORMATS.items():
        for ending in endings:
            if path.name.endswith(ending) and path.name != ending:
                return form, path.with_name(path.name.removesuffix(ending))
    return "", path
