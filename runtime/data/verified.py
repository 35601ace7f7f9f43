"""Which image files are known to be sound, and their traits, so that a later run need not open them to see.

A table of the cache (`runtime/system/cache/disk.py`): the keys are those of files that could be read, in the state that
they are in (`runtime/data/fingerprints.py`). A file that somebody has written to since is unknown again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runtime.data.fingerprints import origin_of, view_key
from runtime.data.images import Traits
from runtime.data.listing import Embedded, Sample
from runtime.system.cache.disk import CachedRows, FeatureCache

_ROW = struct.Struct("<?H")  # the traits of an image


@dataclass(frozen=True, slots=True)
class VerifiedImages:
    """The files that were found to be sound. Arrays are no files: they are always unknown."""

    table: CachedRows
    _keys: dict[int, bytes] = field(default_factory=dict)  # by the sample's identity, from before it was opened

    def unknown(self, samples: Sequence[Sample], seen: Callable[[Traits], None]) -> list[Sample]:
        """Return the samples whose images have to be opened; `seen` is told the traits of the others."""
        found = []
        for sample in samples:
            key = _key(sample)
            row = None if key is None else self.table.load(key)
            if row is None:
                found.append(sample)
            else:
                seen(Traits(*_ROW.unpack(row)))
            if key is not None:
                self._keys[id(sample)] = key
        return found

    def note(self, found: Iterable[tuple[Sample, Traits]]) -> None:
        """Remember the traits of samples, which `unknown` has returned, whose images could be read."""
        rows = [(self._keys.get(id(sample)), _ROW.pack(each.transparent, each.peak)) for sample, each in found]
        self.table.add([((key,), row) for key, row in rows if key is not None])


def _key(sample: Sample) -> bytes | None:
    origins = [origin_of(sample.image) if isinstance(sample.image, Path | Embedded) else None]
    if hasattr(sample.target, "origin"):  # a mask, which has been read as well
        origins.append(sample.target.origin)
    return None if None in origins else view_key(b"".join(filter(None, origins)), (), ())


@contextmanager
def verified_images(cache: FeatureCache | None, count: int) -> Iterator[VerifiedImages | None]:
    """Open the table for as long as the block lasts, for `count` images; None where there is no cache."""
    about = {"base": "images that can be read"}
    table = cache.open({"of": "sound images", "rules": 3}, about, _ROW.size, count) if cache else None
    try:
        yield None if table is None else VerifiedImages(table)
    finally:
        if table is not None:
            table.close()
