"""The formats of exports, and what their files are called: the ending of a name chooses one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FORMATS: Mapping[str, tuple[str, ...]] = {
    "symbol": ("-symbol.json", "-0000.params"),
    "onnx": (".onnx",),
    "safetensors": (".safetensors",),
}
"""What the files of each format are called behind the prefix; beside the last one lies its description."""


def unknown_ending(path: Path) -> str:
    """Return the ending of a name that looks like that of a format, and stands for none; empty where it does not.

    What follows the last dot of `flowers.v2` or `flowers.3` is no ending.
    """
    is_one = re.fullmatch(r"\.(?!v\d)[A-Za-z][A-Za-z0-9]*", path.suffix)
    return path.suffix if is_one and not split_ending(path)[0] else ""


def split_ending(path: Path) -> tuple[str, Path]:
    """Return the format that the ending of a name stands for, and the path without it; no format where it has none."""
    for form, endings in FORMATS.items():
        for ending in endings:
            if path.name.endswith(ending) and path.name != ending:
                return form, path.with_name(path.name.removesuffix(ending))
    return "", path
