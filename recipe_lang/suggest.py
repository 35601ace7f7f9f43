"""What a person meant by a word that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches

_TELLING = 5  # so long a beginning of a name means that name


def suggest(word: str, options: Iterable[str], habits: Mapping[str, str] | None = None) -> str:
    """Return the option nearest to `word`, a sentence of advice from `habits`, or an empty text.

    `habits` maps words that people bring from other tools (`learning_rate`) to a name of ours, used where
    that is among the options, or to a sentence (told apart by its blanks).
    """
    names = list(options)
    habit = (habits or {}).get(word.lower(), "")
    for candidate in habit.split("|"):
        if " " in candidate or candidate in names:
            return candidate
    by_folded = {name.lower(): name for name in names}
    longer = [name for name in by_folded if len(word) >= _TELLING and name.startswith(word.lower())]
    near = longer or get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else ""


_CLOSE = 0.8  # of difflib's ratio; below that a name is a guess


def is_close(word: str, name: str) -> bool:
    """Whether a word is without doubt another spelling of a name: case, a few letters, a longer or shorter form."""
    first, second = (re.sub(r"[_.]", "", each.lower()) for each in (word, name))
    if not second or " " in name or re.findall(r"[0-9]+", first) != re.findall(r"[0-9]+", second):
        return False
    longer = word.lower().startswith(f"{name}_") or (len(first) >= _SHORTEST and second.startswith(first))
    return longer or sorted(first) == sorted(second) or SequenceMatcher(None, first, second).ratio() >= _CLOSE


_SHORTEST = 3  # letters that can stand for a longer name: `val`
