"""What a person meant by a word that does not exist, and the edit to it.

Near is the name that differs in its spelling only, those that a word begins, or the one that is most alike. Tables of
what people bring from other tools (`habits`) map words to a name of ours or to a sentence of advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from os.path import commonprefix

from recipe_lang.problem import Edit
from recipe_lang.source import Span

_SHORTEST, _TELLING = 3, 5  # letters: of a short form such as `val`; of a beginning that means the whole name
_LIKE = 0.6  # of difflib's ratio, among the names of one place
_ENDINGS = ("lr", "loss")  # of classes in other libraries: `ExponentialLR`


def folded(word: str) -> str:
    """Return a word without what other tools spell differently: case, `_`, `-`, `.` and blanks."""
    return re.sub(r"[\s_.-]", "", word.lower()) or word


def respelled(word: str, names: Iterable[str]) -> str:
    """Return the name that differs from a word in its spelling only, as `ExponentialLR` does; else an empty text."""
    known = {folded(name): name for name in sorted(names)}
    plain = folded(word)
    return next((known[each] for each in (plain, *map(plain.removesuffix, _ENDINGS)) if each in known), "")


def near(word: str, names: Iterable[str], least: float = _LIKE) -> list[str]:
    """Return the names that a word may stand for: those that it begins, where it is long enough, else the nearest.

    Names that are less alike than `least` are not near.
    """
    asked, known = word.lower(), sorted(names)
    longer = [name for name in known if len(asked) >= _TELLING and name.lower().startswith(asked)]
    if longer:
        return longer
    matcher = SequenceMatcher(None, "", asked)
    # The same letters in another order; of two that are as near, the one whose beginning is right.
    alike: list[tuple[bool, float, int, str]] = []
    for name in known:
        matcher.set_seq1(name.lower())
        if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least and matcher.ratio() >= least:
            swapped = sorted(name.lower()) == sorted(asked)
            alike.append((swapped, matcher.ratio(), len(commonprefix([asked, name.lower()])), name))
    return [max(alike)[-1]] if alike else []


def suggest(word: str, options: Iterable[str], habits: Mapping[str, str] | None = None) -> str:
    """Return the option nearest to `word`, a sentence of advice from `habits`, or an empty text.

    A habit's name of ours (`a|b` are several) is used where it is among the options; a sentence is told by its blanks.
    """
    names = list(options)
    by_case = {name.lower(): name for name in names}
    if word.lower() in by_case:
        return by_case[word.lower()]
    for candidate in habit_of(word, habits or {}).split("|"):
        if " " in candidate or candidate in names:
            return candidate
    return respelled(word, names) or next(iter(near(word, names)), "")


def habit_of(word: str, habits: Mapping[str, str]) -> str:
    """Return what a habit says of a word, in any spelling of it (`label-smoothing`, `LabelSmoothing`); else nothing."""
    return habits.get(folded(word), "")


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
