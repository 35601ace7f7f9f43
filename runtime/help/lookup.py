"""What a person means who asks `ftr explain` for a word that is no name as it stands.

In goes a word as it was typed or copied from what the program prints; out comes the name in it, its other spelling, or
those near it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from itertools import zip_longest

_PRINTED = (
    (re.compile(r"(?:(?:error|advice)\s*)?\[?([EW]\d[\dx]{0,2})\]?\s*:?", re.IGNORECASE), r"\1"),
    (re.compile(r"#\s*allow\b.*"), "allow"),
    (re.compile(r"[-+]?\d[\d,.]*(?:e[-+]?\d+)?\s*(%|[A-Za-z]+)"), r"\1"),  # a quantity: its unit
    (re.compile(r"\$\w+"), "$"),
)
_WRAPPING = " `'\",:;()[]="
_ENDINGS = ("lr", "loss")  # of classes in other libraries: `ExponentialLR`


def bare(word: str) -> str:
    """Return the name in what the program prints or a recipe holds: `error[E203]:` is E203, `224px` is px."""
    for pattern, name in _PRINTED:
        found = pattern.fullmatch(word.strip("`'\" "))
        if found:
            return found.expand(name)
    return word.strip(_WRAPPING) or word


def folded(word: str) -> str:
    """Return a word without what other tools spell differently: case, `_`, `-`, `.` and blanks."""
    return re.sub(r"[\s_.-]", "", word.lower()) or word


def respelled(word: str, names: Iterable[str]) -> str:
    """Return the name that differs from a word in its spelling only, as `ExponentialLR` does; else an empty text."""
    known = {folded(name): name for name in sorted(names)}
    asked = folded(word)
    return next((known[each] for each in (asked, *map(asked.removesuffix, _ENDINGS)) if each in known), "")


def answer(word: str, answers: Mapping[str, str]) -> str:
    """Return the answer to a word in any spelling, or an empty text."""
    exact = answers.get(word.lower())
    return exact or next((text for key, text in answers.items() if folded(key) == folded(word)), "")


def near(word: str, names: Iterable[str]) -> list[str]:
    """Return the names that a word begins, where it is long enough to tell, else the one that is nearest; none is far.

    Short words are close to many: where a word or a name has fewer than five letters, they differ in one edit, and
    nothing is near a word of one or two.
    """
    asked, known = word.lower(), sorted(names)
    longer = [name for name in known if len(asked) >= _TELLING and name.lower().startswith(asked)]
    if longer:
        return longer
    likeness, nearest = max(((_likeness(asked, name), name) for name in known), key=lambda pair: pair[0])
    return [nearest] if likeness else []


_SHORTEST, _TELLING = 3, 5  # letters
_NEAR = 0.75  # of difflib's ratio


def _likeness(asked: str, name: str) -> float:
    """Return how alike two words are, or 0 where that is too little."""
    if min(len(asked), len(name)) < _TELLING:
        is_near = min(len(asked), len(name)) >= _SHORTEST and _one_edit(asked, name)
    else:
        matcher = SequenceMatcher(None, asked, name)
        is_near = matcher.quick_ratio() >= _NEAR and matcher.ratio() >= _NEAR
    return SequenceMatcher(None, asked, name).ratio() if is_near else 0.0


def _one_edit(first: str, second: str) -> bool:
    """Whether a letter more, less or changed, or two neighbours swapped, make one word the other."""
    start = next((n for n, (a, b) in enumerate(zip_longest(first, second)) if a != b), len(first))
    ends = zip(reversed(first[start:]), reversed(second[start:]), strict=False)
    end = next((n for n, (a, b) in enumerate(ends) if a != b), min(len(first), len(second)) - start)
    left, right = first[start : len(first) - end], second[start : len(second) - end]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])
