"""All randomness of a run, derived from the recipe's seed by a named path.

In goes the seed and a path of names and numbers (purpose, stage position, epoch, then sample id or step); out
comes an integer or a NumPy generator that depends on these alone. Nothing depends on how many numbers were
drawn before, on the number of workers, or on whether the run was resumed. Python's own `hash` differs from
process to process and is never used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from operator import index

import numpy as np
import numpy.typing as npt


def derive(seed: int, *path: str | int) -> int:
    """Return the 63-bit integer (0 .. 2**63 - 1) that belongs to a path below a seed.

    The number is the first 63 bits of an 8-byte BLAKE2b (RFC 7693) of the path, in which each part stands
    with its type and length, so that `("ab", "c")`, `("a", "bc")`, `(1,)` and `("1",)` all differ.
    """
    return int.from_bytes(_hash(seed, path).digest(), "big") >> 1


def derive_each(seed: int, *path: str | int, ids: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Return `derive(seed, *path, id)` for each id, as uint64 of shape (number of ids,).

    The path's own part is hashed once: 60,000 ids take about 50 ms.
    """
    stem = _hash(seed, path)
    digests = bytearray()
    for name in ids:
        branch = stem.copy()
        branch.update(_encoded(name))
        digests += branch.digest()
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64) >> np.uint64(1)


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Return a fresh PCG64 generator, seeded with `derive(seed, *path)`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *path)))


def _hash(seed: int, path: tuple[str | int, ...]) -> hashlib.blake2b:
    state = hashlib.blake2b(digest_size=8)
    for part in (seed, *path):
        state.update(_encoded(part))
    return state


def _encoded(part: str | int) -> bytes:
    if isinstance(part, str):
        # File names that are not valid UTF-8 reach us with lone surrogates in them.
        content = part.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(content), content)
    return b"i%d;" % index(part)
