"""Files and folders beside the images of a data set that are no images of it, and how they are counted.

What a walk through folders passes over is a `PassedOver`; `passed_line` says in one line how many there are of each
kind.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.words import counted, listed, printable

_KINDS = 6  # in the line
_LONGEST = 12  # characters of an ending
# Folders that programs put among images, by their names in lower case. Hidden ones (.thumbnails, .git) need no row.
LITTER = {
    "@eadir": "thumbnails of Synology",
    "#recycle": "deleted files of Synology",
    "#snapshot": "snapshots of Synology",
    "@recycle": "deleted files of QNAP",
    "@recently-snapshot": "snapshots of QNAP",
    "$recycle.bin": "deleted files of Windows",
    "system volume information": "of Windows",
    "lost+found": "of the file system",
    "__macosx": "of an archive made on macOS",
    "__pycache__": "of Python",
}


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file or folder that is no image of a data set: as `what` it is counted, and why it is passed over.

    `is_image` is whether it seems to be an image, or may hold some, so that somebody may miss it.
    """

    path: Path
    what: str
    why: str = ""
    is_image: bool = False


def passed_line(passed: Sequence[PassedOver]) -> str:
    """Say how many files and folders are ignored, of which kinds, one by its name; nothing where there are none."""
    if not passed:
        return ""
    if len(passed) == 1:
        return f"ignored {printable(passed[0].path.name)}: {_reason(passed[0])}"
    kinds = [_counted(count, what, why) for (what, why), count in by_kind(passed)]
    if len(kinds) > _KINDS:
        kinds[_KINDS - 1 :] = [f"{len(kinds) - _KINDS + 1} other kinds"]
    folders = sum(each.what.endswith("folder") for each in passed)
    counts = ((len(passed) - folders, "file"), (folders, "folder"))
    what = listed(tuple(counted(count, what) for count, what in counts if count), "and")
    return f"ignored {what}: {', '.join(kinds)}"


def _reason(each: PassedOver) -> str:
    is_kind = each.what in ("file", "folder") or each.what.startswith(".")
    return printable(each.why or "not an image" if is_kind else f"{each.what} {each.why}".rstrip())


def by_kind(passed: Iterable[PassedOver]) -> list[tuple[tuple[str, str], int]]:
    """Return kinds, as (what, why), and how many there are of each: what seems to be images first, then by number."""
    images = {(each.what, each.why): each.is_image for each in passed}
    counts = Counter((each.what, each.why) for each in passed)
    return sorted(counts.items(), key=lambda pair: (not images[pair[0]], -pair[1], pair[0]))


def _counted(count: int, what: str, why: str) -> str:
    number = f"{count:,} {what}" if what.startswith(".") else counted(count, what)
    return printable(f"{number} ({why})" if why else number)


def file_of(path: Path, why: str) -> PassedOver:
    """Return a file that is passed over, counted by its ending; it seems to be an image where there is a reason."""
    ending = ending_of(path.name)
    what = ending if len(ending) <= _LONGEST else f"{ending[:_LONGEST]}…"
    return PassedOver(path, what or "file", why if what or why else "no ending", bool(why))


def ending_of(name: str) -> str:
    """Return a name's ending in lower case, with its point; empty where it has none."""
    return os.path.splitext(name)[1].lower()
