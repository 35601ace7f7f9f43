"""Pickles as Python 2 and NumPy wrote those of CIFAR."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def python2(values: Mapping[str, Any]) -> bytes:
    """Write a dict as Python 2 and NumPy have pickled those of CIFAR."""
    out = b"\x80\x02}q\x01("
    for key, value in values.items():
        out += text(key) + b"q\x02"
        if isinstance(value, np.ndarray):
            state = b"K\x01" + b"".join(b"J" + struct.pack("<i", side) for side in value.shape) + b"\x86q\x09"
            dtype = b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNN"
            dtype += 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
            content = value.tobytes()
            out += b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05("
            out += state + dtype + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"
        elif isinstance(value, list):
            each = (text(one) if isinstance(one, str) else b"K" + bytes([one]) for one in value)
            out += b"]q\x06(" + b"".join(each) + b"e"
        else:
            out += text(value)
    return out + b"u."
