"""Text to AST: `parse(source) -> Recipe`.

A whole file is parsed by the grammar at once. Where that fails, `recovery` reads it statement by statement, so that
all mistakes are reported. Nothing here knows the vocabulary.
"""

from __future__ import annotations

import re
from pathlib import Path

from lark import UnexpectedInput

from recipe_lang.problem import RecipeError
from recipe_lang.source import MAX_BYTES, MAX_NESTING, Source, Span
from recipe_lang.suggest import suggest
from recipe_lang.syntax import nodes
from recipe_lang.syntax.ast_builder import Builder, grammar, without_gc
from recipe_lang.syntax.problems import NotText, TooDeep, TooLong, Unreadable


def read_source(path: str | Path, name: str | None = None) -> Source:
    """Read a recipe file; its name in diagnostics is the path as given.

    Raises:
        RecipeError: the file is not there, cannot be read, is longer than 1 MB, or is no UTF-8 text.
    """
    return decode_source(read_bytes(path, name), name or str(path))


def read_bytes(path: str | Path, name: str | None = None, most: int = MAX_BYTES) -> bytes:
    """Read a recipe file's bytes; at most one more than it may have.

    Raises:
        RecipeError: the file is not there, or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(most + 1)
    except (OSError, ValueError) as error:  # the second is a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        near = _near_file(Path(path)) if isinstance(error, FileNotFoundError) else ""
        raise RecipeError(Unreadable(path=name or str(path), reason=reason, near=near)) from error


def _near_file(path: Path) -> str:
    """Return the recipe that is meant by a path with no file: one of a like name beside it, or of its name below."""
    try:
        recipes = (each for each in path.parent.iterdir() if each.name.endswith((".ftr", ".ftr.json")))
        beside = {each.name.partition(".ftr")[0]: each for each in recipes}
        below = sorted(each for each in path.parent.glob(f"*/{path.name}") if ".ftr" in each.name)
    except (OSError, ValueError):  # no such folder, or no name to look for
        return ""
    near = suggest(path.name.partition(".ftr")[0], sorted(beside))
    return str(beside[near]) if near else str(below[0]) if below else ""


def decode_source(data: bytes, name: str, most: int = MAX_BYTES) -> Source:
    """Return the text of a recipe's bytes; a byte order mark is dropped, a lone CR is a line's end.

    Raises:
        RecipeError: there are more bytes than the most, 1 MB, or they are no UTF-8 text.
    """
    if len(data) > most:
        raise RecipeError(TooLong(path=name, limit=most))
    try:
        text = data.decode("utf-8-sig")
        bad = text.find("\0")
    except UnicodeDecodeError as error:
        text, bad = "", error.start
    if bad >= 0:
        raise RecipeError(NotText(path=name, offset=bad, encoding=_encoding(data)))
    return Source(name, re.sub(r"\r(?!\n)", "\n", text))


def _encoding(data: bytes) -> str:
    """Return the encoding that bytes seem to have instead of UTF-8; empty when that is not plain."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[1:8:2] == b"\0\0\0\0" or data[0:8:2] == b"\0\0\0\0":
        return "UTF-16"
    return ""


def parse(source: Source) -> nodes.Recipe:
    """Parse a recipe; what is wrong with its syntax stands in the result's `problems`."""
    deep = _too_deep(source)
    if deep is not None:
        return nodes.Recipe(source, (), (TooDeep(span=deep, limit=MAX_NESTING),))
    with without_gc():
        try:
            tree = grammar().parse(source.text + "\n")
        except UnexpectedInput as error:
            from recipe_lang.syntax.recovery import recover

            return recover(source, error)
        builder = Builder(source, [])
        items = builder.items(tree.children)
        return nodes.Recipe(source, items, tuple(builder.problems))


_BRACKETS = re.compile(r'"(?:\\.|[^"\\\r\n])*"|#[^\n]*|[()\[\]{}]')


def _too_deep(source: Source) -> Span | None:
    """Return the place where brackets nest deeper than allowed, before a tree is built."""
    depth = 0
    for match in _BRACKETS.finditer(source.text):
        if match[0] in ("(", "[", "{"):
            depth += 1
            if depth > MAX_NESTING:
                return source.span(match.start(), match.end())
        elif match[0] in (")", "]", "}"):
            depth = max(0, depth - 1)
    return None
