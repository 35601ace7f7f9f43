"""What a person means who asks `ftr explain` for a word that is no name as it stands.

In goes a word as it was typed or copied from what the program prints; out comes the name in it, or those near it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from recipe_lang import suggest

_PRINTED = (
    (re.compile(r"(?:(?:error|advice)\s*)?\[?([EW]\d[\dx]{0,2})\]?\s*:?", re.IGNORECASE), r"\1"),
    (re.compile(r"#\s*allow\b.*"), "allow"),
    (re.compile(r"[-+]?\d[\d,.]*(?:e[-+]?\d+)?\s*(%|[A-Za-z]+)"), r"\1"),  # a quantity: its unit
    (re.compile(r"\$\w+"), "$"),
)
_WRAPPING = " `'\",:;()[]="
_SHORTEST, _TELLING = 3, 5  # letters: short words are close to many
_LIKE, _LIKE_OF_THREE = 0.75, 0.66  # of all names there are, more are alike by chance than in one place


def bare(word: str) -> str:
    """Return the name in what the program prints or a recipe holds: `error[E203]:` is E203, `224px` is px."""
    for pattern, name in _PRINTED:
        found = pattern.fullmatch(word.strip("`'\" "))
        if found:
            return found.expand(name)
    return word.strip(_WRAPPING) or word


def near(word: str, names: Iterable[str]) -> list[str]:
    """Return the names that a word begins, where it is long enough to tell, else the one that is nearest; none is far.

    Where one of the two is short, their lengths differ by a letter at most; nothing is near a word of one or two.
    """

    def is_comparable(name: str) -> bool:
        shorter, longer = sorted((len(word), len(name)))
        return shorter >= _TELLING or (shorter >= _SHORTEST and longer - shorter <= 1)

    return suggest.near(word, filter(is_comparable, names), _LIKE if len(word) > _SHORTEST else _LIKE_OF_THREE)
