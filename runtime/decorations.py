"""What a result can do without: pictures, cards, exports, what a screen shows. None of them may cost it.

`attempt(work)` does such work and says why it was not done; `Guarded` stands around what looks at a run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from recipe_lang.diagnostics import RecipeError
from recipe_lang.phrases import printable
from runtime.memory import is_refusal

if TYPE_CHECKING:
    from runtime.events import Event
    from runtime.running import Watch

_LONGEST = 200


def attempt(work: Callable[[], object]) -> str:
    """Do work that a result can do without; return in one line why it was not done, or an empty text."""
    try:
        work()
    except Exception as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    if is_refusal(error):
        return "out of memory"
    if isinstance(error, RecipeError):
        return error.problems[0].message()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return printable(" ".join(text.split()))[:_LONGEST]


class Guarded:
    """A watch whose first failure is logged; the run goes on unwatched then."""

    def __init__(self, watch: Watch) -> None:
        self._watch: Watch | None = watch

    def checking(self, done: int, total: int) -> None:
        """Pass on how far the check of the images is."""
        self._tell(lambda watch: watch.checking(done, total))

    def __call__(self, event: Event) -> None:
        """Pass on an event."""
        self._tell(lambda watch: watch(event))

    def _tell(self, tell: Callable[[Watch], None]) -> None:
        watch = self._watch
        if watch is not None and (reason := attempt(lambda: tell(watch))):
            self._watch = None
            logging.getLogger(__name__).warning("the display failed (%s); the run goes on without it", reason)
