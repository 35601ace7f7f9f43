"""The weights of a whole model as one safetensors file, with the names of the framework that the base came from.

The format is that of https://huggingface.co/docs/safetensors: the length of a header, the header as JSON, the arrays.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from runtime.models import efficientnet_lite
from runtime.models.catalog import ZOOS
from runtime.models.network import Model
from runtime.models.timm.network import timm_names
from runtime.models.torch_names import PAIRS, torch_names
from runtime.plan.types import Component

Array = np.ndarray[Any, Any]

_DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8"}
_PYTORCH = {"gamma": "weight", "beta": "bias"}


def encoded(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a file, the same for equal arrays: names are sorted."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    chunks, end = [], 0
    for name, array in sorted(arrays.items()):
        content = np.ascontiguousarray(array).tobytes()
        offsets = [end, end := end + len(content)]
        header[name] = {"dtype": _DTYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets}
        chunks.append(content)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *chunks])


def foreign_names(model: Model, base: Component) -> dict[str, str]:
    """Return the names that another framework has for a model's parameters, by ours.

    What came from no other framework keeps our names; so does a head, but for one that is a single dense layer: it
    takes the place of the original's classifier.
    """
    original = _ORIGINALS.get(base.name)
    found = None if original is None else original(model, base.args["name"])
    if found is None:
        return {name: name for name in model.parameters}
    names, classifier = found
    of_head = [name for name in model.parameters if name.startswith("head.")]
    layers = {name.rpartition(".")[0] for name in of_head}
    if classifier and len(layers) == 1 and all(name.endswith((".weight", ".bias")) for name in of_head):
        names |= {name: f"{classifier}.{name.rpartition('.')[2]}" for name in of_head}
    return {name: names.get(name, name) for name in model.parameters}


def as_original(names: Mapping[str, str], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays under foreign names, with the sides that they have there.

    PyTorch has convolutions of one pixel in squeeze-and-excitation, and dense layers in classifiers, where some
    networks of the zoos have it the other way.
    """
    found = {names[name]: values for name, values in arrays.items()}
    for name, values in found.items():
        if values.ndim == 2 and _CONVOLUTIONS.search(name):
            found[name] = values[:, :, None, None]
        elif values.ndim == 4 and _DENSE.match(name):
            found[name] = values[:, :, 0, 0]
    return found


_CONVOLUTIONS = re.compile(r"(^|\.)se\.fc[12]\.weight$")
_DENSE = re.compile(r"classifier\.\d+\.weight$")
_Names = tuple[dict[str, str], str]
"""The original's names of a base's parameters by ours, and that of its classifier, empty where ours is another."""


def _timm(model: Model, name: str) -> _Names | None:  # noqa: ARG001
    return _by_ours(model, timm_names(model.whole)), model.whole.classifier


def _zoo(model: Model, name: str) -> _Names | None:
    """Return PyTorch's names where a network of a zoo is PyTorch's, as it is with weights of PyTorch."""
    if name not in PAIRS:
        return None
    theirs = torch_names(model.whole, name)
    if len(theirs) != PAIRS[name].arrays:
        return None
    own = {id(parameter) for parameter in model.parameters.values()}
    rest = {torch.rpartition(".")[0] for torch, parameter in theirs.items() if id(parameter) not in own}
    return _by_ours(model, theirs), rest.pop() if len(rest) == 1 and not name.startswith(_POOLS_LAST) else ""


_POOLS_LAST = "squeezenet"  # its classifier is a convolution before the pooling


def _by_ours(model: Model, theirs: Mapping[str, Any]) -> dict[str, str]:
    found = {id(parameter): name for name, parameter in theirs.items()}
    own = ((name, found.get(id(parameter))) for name, parameter in model.parameters.items())
    return {name: their for name, their in own if their is not None}


def _packaged(model: Model, name: str) -> _Names | None:  # noqa: ARG001
    names = efficientnet_lite.original_layers(dict(model.base.parts))
    return {name: _renamed(name, names) for name in model.parameters if name.startswith("base.")}, "_fc"


def _renamed(name: str, layers: Mapping[str, str]) -> str:
    layer, _, leaf = name.removeprefix("base.").rpartition(".")
    return f"{layers[layer]}.{_PYTORCH.get(leaf, leaf)}"


_ORIGINALS: Mapping[str, Callable[[Model, str], _Names | None]] = {
    "timm": _timm,
    "packaged": _packaged,
    **dict.fromkeys(ZOOS, _zoo),
}
"""By the kind of the base, what gives the original's names."""
