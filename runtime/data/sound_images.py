"""Which image files are known to be sound, so that a later run need not open them to see.

A table of the cache (`runtime/feature_cache.py`) without rows: the keys are those of files that could be read, in the
state that they are in (`runtime/data/origins.py`). A file that somebody has written to since is unknown again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runtime.data.origins import origin_of, view_key
from runtime.data.sources import Sample
from runtime.feature_cache import CachedRows, FeatureCache


@dataclass(frozen=True, slots=True)
class SoundImages:
    """The files that were found to be sound. Arrays are no files: they are always unknown."""

    table: CachedRows
    _keys: dict[int, bytes] = field(default_factory=dict)  # by the sample's identity, from before it was opened

    def unknown(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return the samples whose images have to be opened."""
        found = []
        for sample in samples:
            key = _key(sample)
            if key is None or self.table.load(key) is None:
                found.append(sample)
            if key is not None:
                self._keys[id(sample)] = key
        return found

    def note(self, samples: Iterable[Sample]) -> None:
        """Remember that the images of samples, which `unknown` has returned, could be read."""
        self.table.add([((self._keys[id(sample)],), b"") for sample in samples if id(sample) in self._keys])


def _key(sample: Sample) -> bytes | None:
    origin = None if not isinstance(sample.image, Path) else origin_of(sample.image)
    return None if origin is None else view_key(origin, (), ())


@contextmanager
def sound_images(cache: FeatureCache | None, count: int) -> Iterator[SoundImages | None]:
    """Open the table for as long as the block lasts, for `count` images; None where there is no cache."""
    about = {"base": "images that can be read"}
    table = cache.open({"of": "sound images", "rules": 2}, about, 0, count) if cache else None
    try:
        yield None if table is None else SoundImages(table)
    finally:
        if table is not None:
            table.close()
