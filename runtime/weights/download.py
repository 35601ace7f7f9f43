"""Files from a public host, kept in the cache of weights once their hash is right.

A file is asked for piece by piece into `NAME.part`; a download that breaks off goes on from there. `FTR_MIRROR` is the
address of a host that has the same files under `HOST/PATH`, for networks that reach nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from urllib.parse import urlsplit

from recipe_lang.problem import RecipeError
from runtime.system.cache.disk import cache_folder
from runtime.weights.problems import NotDownloaded

_PIECE = 2**20
_SECONDS = 10  # until a host must have answered
_NO_HEAD = 405  # a host that answers to GET only


def kept_file(url: str) -> Path:
    """Return where the file of an address is kept, whether it is there or not."""
    return cache_folder() / "weights" / url.rpartition("/")[2]


def check_download(url: str) -> int:
    """Ask the host of a file that is not kept yet, and return its size in bytes; 0 where it does not say.

    Raises:
        RecipeError: the host cannot be reached, or has no such file.
    """
    import requests

    try:
        answer = requests.head(_address(url), timeout=_SECONDS, allow_redirects=True)
    except OSError as error:  # of requests too
        raise _failed(url, "the host cannot be reached") from error
    if not answer.ok and answer.status_code != _NO_HEAD:
        raise _failed(url, f"the host says {answer.status_code} {answer.reason}")
    return int(answer.headers.get("Content-Length", 0))


def downloaded(url: str, sha256: str) -> Path:
    """Return the file of an address, downloaded if it is not kept; `sha256` begins the digest that it must have.

    Raises:
        RecipeError: it cannot be had, or has another hash: then nothing is kept.
    """
    path = kept_file(url)
    if path.is_file():
        return path
    import requests

    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        begin = part.stat().st_size if part.exists() else 0
        head = {"Range": f"bytes={begin}-"} if begin else {}
        with requests.get(_address(url), headers=head, stream=True, timeout=_SECONDS) as answer:
            answer.raise_for_status()
            goes_on = answer.status_code == requests.codes.partial_content
            size = int(answer.headers.get("Content-Length", 0)) + (begin if goes_on else 0)
            text = "downloading %s (%.0f MB) from %s"
            logging.getLogger(__name__).warning(text, path.name, size / 1e6, urlsplit(url).hostname)
            with part.open("ab" if goes_on else "wb") as file:
                for piece in answer.iter_content(_PIECE):
                    file.write(piece)
        found = hashlib.sha256()
        with part.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except OSError as error:
        raise _failed(url, (str(error).splitlines() or [type(error).__name__])[0][:160]) from error
    if not found.hexdigest().startswith(sha256):
        part.unlink()
        raise _failed(url, f"what came has the SHA-256 {found.hexdigest()[:12]}…, not {sha256}…")
    part.replace(path)
    return path


def _address(url: str) -> str:
    mirror = os.environ.get("FTR_MIRROR", "").rstrip("/")
    return f"{mirror}/{url.partition('://')[2]}" if mirror else url


def _failed(url: str, reason: str) -> RecipeError:
    return RecipeError(NotDownloaded(url=url, reason=reason, path=str(kept_file(url))))
