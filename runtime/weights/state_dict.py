"""A file's state dict: arrays by the names of the layers, taken out of what was saved around it.

In goes what a PyTorch or safetensors file holds; out come the tensors of one network. A checkpoint of a training run
keeps the weights in a dictionary of its own beside the optimizer's state, and several wrappers put a word before every
name. Both are taken off, and remembered, so that it can be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from recipe_lang.words import counted

Array = np.ndarray[Any, Any]
T = TypeVar("T")

_WRAPPERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema"),  # averaged weights, as timm prefers them
    *("state_dict", "model_state_dict", "model_state", "model", "teacher", "network", "net", "weights", "params"),
)
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class StateDict:
    """The tensors of a network by name, and what was taken off or left out on the way to them.

    `keys` lead to them in a checkpoint; `prefix` stood before every name; `left_out` are the names of what the file
    holds beside them.
    """

    path: Path
    arrays: Mapping[str, Array]
    keys: tuple[str, ...] = ()
    prefix: str = ""
    left_out: tuple[str, ...] = ()

    def notes(self) -> Iterator[str]:
        """Say, a line each, what was not taken as it stands in the file."""
        if self.keys:
            yield f"the weights are those under `{'` / `'.join(self.keys)}`"
        if self.prefix:
            yield f"`{self.prefix}` is taken off every name"
        if self.left_out:
            yield f"left out: {counted(len(self.left_out), 'entry', 'entries')} that {_are_no_weights(self.left_out)}"


def _are_no_weights(names: tuple[str, ...]) -> str:
    verb = "is" if len(names) == 1 else "are"
    shown = ", ".join(f"`{name[:60]}`" for name in names[:5])
    return f"{verb} not these weights ({shown}{', …' if len(names) > 5 else ''})"


def inner_state(value: Mapping[Any, Any], kind: type[T]) -> tuple[dict[str, T], tuple[str, ...], tuple[str, ...]]:
    """Return the tensors (values of a kind) of a state dict, the keys that lead to it, and the names beside it.

    There are no tensors where nothing in the value is a state dict.
    """
    keys: list[str] = []
    left: list[str] = []
    while len(keys) < _DEEPEST:
        key = next((name for name in _WRAPPERS if _has(value.get(name), kind)), None)
        if key is None:
            break
        left += [str(name) for name in value if name != key]
        value = value[key]
        keys.append(key)
    tensors = {name: each for name, each in value.items() if isinstance(name, str) and isinstance(each, kind)}
    return tensors, tuple(keys), tuple(left + [str(name) for name in value if name not in tensors])


def _has(value: Any, kind: type[Any], depth: int = _DEEPEST) -> bool:
    """Whether a dictionary has a tensor, or a wrapped one that has."""
    if not isinstance(value, dict) or depth == 0:
        return False
    return any(isinstance(each, kind) for each in value.values()) or any(
        _has(value.get(name), kind, depth - 1) for name in _WRAPPERS
    )


def without_prefix(tensors: Mapping[str, T]) -> tuple[dict[str, T], str]:
    """Take off what wrappers put before every name; return it as well."""
    found = {name: tensor for name, tensor in tensors.items() if name != "n_averaged"}  # of torch's AveragedModel
    taken = ""
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in found)), ""):
        if not found or prefix in found:
            break
        found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
        taken += prefix
    return (found, taken) if taken else (dict(tensors), "")
