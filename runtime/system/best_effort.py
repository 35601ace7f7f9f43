"""What a result can do without: pictures, cards, exports. None of them may cost it.

`attempt(work)` does such work and says why it was not done.
"""

from __future__ import annotations

from collections.abc import Callable

from recipe_lang.problem import RecipeError
from recipe_lang.words import printable
from runtime.system.memory import is_refusal

_LONGEST = 200


def attempt(work: Callable[[], object]) -> str:
    """Do work that a result can do without; return in one line why it was not done, or an empty text."""
    try:
        work()
    except Exception as error:
        return reason_of(error)
    return ""


def reason_of(error: Exception) -> str:
    """Return in one line what went wrong."""
    if is_refusal(error):
        return "out of memory"
    if isinstance(error, RecipeError):
        return error.problems[0].message()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return printable(" ".join(text.split()))[:_LONGEST]
