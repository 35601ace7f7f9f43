"""Files of weights that others publish: what is known of one, and where it lies once it is here. Asks no network.

A file is one of a repository of the Hugging Face hub, or one at an address. Those of a hub lie where `huggingface_hub`
keeps them, the others where PyTorch keeps its own, so that what another program has fetched is not fetched again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INDEX: Final = ".index.json"
"""What the name of an index ends in, that says in which files beside it the weights lie."""
HUB_FILES: Final = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin")
"""What a repository's weights are called, the preferred name first."""
CONFIG: Final = "config.json"
"""What a repository says of its weights."""

_LARGEST_INDEX = 8 << 20  # bytes
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPOSITORY = re.compile(rf"{_NAME}/{_NAME}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}){0,7}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of weights that is fetched once; it has a `repository` of a hub, or a `url`.

    `file` is empty where it is one of `HUB_FILES`, `revision` where it is the newest. `size`, in bytes, is that of the
    numbers alone, 0 where it is not known. `sha256` are the first digits of the sum, where these are known.
    """

    licence: str = ""
    size: int = 0
    repository: str = ""
    revision: str = ""
    file: str = ""
    url: str = ""
    sha256: str = ""

    @property
    def place(self) -> str:
        """Where it is published, as people read it."""
        return self.url or f"{self.repository}{f'@{self.revision}' if self.revision else ''}"


def wrong_name(published: PublishedFile) -> str | None:
    """Return what of a file's names on a hub can be none; None where all can be."""
    if not _REPOSITORY.fullmatch(published.repository) or ".." in published.repository:
        return published.repository
    if published.revision and (not _REVISION.fullmatch(published.revision) or ".." in published.revision):
        return published.revision
    return published.file if published.file and not _PATH.fullmatch(published.file) else None


def local_file(published: PublishedFile) -> Path | None:
    """Return the path of a file that is here, or None."""
    return next((path for path in _paths(published) if path.is_file() and _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    """Whether all files are here that an index names; what is wrong with one that cannot be read, its reader says."""
    if not path.name.endswith(INDEX) or path.stat().st_size > _LARGEST_INDEX:
        return True
    try:
        names = set(json.loads(path.read_bytes())["weight_map"].values())
        return all(path.with_name(name).is_file() for name in names)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return True


def local_config(published: PublishedFile) -> tuple[Path | None, bool]:
    """Return the path of what a repository says of its weights, None where it says nothing; and whether that is known.

    `huggingface_hub` notes which files a repository has not.
    """
    folder = _snapshot(published)
    if folder is None:
        return None, False
    if (folder / CONFIG).is_file():
        return folder / CONFIG, True
    return None, (folder.parents[1] / ".no_exist" / folder.name / CONFIG).is_file()


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a commit, which cannot change."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def commit_of(published: PublishedFile) -> str:
    """Return the commit of a hub's repository that is here; nothing where none is."""
    folder = _snapshot(published)
    return folder.name if folder else ""


def _paths(published: PublishedFile) -> Iterator[Path]:
    if published.url:
        yield download_path(published.url)
    elif folder := _snapshot(published):
        yield from (folder / name for name in ((published.file,) if published.file else HUB_FILES))


def download_path(url: str) -> Path:
    """Return where the file of an address is kept: in PyTorch's folder for what it downloads."""
    home = os.environ.get("TORCH_HOME")
    folder = Path(home).expanduser() if home else _cache("~/.cache") / "torch"
    return folder / "hub" / "checkpoints" / url.rpartition("/")[2]


def hub_cache() -> Path:
    """Return where `huggingface_hub` keeps what it has fetched."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if path := os.environ.get(name):
            return Path(path).expanduser()
    home = os.environ.get("HF_HOME")
    return (Path(home).expanduser() if home else _cache("~/.cache") / "huggingface") / "hub"


def _cache(default: str) -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or default).expanduser()


def _snapshot(published: PublishedFile) -> Path | None:
    """Return the folder of a repository's revision, which is a commit or a name that the cache knows the commit of."""
    if wrong_name(published) is not None:
        return None
    folder = hub_cache() / f"models--{published.repository.replace('/', '--')}"
    revision = published.revision or "main"
    try:
        commit = revision if _COMMIT.fullmatch(revision) else (folder / "refs" / revision).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = folder / "snapshots" / commit
    return path if _COMMIT.fullmatch(commit) and path.is_dir() else None
