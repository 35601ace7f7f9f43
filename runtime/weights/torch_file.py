"""State dicts in PyTorch's legacy `.pth` format, read without PyTorch and without running anything.

In goes a path; out comes a dictionary from names to NumPy arrays. The file is five pickles (a magic number,
a version, facts about the writing machine, the state dict, the keys of the storages), which
`runtime.weights.torch_pickle` reads, and then the storages: a count and that many numbers each; see `_legacy_save`
in `torch/serialization.py`. PyTorch wrote it until version 1.6, and still does with
``_use_new_zipfile_serialization=False``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtime.weights.bounded import MOST_ARRAYS, BoundedFile, open_bounded
from runtime.weights.torch_pickle import Pickle, Storage, Tensor

Array = np.ndarray[Any, Any]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_ZIP_HINT = "save it again in PyTorch: `torch.save(state, path, _use_new_zipfile_serialization=False)`"


def read_torch_file(path: Path) -> dict[str, Array]:
    """Return the tensors of a state dict by name, in the order in which the modules were defined.

    The arrays are views into the file's storages, so memory stays within the file's size plus a small
    amount per tensor.

    Raises:
        RecipeError: the file cannot be read, is of another kind, names code, is damaged, or is in the zip
            format.
    """
    with open_bounded(path) as file:
        _check_header(file)
        tensors = _tensors(file, Pickle(file).value())
        _check_bounds(file, tensors)
        storages = _read_storages(file, {tensor.storage for tensor in tensors.values()})
        file.finish()
    return {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _check_header(file: BoundedFile) -> None:
    start = file.take(2, "the header") if file.size >= 2 else b""
    if start == b"PK":
        raise file.unsupported("PyTorch's zip format (1.6 and newer)", _ZIP_HINT)
    if start != b"\x80\x02":
        raise file.foreign("a PyTorch state dict in the legacy format")
    if Pickle(file, begun=True).value() != _MAGIC:
        raise file.damaged("the magic number of a PyTorch file is missing")
    if Pickle(file).value() != _VERSION:
        raise file.unsupported("another version of PyTorch's format", _ZIP_HINT)
    machine = Pickle(file).value()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise file.unsupported("numbers of a machine with the other byte order")


def _tensors(file: BoundedFile, state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict):
        raise file.unsupported(f"a {type(state).__name__.lower()} instead of a state dict")
    if len(state) > MOST_ARRAYS:
        raise file.damaged(f"{len(state)} tensors are announced")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise file.unsupported(
                "more than tensors by name",
                "save the state dict alone: `torch.save(model.state_dict(), path)`",
            )
    return state


def _check_bounds(file: BoundedFile, tensors: Mapping[str, Tensor]) -> None:
    for tensor in tensors.values():
        steps = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.offset + sum((side - 1) * stride for side, stride in steps)
        # The second condition refuses a few numbers that claim to be many, by strides of zero.
        if last >= tensor.storage.count or math.prod(tensor.shape) > tensor.storage.count:
            raise file.damaged(f"a tensor of shape {tensor.shape} does not fit its storage")


def _read_storages(file: BoundedFile, wanted: set[Storage]) -> dict[str, Array]:
    by_key = {storage.key: storage for storage in wanted}
    keys = Pickle(file).value()
    if (
        len(by_key) != len(wanted)
        or not isinstance(keys, list)
        or len(keys) != len(wanted)
        or any(not isinstance(key, str) for key in keys)
        or set(keys) != set(by_key)
    ):
        raise file.damaged("its list of storages is not the list that its tensors use")
    storages = {}
    for number, key in enumerate(keys):
        storage = by_key[key]
        if file.numbers("q", "the length of a storage") != (storage.count,):
            raise file.damaged(f"storage {number} is not as long as its tensors say")
        storages[key] = file.array(storage.dtype, storage.count, f"storage {number}")
    return storages


def _view(tensor: Tensor, numbers: Array) -> Array:
    width = tensor.storage.dtype.itemsize
    return np.ndarray(  # checks the bounds once more
        tensor.shape,
        tensor.storage.dtype,
        numbers.data,
        tensor.offset * width,
        tuple(stride * width for stride in tensor.strides),
    )
