"""What a person meant by a word that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

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
