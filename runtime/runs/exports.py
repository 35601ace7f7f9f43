"""The files that were exported from a run: noted in the lock of its folder.

The lock has a section `exports`, with a line for each file: its name, its SHA-256, and what its check has shown. A
later export to the same name takes its place. A pack stays as it is, and gets no note.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runtime.runs.folder import write_text
from runtime.runs.lock.file import LOCK, Lock, lock_text, read_lock
from runtime.weights.params_file import sha256_of

SECTION = "exports"


def note_exports(folder: Path, files: Mapping[Path, str]) -> bool:
    """Note files, each with what its check has shown, in a run folder's lock; say whether there is a lock for it.

    Raises:
        RecipeError: the lock is broken.
        OSError: it cannot be written.
    """
    path = folder / LOCK
    if not path.is_file():
        return False
    notes = {(SECTION, file.name): f"sha256 {sha256_of(file)}, {said}" for file, said in files.items()}
    write_text(path, lock_text({**read_lock(path).facts, **notes}))
    return True


def exported_as(lock: Lock, file: Path) -> str | None:
    """Return the note of a lock on the content of a file, whatever it is called now; None if there is none."""
    wanted = f"sha256 {sha256_of(file)}, "
    return next((note for note in exports_of(lock).values() if note.startswith(wanted)), None)


def exports_of(lock: Lock) -> dict[str, str]:
    """Return the notes of a lock by the names of the files."""
    return {name: str(fact) for (section, name), fact in lock.facts.items() if section == SECTION}
