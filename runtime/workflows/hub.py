"""Packs in repositories of the Hugging Face hub: `push_pack`, `pull_pack`.

A repository holds one pack, `model.ftrpack`, and beside it its `README.md`, which the hub shows as the model card. What
a hub sends is as foreign as any file: its size is asked for before, and it is checked like any other pack before it is
kept.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    HfApi,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
)

from recipe_lang.problem import RecipeError
from runtime.runs.folder import writing
from runtime.runs.pack.file import MEMBERS, named_as, open_pack
from runtime.runs.pack.problems import FileExists, HubFailed, NotARepository
from runtime.runs.pack.signature import PACK_ENDING
from runtime.system.files import placed
from runtime.system.hub import asking

_FILE = f"model{PACK_ENDING}"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPOSITORY = re.compile(rf"{_NAME}/{_NAME}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_LARGEST = sum(member.most for member in MEMBERS.values())


def push_pack(pack: Path, repository: str, *, private: bool = False) -> str:
    """Put a pack and its card into a repository, made where it is not there; return the address of the commit.

    Raises:
        RecipeError: it is no pack, the name is no repository's, or the hub cannot be reached or refuses.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise RecipeError(NotARepository(name=repository))
    with open_pack(pack) as opened:
        card = opened.read("README.md") if "README.md" in opened.names else None
    files = [CommitOperationAdd(_FILE, str(pack))] + ([CommitOperationAdd("README.md", card)] if card else [])
    with _asking(repository):
        api = HfApi()
        api.create_repo(repository, private=private or None, exist_ok=True)
        commit = api.create_commit(repository, files, commit_message=f"ftr push: {pack.name}")
        return str(commit.commit_url)


def pull_pack(name: str, out: Path | None = None, *, force: bool = False) -> Path:
    """Get the pack of a repository (`owner/name`, `owner/name@revision`) into a file, NAME.ftrpack by default.

    Raises:
        RecipeError: the hub cannot be reached or refuses, or what it sends is no pack: then nothing is kept.
    """
    repository, at, revision = name.partition("@")
    if not _REPOSITORY.fullmatch(repository) or (at and not _REVISION.fullmatch(revision)):
        raise RecipeError(NotARepository(name=name))
    path = placed(out, f"{repository.rpartition('/')[2]}{PACK_ENDING}")
    if path.exists() and not force:
        raise RecipeError(FileExists(path=str(path)))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".ftr-pull-", dir=path.parent)
    with folder:
        with _asking(repository):
            sent = get_hf_file_metadata(hf_hub_url(repository, _FILE, revision=revision or None))
            size = sent.size
            if size is None or size > _LARGEST:
                reason = f"it announces {size:,} bytes" if size else "it does not say how large the pack is"
                raise _failed(repository, reason)
            found = Path(hf_hub_download(repository, _FILE, revision=sent.commit_hash, local_dir=folder.name))
        with named_as(found, f"what {repository} sends"), open_pack(found):
            pass
        with writing(path):
            found.replace(path)
    return path


def _asking(repository: str) -> AbstractContextManager[None]:
    return asking(partial(_failed, repository), _FILE, "`ftr push` puts one there")


def _failed(repository: str, reason: str, hint: str = "") -> RecipeError:
    return RecipeError(HubFailed(name=repository, endpoint=constants.ENDPOINT, reason=reason, hint=hint))
