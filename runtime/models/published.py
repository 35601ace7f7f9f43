"""Which public checkpoint has the weights of a base: `published.json`, which `bench/published_weights.py` writes.

In goes a base, out comes the file, and what it normalizes images with. Names, addresses and digits of hashes are those
of torchvision's and timm's own lists.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.models.timm.catalog import TIMM
from runtime.weights.published import PublishedFile

if TYPE_CHECKING:
    from runtime.models.base import Normalization


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published file, and the mean and the standard deviation of each channel that it expects."""

    file: PublishedFile
    normalization: Normalization


def checkpoint(kind: str, name: str) -> Checkpoint | None:
    """Return the public checkpoint of a base's ImageNet weights, or None where there is none."""
    row = _rows().get(name)
    if kind != "timm":
        return None if row is None or kind == "packaged" else _checkpoint(row)
    base = TIMM[name]
    size = row["size"] if row is not None else 0
    return Checkpoint(PublishedFile(base.licence, size, base.repository), base.normalization)


def hub_file(repository: str, revision: str, file: str) -> PublishedFile:
    """Return a file of a hub's repository, with what is known of it."""
    known = next((row for row in _rows().values() if row.get("repository") == repository), {})
    licence = next((base.licence for base in TIMM.values() if base.repository == repository), known.get("licence", ""))
    return PublishedFile(licence, 0 if file else known.get("size", 0), repository, revision, file)


def _checkpoint(row: dict[str, Any]) -> Checkpoint:
    names = ("licence", "size", "repository", "url", "sha256")
    file = PublishedFile(**{name: row[name] for name in names if name in row})
    return Checkpoint(file, (tuple(row["mean"]), tuple(row["std"])))


@cache
def _rows() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_bytes())
    return rows


def published_urls() -> tuple[str, ...]:
    """Return the addresses of all public checkpoints that are not on a hub."""
    return tuple(row["url"] for row in _rows().values() if "url" in row)
