"""Fetches published files of weights: once, whole or not at all, and the rest of one that was interrupted.

In goes a `PublishedFile`; out comes the path of the file, which is then here for good and is not asked for again. Those
of a hub come through `huggingface_hub`, with its cache and its way with tokens.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.system.files import sync_folder
from runtime.system.installation import install_command
from runtime.weights.params_file import sha256_of
from runtime.weights.problems import CannotFetchWeights, NotAHubName, WrongChecksum
from runtime.weights.published import (
    CONFIG,
    HUB_FILES,
    INDEX,
    PublishedFile,
    commit_of,
    download_path,
    local_config,
    local_file,
    wrong_name,
)
from runtime.weights.safetensors_file import files_of

_PATIENCE = 10  # seconds
_LARGEST = 8 << 30  # bytes; no network here has a tenth of it
_LARGEST_CONFIG = 1 << 20
_CHUNK = 1 << 20
_NO_HEAD, _THE_REST, _NOTHING_LEFT = 405, 206, 416  # what a host answers: GET only, a part, there is no more


@cache
def ask(published: PublishedFile) -> PublishedFile:
    """Return a file that is not here as its host has it, with its size; nothing is fetched.

    Raises:
        RecipeError: it cannot be had.
    """
    size = _ask_host(published) if published.url else _ask_hub(published)
    if size is not None and size > _LARGEST:
        raise _failed(published, f"it announces {size:,} bytes")
    return replace(published, size=size or published.size)


def fetch(published: PublishedFile) -> Path:
    """Return the path of a file, which is fetched if it is not here.

    Raises:
        RecipeError: it cannot be had, or is not the file of its checksum: then nothing is kept.
    """
    here = local_file(published)
    if here is not None:
        return here
    known = ask(published)
    if known.url:
        return _download(known)
    from huggingface_hub import hf_hub_download

    with _asking(published):
        path = Path(hf_hub_download(known.repository, _hub_file(published), revision=known.revision or None))
        if path.name.endswith(INDEX):
            # All of the commit of the index, whatever the branch has become meanwhile.
            folder, commit = _hub_file(published).rpartition("/")[0], commit_of(published) or None
            for part in files_of(path)[1:]:
                hf_hub_download(known.repository, f"{folder}/{part.name}".lstrip("/"), revision=commit)
        return path


def fetch_config(published: PublishedFile) -> Path | None:
    """Return the path of what a repository says of its weights; None where it says nothing.

    Raises:
        RecipeError: the hub cannot be asked.
    """
    here, known = local_config(published)
    if known:
        return here
    _need_hub(published)
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError

    repository, revision = published.repository, published.revision or None
    with _asking(published):
        try:
            size = get_hf_file_metadata(hf_hub_url(repository, CONFIG, revision=revision)).size
            if size is None or size > _LARGEST_CONFIG:
                raise _failed(published, f"its `{CONFIG}` announces {size or 0:,} bytes")
            return Path(hf_hub_download(repository, CONFIG, revision=revision))
        except RemoteEntryNotFoundError:
            with suppress(RemoteEntryNotFoundError):
                hf_hub_download(repository, CONFIG, revision=revision)  # it notes that there is none
            return None


# --- a hub -----------------------------------------------------------------------------------


def _need_hub(published: PublishedFile) -> None:
    if (wrong := wrong_name(published)) is not None:
        raise RecipeError(NotAHubName(name=wrong))
    if find_spec("huggingface_hub") is None:
        raise _failed(published, "huggingface_hub is not installed", f"run: {install_command('hub')}")


def _ask_hub(published: PublishedFile) -> int | None:
    _need_hub(published)
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _asking(published):
        name, revision = _hub_file(published), published.revision or None
        if name.endswith(INDEX):
            return None  # the files that it names, it says itself
        size: int | None = get_hf_file_metadata(hf_hub_url(published.repository, name, revision=revision)).size
        return size


@cache
def _hub_file(published: PublishedFile) -> str:
    """Return the name of a repository's weights: the one that is asked for, or the first that it has."""
    if published.file:
        return published.file
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError

    for name in HUB_FILES:
        try:
            get_hf_file_metadata(hf_hub_url(published.repository, name, revision=published.revision or None))
            return name
        except RemoteEntryNotFoundError:
            continue
    files = " and no ".join(f"`{name}`" for name in HUB_FILES if not name.endswith(INDEX))
    raise _failed(published, f"it has no {files}", 'name one that it has: `file = "…"`')


def _asking(published: PublishedFile) -> Any:
    from runtime.system.hub import asking

    def failed(reason: str, hint: str) -> RecipeError:
        return _failed(published, reason, hint)

    return asking(failed, published.file or HUB_FILES[0])


def _failed(published: PublishedFile, reason: str, hint: str = "") -> RecipeError:
    return RecipeError(CannotFetchWeights(place=published.place, reason=reason, hint=hint))


# --- an address ------------------------------------------------------------------------------


def _ask_host(published: PublishedFile) -> int | None:
    import requests

    try:
        answer = requests.head(published.url, timeout=_PATIENCE, allow_redirects=True)
    except OSError as error:  # of requests too
        raise _failed(published, "the host cannot be reached") from error
    if answer.status_code == _NO_HEAD:
        return None
    if not answer.ok:
        raise _failed(published, f"the host says {answer.status_code} {answer.reason}")
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _download(published: PublishedFile) -> Path:
    """Fetch the file of an address, behind what an interrupted try has left of it."""
    path = download_path(published.url)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(published, part)
        found = sha256_of(part)
        if not found.startswith(published.sha256):
            part.unlink()
            raise RecipeError(WrongChecksum(path=published.url, expected=published.sha256, found=found))
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:  # of requests too
        raise _failed(
            published, _first_line(error), "what has come is kept: the next try goes on from there"
        ) from error
    return path


def _receive(published: PublishedFile, part: Path) -> None:
    import requests

    have = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(published.url, headers=headers, timeout=_PATIENCE, stream=True) as answer:
        if answer.status_code == _NOTHING_LEFT:
            return
        answer.raise_for_status()
        goes_on = answer.status_code == _THE_REST
        left = _LARGEST - have * goes_on
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise OSError(f"the host sends more than {_LARGEST:,} bytes")
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
