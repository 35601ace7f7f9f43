"""The weights of a whole model as one safetensors file, with the names of the framework that the base came from.

The format is that of https://huggingface.co/docs/safetensors: the length of a header, the header as JSON, the arrays.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from runtime.models import efficientnet_lite
from runtime.models.network import Model
from runtime.models.timm.network import timm_names

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


def foreign_names(model: Model, kind: str) -> dict[str, str]:
    """Return the names that another framework has for a model's parameters, by ours.

    `kind` is that of the base. What came from no other framework keeps our names; so does a head, but for one that is
    a single dense layer: it takes the place of the original's classifier.
    """
    if kind not in _ORIGINALS:
        return {name: name for name in model.parameters}
    base, classifier = _ORIGINALS[kind](model)
    of_head = [name for name in model.parameters if name.startswith("head.")]
    layers = {name.rpartition(".")[0] for name in of_head}
    if len(layers) == 1 and all(name.endswith((".weight", ".bias")) for name in of_head):
        base |= {name: f"{classifier}.{name.rpartition('.')[2]}" for name in of_head}
    return {name: base.get(name, name) for name in model.parameters}


def _timm(model: Model) -> tuple[dict[str, str], str]:
    theirs = {id(parameter): name for name, parameter in timm_names(model.whole).items()}
    own = ((name, theirs.get(id(parameter))) for name, parameter in model.parameters.items())
    return {name: their for name, their in own if their is not None}, model.whole.classifier


def _packaged(model: Model) -> tuple[dict[str, str], str]:
    names = efficientnet_lite.original_layers(dict(model.base.parts))
    return {name: _renamed(name, names) for name in model.parameters if name.startswith("base.")}, "_fc"


def _renamed(name: str, layers: Mapping[str, str]) -> str:
    layer, _, leaf = name.removeprefix("base.").rpartition(".")
    return f"{layers[layer]}.{_PYTORCH.get(leaf, leaf)}"


_ORIGINALS: Mapping[str, Callable[[Model], tuple[dict[str, str], str]]] = {"timm": _timm, "packaged": _packaged}
"""By the kind of the base: the original's names of parameters of the base by ours, and that of its classifier."""
