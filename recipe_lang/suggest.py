"""What a person meant by a word that does not exist, and the edit to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches

from recipe_lang.problem import Edit
from recipe_lang.source import Span

_TELLING = 5  # so long a beginning of a name means that name


def suggest(word: str, options: Iterable[str], habits: Mapping[str, str] | None = None) -> str:
    """Return the option nearest to `word`, a sentence of advice from `habits`, or an empty text.

    `habits` maps words that people bring from other tools (`learning_rate`) to a name of ours, used where
    that is among the options, or to a sentence (told apart by its blanks).
    """
    names = list(options)
    by_folded = {name.lower(): name for name in names}
    if word.lower() in by_folded:
        return by_folded[word.lower()]
    for candidate in habit_of(word, habits or {}).split("|"):
        if " " in candidate or candidate in names:
            return candidate
    longer = [name for name in by_folded if len(word) >= _TELLING and name.startswith(word.lower())]
    near = longer or get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else ""


def habit_of(word: str, habits: Mapping[str, str]) -> str:
    """Return what a habit says of a word, in any spelling of it (`label-smoothing`, `LabelSmoothing`); else nothing."""
    return habits.get(word.lower()) or habits.get(re.sub(r"[_.-]", "", word.lower()), "")


def suggest_name(word: str, options: Iterable[str], habits: Mapping[str, str]) -> str:
    """Return the option nearest to `word`, never a sentence; empty where none is near."""
    names = list(options)
    meant = suggest(word, names, habits)
    return meant if meant in names else suggest(word, names)


_CLOSE = 0.8  # of difflib's ratio; below that a name is a guess


def is_certain(word: str, name: str, renames: bool) -> bool:
    """Whether a name is what a word means, and no guess: it is close to it, or known to be the same (`renames`)."""
    return renames or is_close(word, name)


def is_close(word: str, name: str) -> bool:
    """Whether a word is without doubt another spelling of a name: case, a few letters, a shorter form.

    A longer form is none: what the author added to the name meant something.
    """
    first, second = (re.sub(r"[_.]", "", each.lower()) for each in (word, name))
    if not second or " " in name or re.findall(r"[0-9]+", first) != re.findall(r"[0-9]+", second):
        return False
    if len(first) >= _SHORTEST and second.startswith(first):
        return True
    alike = SequenceMatcher(None, first, second).ratio() >= _CLOSE and abs(len(first) - len(second)) <= _MISTYPED
    return alike or sorted(first) == sorted(second)


_MISTYPED = 2  # letters too many or too few
_SHORTEST = 3  # letters that can stand for a longer name: `val`


def instead(span: Span | None, text: str) -> tuple[Edit, ...]:
    """Return the edit that puts a text in the place of a span; in a recipe written as JSON, of one name for another."""
    if span is None or (span.source.is_json and not (_NAME.fullmatch(span.text) and _NAME.fullmatch(text))):
        return ()
    return (Edit(span, text),)


_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)


def renamed(span: Span | None, name: str, suggestion: str, is_plain: bool = False) -> tuple[Edit, ...]:
    """Return the edit from a name to the suggested one, where that is no guess: it is close, or known (`is_plain`)."""
    return instead(span, suggestion) if is_certain(name, suggestion, is_plain) else ()
