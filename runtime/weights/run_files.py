"""What a run has left, as the next run's base reads it: single files of a run folder or of a pack, by name.

A path that is a folder is a run folder, any other a pack, which holds its files uncompressed. Either may come from
somebody else: no more is read than a file may have, nothing of it runs, and what contradicts itself is refused. All
that makes a pack a pack is checked in `runtime/runs/pack/file.py`; here nothing else in it is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from runtime.system.files import nearest
from runtime.weights.problems import NotABase

if TYPE_CHECKING:
    import zipfile

RESOLVED, PLAN, PARAMS = "resolved.ftr", "plan.json", "model.params"
_MOST_TEXT = 64_000_000
_MOST_PARAMS = 4_000_000_000
_CHUNK = 1 << 20


def read_text(path: Path, name: str, most: int = _MOST_TEXT) -> str:
    """Return a text file of a run or a pack.

    Raises:
        RecipeError: there is no such run, the file is not in it, or it is too large, damaged or no UTF-8.
    """
    with _open(path, name, most) as file:
        try:
            return file.read(most).decode()
        except UnicodeDecodeError:
            raise not_a_base(path, f"its `{name}` is not UTF-8 text") from None


def read_json(path: Path, name: str) -> Any:
    """Return what a JSON file of a run or a pack holds.

    Raises:
        RecipeError: as `read_text`, or it is no JSON.
    """
    try:
        return json.loads(read_text(path, name))
    except (ValueError, RecursionError):
        raise not_a_base(path, f"its `{name}` is not JSON") from None


@contextmanager
def weights_file(path: Path, stage: int | None) -> Iterator[Path]:
    """Give the file with the weights of a run, for as long as the block lasts: the final ones, or those of a stage.

    Raises:
        RecipeError: there are no such weights.
    """
    if os.path.isdir(path):
        name = PARAMS if stage is None else f"stages/{stage}.params"
        with _open(path, name, _MOST_PARAMS):
            pass
        yield path / name
        return
    if stage is not None:
        raise not_a_base(path, "a pack has the final weights only; leave `stage` out")
    with tempfile.TemporaryDirectory(prefix="ftr-base-") as folder, _open(path, PARAMS, _MOST_PARAMS) as file:
        with (Path(folder) / PARAMS).open("wb") as copy:
            shutil.copyfileobj(file, copy, _CHUNK)
        yield Path(folder) / PARAMS


def not_a_base(path: Path, reason: str, near: str = "") -> RecipeError:
    """Return the error for a run or a pack that cannot be the base of another; `near` is a path that may be meant."""
    return RecipeError(NotABase(path=str(path), reason=reason, nearest=near))


@contextmanager
def _open(path: Path, name: str, most: int) -> Iterator[IO[bytes]]:
    import zipfile

    try:
        if os.path.isdir(path):
            if not os.path.isfile(path / name):
                raise not_a_base(path, f"it has no `{name}`")
            with (path / name).open("rb") as file:
                _refuse_size(path, name, os.fstat(file.fileno()).st_size, most)
                yield file
            return
        if not os.path.exists(path):
            raise not_a_base(path, "it is not there", nearest(path))
        if not os.path.isfile(path):  # opening a pipe would wait for ever
            raise not_a_base(path, "it is no file and no folder")
        with zipfile.ZipFile(path) as archive, archive.open(_entry(path, archive, name, most)) as member:
            yield member
    except OSError as error:
        raise not_a_base(path, f"it cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise not_a_base(path, f"it is no pack, or a damaged one ({error})") from error


def _entry(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> zipfile.ZipInfo:
    import zipfile

    entries = [entry for entry in archive.infolist() if entry.filename == name]
    if len(entries) != 1:
        without = "; was it packed with `--no-weights`?" if name == PARAMS else ""
        raise not_a_base(path, f"it has no `{name}`{without}" if not entries else f"it has `{name}` twice")
    if entries[0].compress_type != zipfile.ZIP_STORED or entries[0].flag_bits & 1:
        raise not_a_base(path, f"its `{name}` is compressed or encrypted, as in no pack")
    _refuse_size(path, name, entries[0].file_size, most)
    return entries[0]


def _refuse_size(path: Path, name: str, size: int, most: int) -> None:
    if size > most:
        raise not_a_base(path, f"its `{name}` has {size:,} bytes where {most:,} are allowed")
