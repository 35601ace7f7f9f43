"""Lines of a recipe with the reasons for them, as comments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from recipe_lang.check.vocabulary import Text
from recipe_lang.output.formatter import WIDTH
from recipe_lang.output.resolved import value_text
from recipe_lang.problem import RecipeError
from recipe_lang.words import printable
from runtime.vocabulary import VOCABULARY
from runtime.workflows.new.problems import UnwritableName
from runtime.workflows.new.scan import Sampled
from runtime.workflows.new.tables import Bare, Found


@dataclass(frozen=True, slots=True)
class Field:
    """A line of a recipe and the reason for it; an empty reason stands for no comment."""

    name: str
    value: str
    reason: str = ""


def block(header: str, fields: Sequence[Field]) -> Iterator[str]:
    """Yield the reasons, one below the other as the fields are, and then the block."""
    width = max(len(each.name) for each in fields)
    for each in fields:
        if each.reason:
            yield from comment(f"{each.name:<{width}}  {each.reason}", " " * (width + 2))
    yield f"{header} {{"
    yield from (f"{each.name} = {each.value}" for each in fields)
    yield "}"


def comment(text: str, indent: str = "") -> list[str]:
    """Return a comment in lines of the usual width."""
    return wrap(printable(text), WIDTH, initial_indent="# ", subsequent_indent=f"# {indent}", break_on_hyphens=False)


def unreadable(sampled: Sampled) -> Iterator[Field]:
    """Yield the line that skips images that cannot be read, where there are some."""
    if sampled.broken:
        name, reason = sampled.broken[0]
        some = f"{len(sampled.broken)} of {sampled.count} images looked at cannot be read"
        yield Field("on_error", "skip", f"{some}, such as {name} ({reason}): they are skipped.")


def untested(images: int, enough: int) -> str:
    """Say why there is no test set, and how to have one."""
    why = f"15% of {images:,} images are too few to judge by"
    if images >= enough:
        why = "it would have an image or two of the rarest class"
    return f"No test set: {why}. `test = holdout(15%)` holds one out all the same"


def source_text(found: Found, folder: Path) -> str:
    """Return a source as a recipe in a folder writes it."""
    if not found.args:
        return found.call
    texts = {name: _text(arg, folder) for name, arg in found.args.items()}
    first, *others = texts
    return f"{found.call}({', '.join([texts[first], *(f'{name} = {texts[name]}' for name in others)])})"


def _text(value: Any, folder: Path) -> str:
    match value:
        case None:
            return "none"
        case Path():
            return string(_path(value, folder))
        case Bare():
            return str(value)
        case list():
            return f"[{', '.join(_text(each, folder) for each in value)}]"
        case str():
            return string(value)
        case _:
            return str(value)


def _path(path: Path, folder: Path) -> str:
    """Return a path as the recipe writes it: relative, unless the two places have nothing in common."""
    if os.path.commonpath((path, folder)) == path.anchor:
        return str(path)
    return Path(os.path.relpath(path, folder)).as_posix()


def string(text: str) -> str:
    """Return a name in quotes; raise `RecipeError` where no recipe can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RecipeError(UnwritableName(path=text)) from None
    return value_text(text, Text(), VOCABULARY)
