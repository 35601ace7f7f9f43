"""MXNet `.params` files, read and written without MXNet.

In goes a path; out comes a dictionary from names to NumPy arrays, and the other way round. Names are kept
as they stand in the file: the ``arg:`` and ``aux:`` that `export` writes stay, and `runtime.weights.assign`
takes them off.

The format is the list of `NDArray::Save` and `NDArray::Load` in MXNet 1.9.1, little-endian: the number
0x112 and a reserved zero (64 bits each), the number of arrays, the arrays, the number of names, the names.
An array is its version, storage kind, shape, device, type and data. All four versions of an array are read;
version 2 is written, as MXNet does outside its NumPy mode. Only dense arrays of at least one number are
read and written.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from runtime.system.files import replace_file
from runtime.weights.bounded import HIGHEST_RANK, MOST_ARRAYS, BoundedFile, open_bounded
from runtime.weights.problems import BadChecksum, WrongChecksum
from runtime.weights.safetensors_file import files_of

Arrays = dict[str, np.ndarray[Any, Any]]

_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE = 0
_CPU = (1, 0)
_SHORTEST_ARRAY = 21  # version 0: rank, one side, device, type, one byte of data
_DTYPES = {flag: np.dtype(name) for flag, name in enumerate(("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8"))}
_FLAGS = {dtype: flag for flag, dtype in _DTYPES.items()}


def is_params(start: bytes) -> bool:
    """Whether a file that begins so is one of MXNet's arrays."""
    return start.startswith(struct.pack("<QQ", _MAGIC, 0)[:8])


def read_params(path: Path) -> Arrays:
    """Return the arrays of a `.params` file by name, in the file's order.

    Types are float32, float64, float16, uint8, int32, int8 or int64. Memory stays within the file's size
    plus a small amount per array.

    Raises:
        RecipeError: the file cannot be read, is of another kind, is damaged, or holds sparse or unnamed
            arrays.
    """
    with open_bounded(path) as file:
        if file.size < 16 or file.numbers("Q", "the header") != (_MAGIC,):
            raise file.foreign("an MXNet .params file")
        file.take(8, "the header")
        count = _count(file, _SHORTEST_ARRAY, "arrays")
        arrays = [_read_array(file, f"array {index}") for index in range(count)]
        names = [_read_name(file) for _ in range(_count(file, 8, "names"))]
        file.finish()
        if len(names) != count:
            if not names:
                raise file.unsupported("arrays without names", "save a dictionary of arrays, not a list")
            raise file.damaged(f"{count} arrays but {len(names)} names")
        by_name = dict(zip(names, arrays, strict=True))
        if len(by_name) != count:
            raise file.damaged("a name is used twice")
        return by_name


def write_params(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Write arrays as a `.params` file that `mx.nd.load` reads; return its SHA-256 sum in hexadecimal digits.

    The file is complete or not there at all.

    Equal names and arrays give equal bytes: names are sorted. The data goes to a temporary file in the same
    folder, is forced to the disk, and takes the place of `path` in one step.

    Raises:
        ValueError: an array is empty, has no side or more than eight, or is of a type that `read_params`
            does not list.
        OSError: the file cannot be written.
    """
    ordered = sorted(arrays.items())
    for name, array in ordered:
        if array.size == 0 or not 1 <= array.ndim <= HIGHEST_RANK or _plain(array.dtype) not in _FLAGS:
            raise ValueError(f"cannot write `{name}`: shape {array.shape}, type {array.dtype}")
    return replace_file(path, _encoded(ordered))


def sha256_of_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Return the SHA-256 sum that `write_params` would give the file of these arrays."""
    digest = hashlib.sha256()
    for part in _encoded(sorted(arrays.items())):
        digest.update(part)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 sum as 64 lower-case hexadecimal digits.

    That of an index of `.safetensors` files is the sum over its own bytes and, in order of their names, those of the
    files that it names, as `cat` would join them.

    Raises:
        RecipeError: the file cannot be read.
    """
    digest = hashlib.sha256()
    for each in files_of(path) if path.name.endswith(".index.json") else (path,):
        _update(digest, each)
    return digest.hexdigest()


def _update(digest: Any, path: Path) -> None:
    with open_bounded(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)


def check_sha256(path: Path, prefix_hex: str) -> None:
    """Raise `RecipeError` unless the file's SHA-256 sum begins with these 8 to 64 hexadecimal digits."""
    if not re.fullmatch(r"[0-9a-fA-F]{8,64}", prefix_hex):
        raise RecipeError(BadChecksum(text=prefix_hex))
    found = sha256_of(path)
    if not found.startswith(prefix_hex.lower()):
        raise RecipeError(WrongChecksum(path=str(path), expected=prefix_hex.lower(), found=found))


def _count(file: BoundedFile, shortest: int, what: str) -> int:
    count: int = file.numbers("Q", f"the number of {what}")[0]
    if count > min(MOST_ARRAYS, file.remaining // shortest):
        raise file.damaged(f"{count} {what} are announced")
    return count


def _read_name(file: BoundedFile) -> str:
    (length,) = file.numbers("Q", "the length of a name")
    try:
        return file.take(length, "a name").decode()
    except UnicodeDecodeError:
        raise file.damaged("a name is not UTF-8 text") from None


def _read_array(file: BoundedFile, what: str) -> np.ndarray[Any, Any]:
    shape = _read_shape(file, what)
    if min(shape, default=1) < 1:
        raise file.damaged(f"{what} has the shape {shape}")
    *_, flag = file.numbers("iii", f"the header of {what}")
    if flag not in _DTYPES:
        raise file.unsupported(f"numbers of type {flag} ({what})")
    return file.array(_DTYPES[flag], math.prod(shape), what).reshape(shape)


def _read_shape(file: BoundedFile, what: str) -> tuple[int, ...]:
    (version,) = file.numbers("I", f"the header of {what}")
    if version in (_V2, _V3):
        (storage,) = file.numbers("i", f"the header of {what}")
        if storage in (1, 2):
            raise file.unsupported(f"a sparse array ({what})", "save it dense: `array.tostype('default')`")
        if storage != _DENSE:
            raise file.damaged(f"{what} is of the storage kind {storage}")
    # Version 0 has no version number: its rank stands there, and its sides are 32 bits wide.
    known = version in (_V1, _V2, _V3)
    rank = file.numbers("i", f"the shape of {what}")[0] if known else version
    if not (0 if version == _V3 else 1) <= rank <= HIGHEST_RANK:  # only version 3 knows single numbers
        raise file.damaged(f"{what} has {rank} sides" if known else f"{what} has no header")
    return file.numbers(f"{rank}{'q' if known else 'I'}", f"the shape of {what}")


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _encoded(ordered: list[tuple[str, np.ndarray[Any, Any]]]) -> Iterator[bytes | memoryview]:
    yield struct.pack("<QQQ", _MAGIC, 0, len(ordered))
    for _, array in ordered:
        plain = np.ascontiguousarray(array, _plain(array.dtype))
        yield struct.pack("<IIi", _V2, _DENSE, plain.ndim)
        yield struct.pack(f"<{plain.ndim}q", *plain.shape)
        yield struct.pack("<iii", *_CPU, _FLAGS[plain.dtype])
        yield plain.reshape(-1).view(np.uint8).data
    yield struct.pack("<Q", len(ordered))
    for name, _ in ordered:
        encoded = name.encode()
        yield struct.pack("<Q", len(encoded)) + encoded
