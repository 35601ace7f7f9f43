"""What an interruption leaves of a run, and the command that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_lang.words import counted

if TYPE_CHECKING:
    from runtime.training.events import Event, Preliminary


@dataclass(slots=True)
class Left:
    """What an interruption leaves before a run can end in order; an observer, which hears of the run's folder."""

    words: str
    folder: Path | None
    resuming: Callable[[Path], str] = lambda folder: ""  # the command, where it is not that of one process

    def __call__(self, event: Preliminary | Event) -> None:
        """Take notice of the run's folder."""
        from runtime.training.events import FolderOpened

        if isinstance(event, FolderOpened):
            self.folder = event.folder

    def __str__(self) -> str:
        if self.folder is None:
            return f" before training began: nothing was kept\nto begin again: {self.words}"
        from runtime.runs.folder import has_ended
        from runtime.runs.seeds import is_summary
        from runtime.runs.writer import how_to_resume

        if is_summary(self.folder):
            return left_of_several(self.folder)
        if has_ended(self.folder):
            return f"; the run in {self.folder} has ended, and its result is written"
        saved = any((self.folder / "checkpoints").glob("[!.]*"))
        kept = "keeps the run up to its last checkpoint" if saved else "has no checkpoint yet: training begins again"
        return f"; {self.folder} {kept}\n{how_to_resume(self.folder, self.resuming(self.folder))}"

    @contextmanager
    def said(self) -> Iterator[None]:
        """Have an interruption say it, unless that says already what is left.

        Raises:
            KeyboardInterrupt: there was one.
        """
        try:
            yield
        except KeyboardInterrupt as stopped:
            raise KeyboardInterrupt(*(stopped.args or (str(self),))) from None


def left_of_several(folder: Path) -> str:
    """Say what an interruption leaves of several runs, and how they go on."""
    from runtime.runs.seeds import finished_runs, read_seeds
    from runtime.runs.writer import how_to_resume

    done, seeds = len(finished_runs(folder)), len(read_seeds(folder))
    begun = ", and the checkpoints of the one that ran" if len(list(folder.glob("seed-*"))) > done else ""
    return f"; {folder} keeps {done} of {counted(seeds, 'run')}{begun}\n{how_to_resume(folder)}"
