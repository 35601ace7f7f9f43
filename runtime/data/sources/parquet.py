"""Images in parquet files, as Hugging Face's `datasets` writes them: bytes in a column, classes in another.

The columns of a parquet file are packed, so that no image lies in it as a file. Their bytes are copied once, below the
cache, a row group at a time; what is listed are their places there. pyarrow reads the files: it is asked for only here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest
from runtime.data import problems
from runtime.data.listing import Embedded, ImageRef, Listing
from runtime.data.sources.class_numbers import listing_of_classes
from runtime.data.sources.files import existing
from runtime.data.sources.patterns import files_of
from runtime.data.sources.problems import BadRecord, NoAnnotations
from runtime.data.sources.unpacked import unpacked
from runtime.system.installation import install_command

_TOGETHER = 16  # rows
_LARGEST = 1 << 28  # bytes of an image
_FEATURES = "huggingface"


def parquet(path: Path, image: str, label: str, names: Sequence[str] | None, training: bool = True) -> Listing:
    """List the images of files; `path` may have stars or braces, or be a folder with such files.

    `names` are by default those that the files declare.

    Raises:
        RecipeError: pyarrow is not installed, or a file or a label cannot be used.
    """
    files = files_of(path, ".parquet")
    top = Path(os.path.commonpath([each.parent for each in files]))
    ids: list[str] = []
    labels: list[str] = []
    images: list[ImageRef] = []
    for file in files:
        with _opened(file) as content:
            for wanted in (image, label):
                check_column(file, content.schema_arrow.names, wanted)
            declared = class_names(content.schema_arrow, label)
            names = declared if names is None else names
            labels += _labels(file, content, label, declared)
            images += _images(file, content, image)
        prefix = file.relative_to(top).with_suffix("").as_posix()
        ids += [f"{prefix}/{row:06}" for row in range(len(labels) - len(ids))]
    if not ids:
        raise RecipeError(NoAnnotations(path=str(path), wanted="rows"))
    return listing_of_classes(path, ids, labels, images, names, training, lambda number: f"row {ids[number]}")


def check_column(file: Path, columns: Sequence[str], wanted: str) -> None:
    """Raise `RecipeError` where a file has no such column."""
    if wanted not in columns:
        near = suggest(wanted, columns)
        raise RecipeError(problems.MissingColumn(path=str(file), column=wanted, columns=tuple(columns), nearest=near))


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """An open file: what its columns hold, as `parquet` reads it."""

    file: Path
    content: Any

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self.content.metadata.num_rows)

    def classes(self, column: str) -> tuple[str, ...] | None:
        """Return the classes that are declared for a column; None where there are none."""
        return class_names(self.content.schema_arrow, column)

    def has_images(self, column: str) -> bool:
        """Whether a column holds image files."""
        self._check(column)
        return bool(_image_of(self.content.schema_arrow.field(column).type))

    def labels(self, column: str) -> Iterator[str]:
        """Yield the values of a column, declared classes by their names."""
        self._check(column)
        return _labels(self.file, self.content, column, self.classes(column))

    def images(self, column: str) -> Iterator[ImageRef]:
        """Yield the images of a column."""
        return _images(self.file, self.content, column)

    def _check(self, column: str) -> None:
        check_column(self.file, self.content.schema_arrow.names, column)


@contextmanager
def opened_parquet(file: Path) -> Iterator[ParquetFile]:
    """Open a file for as long as the block lasts.

    Raises:
        RecipeError: pyarrow is not installed, or the file cannot be read.
    """
    with _opened(file) as content:
        yield ParquetFile(file, content)


def columns_of(file: Path) -> tuple[list[str], list[str]]:
    """Return the columns of a file that hold images, and those that may hold classes, those that declare any first.

    Raises:
        RecipeError: pyarrow is not installed, or the file cannot be read.
    """
    with _opened(file) as content:
        schema = content.schema_arrow
        images = [each.name for each in schema if _image_of(each.type)]
        simple = [each.name for each in schema if _is_label(each.type)]
        return images, sorted(simple, key=lambda name: class_names(schema, name) is None)


def class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """Return the classes that the files of `datasets` declare for a column; None where they declare none."""
    try:
        features = json.loads((schema.metadata or {})[_FEATURES.encode()])["info"]["features"]
        names = features[label]["names"] if features[label]["_type"] == "ClassLabel" else None
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    return tuple(names) if isinstance(names, list) and all(isinstance(each, str) for each in names) else None


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a file for as long as the block lasts; whatever pyarrow raises becomes `RecipeError`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        command = install_command("parquet")
        raise RecipeError(problems.NotInstalled(what="parquet", package="pyarrow", command=command)) from None
    try:
        opened: Any = pyarrow.parquet.ParquetFile
        with opened(existing(file, "file"), pre_buffer=False) as content:
            yield content
    except RecipeError:
        raise
    except MemoryError:
        reason = "a piece of it does not fit into memory"
        raise RecipeError(BadRecord(path=str(file), place="", reason=reason)) from None
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError, UnicodeDecodeError) as fault:
        reason = (getattr(fault, "strerror", None) or str(fault) or type(fault).__name__).splitlines()[0]
        hint = "is it whole? download it again"
        raise RecipeError(BadRecord(path=str(file), place="", reason=reason, hint=hint)) from fault


def _image_of(kind: Any) -> str:
    """Return which part of a column is an image file: `bytes` of a struct, `self`, or nothing."""
    from pyarrow import types

    if types.is_binary(kind) or types.is_large_binary(kind):
        return "self"
    is_struct = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return "bytes" if is_struct and _image_of(kind.field("bytes").type) == "self" else ""


def _is_label(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind)
    )


def _labels(file: Path, content: Any, column: str, names: Sequence[str] | None) -> Iterator[str]:
    """Yield the labels, those of declared classes by their names."""
    kind = content.schema_arrow.field(column).type
    if not _is_label(kind):
        raise _bad(file, f"column `{column}` is of type `{kind}`, and classes are numbers or text")
    row = 0
    for batch in content.iter_batches(columns=[column]):
        for value in batch.column(0).to_pylist():
            if value is None or value == -1 or not str(value).strip():
                hint = "-1 and null say that there is none, as in test sets without labels: leave the file out"
                raise _bad(file, f"row {row:,} has no class: `{value}`", hint)
            if names is not None and isinstance(value, int) and 0 <= value < len(names):
                yield names[value]
            else:
                yield str(value).strip()
            row += 1


def _images(file: Path, content: Any, column: str) -> Iterator[ImageRef]:
    kind = content.schema_arrow.field(column).type
    if not _image_of(kind):
        raise _bad(file, f"column `{column}` is of type `{kind}`, and images are bytes, or structs with `bytes`")
    folder = unpacked(file, partial(_copy, content, file, column), f"parquet {column}")
    offsets = np.fromfile(folder / "offsets", np.int64).tolist()
    paths = _paths(content, column) if _has_paths(kind) else None
    for row, (start, end) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
        path = None if paths is None else next(paths)
        if end > start:
            yield Embedded(folder / "images", ((start, end - start),))
        elif path:
            yield existing(file.parent / path, "file")
        else:
            raise _bad(file, f"row {row:,} has no image")


def _has_paths(kind: Any) -> bool:
    return _image_of(kind) == "bytes" and kind.get_field_index("path") >= 0


def _paths(content: Any, column: str) -> Iterator[str | None]:
    for batch in content.iter_batches(columns=[f"{column}.path"]):
        yield from batch.column(0).field("path").to_pylist()


def _copy(content: Any, file: Path, column: str, folder: Path) -> None:
    """Write the images of a column one behind the other into a file, and where each begins into another."""
    part = _image_of(content.schema_arrow.field(column).type)
    offsets = [0]
    with open(folder / "images", "wb") as images:
        for batch in content.iter_batches(_TOGETHER, columns=[column if part == "self" else f"{column}.bytes"]):
            values = batch.column(0) if part == "self" else batch.column(0).field("bytes")
            for value in values:
                data = value.as_py() or b""
                if len(data) > _LARGEST:
                    raise _bad(file, f"the image of row {len(offsets) - 1:,} has more than {_LARGEST:,} bytes")
                offsets.append(offsets[-1] + images.write(data))
    np.array(offsets, np.int64).tofile(folder / "offsets")


def _bad(file: Path, reason: str, hint: str = "") -> RecipeError:
    return RecipeError(BadRecord(path=str(file), place="", reason=reason, hint=hint))
