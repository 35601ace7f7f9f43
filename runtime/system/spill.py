"""Room for what a run keeps: in memory, and in temporary files beyond it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(slots=True)
class Budget:
    """How many bytes may still be taken, in memory and in files. `folder` is that of the files, None the system's."""

    memory: int
    disk: int
    folder: Path | None = None

    def fits(self, size: int) -> bool:
        """Whether so many bytes can be had in one of the two."""
        return size <= max(self.memory, self.disk)

    def file(self, kind: str) -> IO[bytes]:
        """Open a file that has no name and goes with the process; raise `OSError` where the disk refuses."""
        return tempfile.TemporaryFile(prefix=f"ftr-{kind}-", dir=self.folder)

    def place(self) -> str:
        """Return where the files are, for messages."""
        return str(self.folder or tempfile.gettempdir())
