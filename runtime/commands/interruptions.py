"""What an interruption leaves of a run, and the command that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.training.events import Event, Preliminary


@dataclass(slots=True)
class Left:
    """What an interruption leaves before a run can end in order; an observer, which hears of the run's folder."""

    words: str
    folder: Path | None

    def __call__(self, event: Preliminary | Event) -> None:
        """Take notice of the run's folder."""
        from runtime.training.events import FolderOpened

        if isinstance(event, FolderOpened):
            self.folder = event.folder

    def __str__(self) -> str:
        if self.folder is None:
            return f" before training began: nothing was kept\nto begin again: {self.words}"
        from runtime.runs.folder import has_ended
        from runtime.runs.writer import how_to_resume

        if has_ended(self.folder):
            return f"; the run in {self.folder} has ended, and its result is written"
        saved = any((self.folder / "checkpoints").glob("[!.]*"))
        kept = "keeps the run up to its last checkpoint" if saved else "has no checkpoint yet: training begins again"
        return f"; {self.folder} {kept}\n{how_to_resume(self.folder)}"

    @contextmanager
    def said(self) -> Iterator[None]:
        """Have an interruption say it.

        Raises:
            KeyboardInterrupt: there was one.
        """
        try:
            yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(str(self)) from None
