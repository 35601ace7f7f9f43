"""Checkpoints on the disk: where a run is, with all arrays that it needs to go on, bit for bit.

`checkpoints/N.json` says where the run is and names the `.params` files that hold its arrays, each with size and
SHA-256 sum; it is written after them, under a temporary name, and carries a digest of itself. So a checkpoint is whole
or does not count: the newest one that is whole is taken. Arrays that stay the same for long (the best weights of a
stage, those that it began with) have a file of their own, which later checkpoints name again.

Nothing here needs MXNet, and nothing that is read runs code. The folder may come from somebody else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.runs.folder import write_text
from runtime.system.files import sync_folder
from runtime.training.problems import NoIntactCheckpoint
from runtime.training.state import Checkpoint, Snapshot, StoredFile, restored
from runtime.weights.params_file import Arrays, read_params, sha256_of, write_params

FOLDER = "checkpoints"
_KEPT = 2
_FORMAT = 1
_MAX_BYTES = 64_000_000
_LONGEST_S = 1e10
_NAME = re.compile(r"(\d{6,9})\.json")
_ARRAYS_NAME = re.compile(r"[a-z0-9-]{1,60}\.params")
_FIELDS = {"format", "recipe", "state", "files", "metrics_bytes", "elapsed_s", "digest"}


@dataclass(slots=True)
class Checkpoints:
    """Writes the checkpoints of a run, and keeps the last two of them with the files that they name."""

    run: Path
    recipe: str  # the recipe's hash
    _recent: list[tuple[int, Mapping[str, StoredFile]]] = field(default_factory=list)

    @property
    def written(self) -> bool:
        """Whether there is a checkpoint from which the run can go on."""
        return bool(self._recent)

    @classmethod
    def after(cls, run: Path, recipe: str, checkpoint: Checkpoint | None) -> Checkpoints:
        """Return what goes on behind a checkpoint, or at the beginning."""
        return cls(run, recipe, [(checkpoint.number, checkpoint.files)] if checkpoint else [])

    def write(self, snapshot: Snapshot, metrics_bytes: int, elapsed_s: float) -> None:
        """Write a checkpoint; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written. Those before it are as they were.
        """
        folder = self.run / FOLDER
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(self.run)  # the name of `metrics.jsonl` as well
        number = self._recent[-1][0] + 1 if self._recent else 1
        known = {file.name: file for _, files in self._recent for file in files.values()}
        files = {}
        for purpose, (shared, arrays) in snapshot.sets.items():
            name = shared or f"{number:06}.params"
            files[purpose] = known[name] if name in known else _written(folder / name, arrays())
        content = {
            "format": _FORMAT,
            "recipe": self.recipe,
            "state": snapshot.state,
            "files": {purpose: asdict(file) for purpose, file in files.items()},
            "metrics_bytes": metrics_bytes,
            "elapsed_s": round(elapsed_s, 3),
        }
        write_text(folder / f"{number:06}.json", json.dumps({**content, "digest": digest_of(content)}))
        self._recent.append((number, files))
        self.keep_last(_KEPT)

    def keep_last(self, count: int) -> None:
        """Remove all but the last `count` checkpoints, and the files that none of these names."""
        self._recent = self._recent[-count:]
        named = {f"{number:06}.json" for number, _ in self._recent}
        named |= {file.name for _, files in self._recent for file in files.values()}
        for path in (self.run / FOLDER).glob("*"):
            if path.name not in named and (_NAME.fullmatch(path.name) or _is_ours(path.name)):
                path.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    """Whether a file holds a checkpoint's arrays, or is what a crash left of one."""
    return bool(_ARRAYS_NAME.fullmatch(name)) or name.startswith(".")


def _written(path: Path, arrays: Arrays) -> StoredFile:
    digest = write_params(path, arrays)
    return StoredFile(path.name, path.stat().st_size, digest)


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the digest that a checkpoint's content carries."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def newest(run: Path) -> Checkpoint | None:
    """Return the newest checkpoint of a run that is whole; None where there never was one.

    Raises:
        RecipeError: there are checkpoints, but all are damaged.
    """
    folder = run / FOLDER
    found = sorted((path.name for path in folder.glob("*.json") if _NAME.fullmatch(path.name)), reverse=True)
    reasons: list[str] = []
    for name in found:
        try:
            return _read(folder, name, tuple(reasons))
        except (OSError, ValueError, RecursionError) as error:
            reasons.append(f"{FOLDER}/{name}: {getattr(error, 'strerror', None) or error}")
        except RecipeError as error:
            reasons.append(f"{FOLDER}/{name}: {error.problems[0].message()}")
    if reasons:
        raise RecipeError(NoIntactCheckpoint(path=str(run), reasons=tuple(reasons)))
    return None


def _read(folder: Path, name: str, passed_over: tuple[str, ...]) -> Checkpoint:
    with (folder / name).open("rb") as file:
        text = file.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise ValueError("it is too large")
    content = json.loads(text)
    if not isinstance(content, dict) or content.keys() != _FIELDS or content["format"] != _FORMAT:
        raise ValueError("it is of another kind or version")
    if content.pop("digest") != digest_of(content):
        raise ValueError("its digest does not match: it is damaged")
    length, elapsed = content["metrics_bytes"], content["elapsed_s"]
    if type(length) is not int or length < 1 or type(elapsed) is not float or not 0 <= elapsed < _LONGEST_S:
        raise ValueError("it does not say how long the run was")
    if not isinstance(content["files"], dict):
        raise ValueError("it names no files")
    files = {purpose: _file(plain) for purpose, plain in content["files"].items()}
    return Checkpoint(
        int(name[: -len(".json")]),
        str(content["recipe"]),
        restored(content["state"]),
        {purpose: _arrays(folder, file) for purpose, file in files.items()},
        content["metrics_bytes"],
        content["elapsed_s"],
        files,
        passed_over,
    )


def _file(plain: Any) -> StoredFile:
    if not isinstance(plain, dict) or plain.keys() != {"name", "bytes", "sha256"}:
        raise ValueError("it names no files")
    if not isinstance(plain["name"], str) or not _ARRAYS_NAME.fullmatch(plain["name"]):
        raise ValueError(f"{plain['name']!r:.80} is no file of a checkpoint")
    return StoredFile(**plain)


def _arrays(folder: Path, file: StoredFile) -> Arrays:
    path = folder / file.name
    if path.stat().st_size != file.bytes:
        raise ValueError(f"`{file.name}` has {path.stat().st_size:,} bytes, not {file.bytes}")
    if sha256_of(path) != file.sha256:
        raise ValueError(f"`{file.name}` is damaged: its SHA-256 differs")
    return read_params(path)
