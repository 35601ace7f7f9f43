"""`.pth` files, legacy and zip, built by hand."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
FACTS = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def text(value: str) -> bytes:
    """Return the instruction that pushes a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(value: int) -> bytes:
    """Return the instruction that pushes a whole number of up to 255 bytes."""
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def items(values: tuple[int, ...]) -> bytes:
    """Return the instructions that push a tuple of numbers."""
    return b"(" + b"".join(whole(value) for value in values) + b"t"


def storage(kind: str = "FloatStorage", key: str = "0", count: int = 6) -> bytes:
    """Return the instructions that push a storage."""
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + whole(count) + b"NtQ"


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, of: bytes | None = None) -> bytes:
    """Return the instructions that push a tensor."""
    parts = (of or storage(), whole(offset), items(shape), items(strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + b"".join(parts) + b"\x89" + hooks + b"tR"


def state(**values: bytes) -> bytes:
    """Return the pickle of an ordered dict of pushed values, with the `_metadata` that modules add."""
    pairs = b"".join(text(name) + value for name, value in values.items())
    metadata = b"}" + text("_metadata") + b"ccollections\nOrderedDict\n)Rsb"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + pairs + b"u" + metadata + b"."


def whole_file(state_pickle: bytes, keys: Any = ("0",), *stored: bytes) -> bytes:
    """Return a file around the pickle of a state dict."""
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, VERSION, FACTS))
    return head + state_pickle + pickle.dumps(list(keys), 2) + b"".join(stored)


def zip_file(state_pickle: bytes, stored: Mapping[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    """Return a file of the zip format around the pickle of a state dict, with its storages by key."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        members = {
            "data.pkl": state_pickle,
            "byteorder": b"little",
            **{f"data/{key}": each for key, each in stored.items()},
        }
        for name, content in {**members, "version": b"3\n"}.items():
            archive.writestr(f"archive/{name}", content)
    return out.getvalue()


SIX = struct.pack("<q6f", 6, *range(6))
