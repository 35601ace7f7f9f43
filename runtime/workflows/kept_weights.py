"""The weights of others that are kept on this machine: what there is, and its removal.

They lie in three folders that other programs use too: the zoos', PyTorch's and that of `huggingface_hub`. What is
listed of these is what a base can start from: of PyTorch's the files of `published.json`, of the hub's the repositories
that hold a file of weights.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe_lang.problem import RecipeError
from runtime.models.published import published_urls
from runtime.runs.folder import writing
from runtime.weights.problems import NotKept
from runtime.weights.published import HUB_FILES, download_path, hub_cache
from runtime.weights.zoo_cache import zoo_cache

_ENDINGS = (".params", ".safetensors", ".bin", ".pth", ".pt")


@dataclass(frozen=True, slots=True)
class KeptWeights:
    """A file, or the folder of a repository: its name, who keeps it, and its bytes on the disk."""

    name: str
    kind: str
    path: Path
    size: int


def kept_weights() -> list[KeptWeights]:
    """Return all that is kept, sorted by who keeps it and by name."""
    return [*_files("zoo", zoo_cache().glob("*.params")), *_files("PyTorch", _downloads()), *_repositories()]


def remove_weights(names: Iterable[str]) -> list[KeptWeights]:
    """Remove what is kept by these names; return it. Nothing is removed where a name is not there.

    Raises:
        RecipeError: there is no such name, or it cannot be removed.
    """
    kept = kept_weights()
    known = {each.name for each in kept}
    for name in names:
        if name not in known:
            raise RecipeError(NotKept(name=name))
    found = [each for each in kept if each.name in names]
    for each in found:
        with writing(each.path):
            if each.path.is_dir():
                shutil.rmtree(each.path)
            else:
                each.path.unlink()
    return found


def _downloads() -> Iterator[Path]:
    for url in published_urls():
        path = download_path(url)
        yield from (each for each in (path, path.with_name(f".{path.name}.part")) if each.is_file())


def _files(kind: str, paths: Iterable[Path]) -> list[KeptWeights]:
    return [KeptWeights(path.name, kind, path, path.stat().st_size) for path in sorted(paths)]


def _repositories() -> Iterator[KeptWeights]:
    for folder in sorted(hub_cache().glob("models--*--*")):
        names = [each.name for each in folder.glob("snapshots/*/**/*")]
        if any(name in HUB_FILES or name.endswith(_ENDINGS) for name in names):
            size = sum(each.stat().st_size for each in folder.glob("blobs/*") if each.is_file())
            yield KeptWeights("/".join(folder.name.split("--")[1:]), "hub", folder, size)
