"""State dicts of PyTorch's `.pth` files, read without PyTorch and without running anything.

In goes a path; out comes a `StateDict`. There are two formats: zip archives (`runtime.weights.torch_zip`), and what
PyTorch wrote until version 1.6 and still does with ``_use_new_zipfile_serialization=False``: five pickles (a magic
number, a version, facts about the writing machine, the value, the keys of the storages), which
`runtime.weights.torch_pickle` reads, and then the storages: a count and that many numbers each; see `_legacy_save`
in `torch/serialization.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from runtime.weights.bounded import MOST_ARRAYS, BoundedFile, open_bounded
from runtime.weights.state_dict import StateDict, inner_state, without_prefix
from runtime.weights.torch_pickle import Pickle, Storage, Tensor
from runtime.weights.torch_zip import TorchArchive

Array = np.ndarray[Any, Any]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_SAVE_AGAIN = "save the state dict again with a newer PyTorch: `torch.save(model.state_dict(), path)`"


def read_torch_file(path: Path) -> StateDict:
    """Return the tensors of a state dict, in the order in which the modules were defined.

    It may lie in a checkpoint of a training run; averaged weights are preferred, and the state of an optimizer is
    not read. The arrays are views into the file's storages, so memory stays within the file's size plus a small
    amount for each tensor; bfloat16 becomes float32.

    Raises:
        RecipeError: the file cannot be read, is of another kind, names code, or is damaged.
    """
    with open_bounded(path) as file:
        archive = TorchArchive(file) if file.take(min(2, file.size), "the header") == b"PK" else None
        pickle = archive.pickle() if archive else _legacy_pickle(file)
        tensors, keys, left = _tensors(file, pickle.value())
        _check_bounds(file, tensors)
        wanted = {tensor.storage for tensor in tensors.values()}
        storages = archive.storages(wanted) if archive else _legacy_storages(file, pickle.storages, wanted)
    arrays = {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
    short, prefix = without_prefix(arrays)
    return StateDict(path, short, keys, prefix, left)


def _tensors(file: BoundedFile, value: Any) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
    if not isinstance(value, dict):
        raise file.unsupported(f"a {type(value).__name__.lower()} instead of a state dict")
    tensors, keys, left = inner_state(value, Tensor)
    if value and not tensors:
        shown = ", ".join(str(name)[:40] for name in list(value)[:5])
        raise file.unsupported(
            f"no state dict ({shown})",
            "save the state dict alone: `torch.save(model.state_dict(), path)`",
        )
    if len(tensors) > MOST_ARRAYS:
        raise file.damaged(f"{len(tensors)} tensors are announced")
    return tensors, keys, left


def _check_bounds(file: BoundedFile, tensors: Mapping[str, Tensor]) -> None:
    for tensor in tensors.values():
        steps = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.offset + sum((side - 1) * stride for side, stride in steps)
        # The second condition refuses a few numbers that claim to be many, by strides of zero.
        if last >= tensor.storage.count or math.prod(tensor.shape) > tensor.storage.count:
            raise file.damaged(f"a tensor of shape {tensor.shape} does not fit its storage")


def _view(tensor: Tensor, numbers: Array) -> Array:
    width = numbers.dtype.itemsize
    return np.ndarray(  # checks the bounds once more
        tensor.shape,
        numbers.dtype,
        numbers.data,
        tensor.offset * width,
        tuple(stride * width for stride in tensor.strides),
    )


def _legacy_pickle(file: BoundedFile) -> Pickle:
    file.seek(0)
    if file.read(2) != b"\x80\x02":
        raise file.foreign("a PyTorch file")
    if Pickle(file, begun=True).value() != _MAGIC:
        raise file.foreign("a PyTorch file")
    if Pickle(file).value() != _VERSION:
        raise file.unsupported("another version of PyTorch's format", _SAVE_AGAIN)
    machine = Pickle(file).value()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise file.unsupported("numbers of a machine with the other byte order")
    return Pickle(file)


def _legacy_storages(file: BoundedFile, named: Mapping[str, Storage], wanted: Set[Storage]) -> dict[str, Array]:
    keys = Pickle(file).value()
    if (
        not isinstance(keys, list)
        or len(keys) != len(named)
        or any(not isinstance(key, str) for key in keys)
        or set(keys) != set(named)
    ):
        raise file.damaged("its list of storages is not the list that its tensors use")
    storages = {}
    for number, key in enumerate(keys):
        storage = named[key]
        if file.numbers("q", "the length of a storage") != (storage.count,):
            raise file.damaged(f"storage {number} is not as long as its tensors say")
        if storage in wanted:
            storages[key] = file.array(storage.dtype, storage.count, f"storage {number}")
        else:
            file.skip(storage.dtype.itemsize * storage.count, f"storage {number}")
    file.finish()
    return storages
