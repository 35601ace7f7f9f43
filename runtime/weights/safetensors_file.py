"""Arrays in `.safetensors` files, read and written with NumPy alone.

In goes a path; out comes a `StateDict`, or the other way round. A file is the length of its header (64 bits), the
header, which is JSON with the type, the shape and the place of each array, and the numbers; see the description of the
format at https://github.com/huggingface/safetensors. A model in several files has an index beside them
(`model.safetensors.index.json`), which says in which of them each array lies.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtime.system.files import replace_file
from runtime.weights.bounded import BFLOAT16, HIGHEST_RANK, MOST_ARRAYS, BoundedFile, open_bounded
from runtime.weights.state_dict import StateDict, without_prefix

Array = np.ndarray[Any, Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LONGEST_HEADER = 8 << 20  # bytes; some 100 for each array, and what its maker wrote
_MOST_FILES = 200


def read_safetensors(path: Path, *, shapes_only: bool = False) -> StateDict:
    """Return the arrays of a file, or of all files of an index, by name; bfloat16 becomes float32.

    Memory stays within the files' size plus a small amount for each array. With `shapes_only` the headers are read, and
    the arrays are of zeros that take no memory.

    Raises:
        RecipeError: a file cannot be read, is of another kind, or is damaged.
    """
    found: dict[str, Array] = {}
    for file, names in _files(path).items():
        arrays = _read_one(file, shapes_only)
        if names is not None and arrays.keys() != names:
            with open_bounded(path) as index:
                raise index.damaged(f"{file.name} does not hold the arrays that stand here")
        found |= arrays
    short, prefix = without_prefix(found)
    return StateDict(path, short, prefix=prefix)


def write_safetensors(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> str:
    """Write arrays as a file, whole or not at all; return its SHA-256 sum. Equal arrays give equal bytes.

    Raises:
        ValueError: an array is of a type that the format does not have.
        OSError: the file cannot be written.
    """
    return replace_file(path, _encoded(sorted(arrays.items()), metadata or {}))


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that hold a model: the one itself, or an index and what it names.

    Raises:
        RecipeError: the index cannot be read, or is damaged.
    """
    files = tuple(_files(path))
    return files if files == (path,) else (path, *sorted(files))


def _files(path: Path) -> dict[Path, frozenset[str] | None]:
    if not path.name.endswith(".json"):
        return {path: None}
    with open_bounded(path) as file:
        index = _json(file, file.size)
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not places:
            raise file.foreign("an index of safetensors files")
        names: dict[Path, set[str]] = {}
        for name, other in places.items():
            # A name, never a path: an index must not lead anywhere else.
            if not _is_name(other):
                raise file.damaged("a file that it names is not one beside it")
            names.setdefault(path.with_name(other), set()).add(name)
        if len(names) > _MOST_FILES:
            raise file.damaged(f"it names {len(names)} files")
    return {each: frozenset(found) for each, found in names.items()}


def _is_name(other: Any) -> bool:
    return isinstance(other, str) and other.isprintable() and Path(other).name == other and other not in ("", "..")


def _read_one(path: Path, shapes_only: bool) -> dict[str, Array]:
    with open_bounded(path) as file:
        if file.size < 8:
            raise file.foreign("a safetensors file")
        (length,) = file.numbers("Q", "the length of the header")
        if length > file.remaining or file.read(1) != b"{":
            raise file.foreign("a safetensors file")
        file.seek(8)
        header = _json(file, length)
        if not isinstance(header, dict):
            raise file.damaged("its header is no list of arrays")
        header.pop("__metadata__", None)
        if len(header) > MOST_ARRAYS:
            raise file.damaged(f"{len(header)} arrays are announced")
        entries = {name: _entry(file, name, each) for name, each in header.items()}
        found = {}
        for name, (dtype, shape, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
            if file.tell() - 8 - length != begin or end - begin != dtype.itemsize * math.prod(shape):
                raise file.damaged(f"`{name[:60]}` is not where its shape and the arrays before it end")
            if shapes_only:
                file.skip(end - begin, "an array")
                found[name] = np.broadcast_to(np.zeros((), "<f4" if dtype == BFLOAT16 else dtype), shape)
            else:
                found[name] = file.array(dtype, math.prod(shape), "an array").reshape(shape)
        file.finish()
    return {name: found[name] for name in header}


def _entry(file: BoundedFile, name: str, entry: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    match entry:
        case {"dtype": str() as dtype, "shape": [*shape], "data_offsets": [int() as begin, int() as end]}:
            if len(shape) > HIGHEST_RANK or not all(type(side) is int and 0 < side < 1 << 40 for side in shape):
                raise file.damaged(f"`{name[:60]}` has no proper shape")
            if dtype not in _DTYPES:
                raise file.unsupported(f"numbers of the kind {dtype[:20]}")
            return _DTYPES[dtype], tuple(shape), begin, end
    raise file.damaged("an array is not described as the format asks for")


def _json(file: BoundedFile, length: int) -> Any:
    if length > _LONGEST_HEADER:
        raise file.damaged(f"its header is to have {length} bytes")
    try:
        return json.loads(file.take(length, "the header"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # a name twice, too
        raise file.damaged(f"its header is no JSON ({str(error)[:80]})") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is used twice")
    return found


def _encoded(ordered: list[tuple[str, Array]], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, array in ordered:
        kind = _NAMES.get(array.dtype.newbyteorder("<"))
        if kind is None or array.size == 0:
            raise ValueError(f"cannot write `{name}`: shape {array.shape}, type {array.dtype}")
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of eight bytes
    yield len(text).to_bytes(8, "little")
    yield text
    for _, array in ordered:
        yield np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
