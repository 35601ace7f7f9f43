"""Labels that may be one: `alike(labels, seen)` by what anybody can see, `alike(labels, meant)` by what people mean.

In go the names of classes; out come groups of those that a person would read as one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def alike(labels: Iterable[str], key: Callable[[str], str]) -> list[tuple[str, ...]]:
    """Return the labels that have a key in common, in groups of two or more, both in the given order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        groups[key(label)].append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def seen(label: str) -> str:
    """Return what shows of a label: accents in one form, nothing of no width, any white space as one blank."""
    text = unicodedata.normalize("NFC", label)
    return " ".join("".join(char for char in text if unicodedata.category(char) != "Cf").split())


def meant(label: str) -> str:
    """Return what a label means to most people: `Dog` as `dog`, `01` and `1.0` as `1`, `big_cat` as `big cat`."""
    text = seen(unicodedata.normalize("NFKC", label)).casefold()
    if len(text) == 1 and not text.isdigit():  # `a` and `A` are two letters
        return label
    return str(Fraction(text)) if NUMBER.fullmatch(text) else " ".join(re.split(r"[\s_-]+", text))


def escaped_label(label: str) -> str:
    """Return a label with its accents, and what does not show, in the escapes of a recipe's strings."""
    return "".join(char if _is_plain(char) else f"\\u{ord(char):04x}" for char in label)


def _is_plain(char: str) -> bool:
    is_mark = unicodedata.combining(char) or unicodedata.normalize("NFD", char) != char
    return char.isprintable() and not is_mark
