"""Paths that stand for several files: `train-{000..009}.tar`, `data/train-*.parquet`, or a folder with such files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from recipe_lang.problem import RecipeError
from runtime.data.sources.files import existing
from runtime.data.sources.problems import NoMatchingFiles

_MOST = 100_000  # files
_BRACES = re.compile(r"\{(?:(\d{1,9})\.\.(\d{1,9})|([^{}]*,[^{}]*))\}")


def files_of(path: Path, ending: str) -> list[Path]:
    """Return the files that a path stands for, sorted but for those of braces, which are in their own order.

    Of a folder these are its files with the ending.

    Raises:
        RecipeError: there are none, or one that is named is not there.
    """
    if os.path.isdir(path):
        found = sorted(each for each in path.iterdir() if each.name.endswith(ending) and each.is_file())
        if not found:
            raise RecipeError(NoMatchingFiles(path=str(path), pattern=f"*{ending}"))
        return found
    if os.path.exists(path):
        return [path]
    named = list(_expanded(path))
    if named == [path] and not glob.has_magic(str(path)):
        return [existing(path, "file")]
    files = [file for each in named for file in (_matching(each) if glob.has_magic(str(each)) else [each])]
    if not files:
        raise RecipeError(NoMatchingFiles(path=str(path.parent), pattern=path.name))
    return [existing(each, "file") for each in files]


def _matching(pattern: Path) -> list[Path]:
    return [Path(each) for each in sorted(glob.glob(str(pattern), recursive=True)) if os.path.isfile(each)]


def _expanded(path: Path) -> Iterator[Path]:
    """Yield what braces stand for: `{000..009}` numbers with leading zeros, `{a,b}` either."""
    todo, count = [str(path)], 0
    while todo:
        text = todo.pop(0)
        braces = _BRACES.search(text)
        if braces is None:
            yield Path(text)
            continue
        first, last, either = braces.groups()
        if either is None and int(last) - int(first) >= _MOST:
            raise RecipeError(NoMatchingFiles(path=str(path.parent), pattern=path.name, most=_MOST))
        parts = either.split(",") if either else [f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1)]
        todo[:0] = [f"{text[: braces.start()]}{part}{text[braces.end() :]}" for part in parts]
        count += len(parts)
        if count > _MOST:
            raise RecipeError(NoMatchingFiles(path=str(path.parent), pattern=path.name, most=_MOST))
