"""Recipe files as the commands that rewrite them see them: found below folders, read as bytes, replaced whole."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from recipe_lang.problem import Kind, Problem, RecipeError
from recipe_lang.source import MAX_BYTES, Source
from recipe_lang.syntax.problems import Unreadable
from runtime.runs.pack.signature import is_pack

STANDARD_INPUT = Path("-")


RecipeNotWritable = Kind(
    "E118",
    "recipe not writable",
    reason="The recipe, or the folder that it lies in, may not be written, or the disk is full. The file is as it was.",
    fields="path reason",
    message="cannot write {path}: {reason}",
)


def recipe_files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """Return the files among paths and, for folders, all recipes below, in order; and which folders cannot be read.

    Hidden folders are skipped, and those of runs: what a run has left stays as it is.
    """
    files: list[Path] = []
    refused: list[OSError] = []
    for path in paths:
        if not os.path.isdir(path):  # Path.is_dir raises where a folder above may not be read
            files.append(path)
            continue
        before = len(files) + len(refused)
        for folder, inner, names in os.walk(path, onerror=refused.append):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            if "resolved.ftr" in names:
                inner.clear()
            else:
                files += (Path(folder, name) for name in sorted(names) if name.endswith((".ftr", ".ftr.json")))
        if len(files) + len(refused) == before:
            refused.append(OSError(None, "there is no recipe in it", str(path)))
    if not refused:
        return list(dict.fromkeys(files)), []
    return list(dict.fromkeys(files)), [
        Unreadable(path=str(error.filename), reason=error.strerror or str(error)) for error in refused
    ]


def read_recipe(path: Path) -> Source:
    """Read a recipe: a file, the one in a pack, or the standard input for `-`. Its paths start from the file's folder.

    Raises:
        RecipeError: it cannot be read, or is no text.
    """
    from recipe_lang.syntax.parser import decode_source

    return decode_source(read_bytes(path), "<stdin>" if path == STANDARD_INPUT else str(path))


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a recipe, as `read_recipe` finds it; not many more than a recipe may have.

    Raises:
        RecipeError: it cannot be read.
    """
    from recipe_lang.syntax import parser

    if is_pack(path):
        from runtime.runs.pack.file import open_pack

        with open_pack(path) as pack:
            return pack.read("recipe.ftr")
    return sys.stdin.buffer.read(MAX_BYTES + 1) if path == STANDARD_INPUT else parser.read_bytes(path)


def replace_file(path: Path, text: str) -> None:
    """Write a file anew, whole or not at all: to a temporary name beside it, to the disk, then renamed.

    It keeps its permissions; of a symlink, the file that it leads to is replaced.

    Raises:
        RecipeError: it cannot be written.
    """
    import tempfile

    temporary = None
    try:
        if is_pack(path):
            raise OSError(None, "a pack stays as it is; `ftr unpack` makes files of it")
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(None, "it is not a regular file")
        target.open("r+b").close()  # renaming asks for the folder's permission only
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".ftr-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, stat.S_IMODE(mode))
            os.fsync(handle)
        Path(temporary).replace(target)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RecipeError(RecipeNotWritable(path=str(path), reason=error.strerror or str(error))) from error
        raise


def difference(name: str, old: str, new: str) -> str:
    """Return a unified diff between two texts, which `patch` understands; empty when they are the same."""
    import difflib

    lines = (io.StringIO(old).readlines(), io.StringIO(new).readlines())
    found = difflib.unified_diff(*lines, name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)
