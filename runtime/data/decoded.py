"""Images kept decoded, for a run that reads them more than once.

What is kept of an image is what its leading fixed steps (`resize`, `center_crop`) make of it: all that is the same at
each reading. `Decoded` holds such images in memory, then in a temporary file; beyond both they are opened each time.
`Opening` gives the image of a sample, kept or fresh: the same pixels.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from threading import Lock
from typing import IO

import numpy as np
from PIL import Image

from runtime.data.images import USUAL, Reading, as_rgb, open_grey_or_rgb
from runtime.data.listing import ImageRef
from runtime.data.transforms.catalog import Pipeline
from runtime.data.transforms.changes import Change, changed
from runtime.data.transforms.views import view_count
from runtime.plan.size import Size
from runtime.plan.types import Component, Plan
from runtime.system.spill import Budget

MEMORY_BYTES = 2**30
DISK_BYTES = 8 * 2**30
SPARE_BYTES = 2**30  # what is left free on the disk: a run's own results matter more

Key = tuple[str, int]  # the fixed steps, the identity of what an image is read from
_BYTES_IN_MEMORY = 4  # Pillow takes as much for a pixel of three

_NO_RANDOMNESS = np.random.Generator(np.random.PCG64(0))


def read_again(plan: Plan) -> frozenset[str]:
    """Return the sets whose images a plan may ask for more than once; the test set is measured at the end only."""
    epochs = sum(stage.epochs for stage in plan.stages)
    times = {"train": epochs, "valid": epochs + 1}
    return frozenset(name for name, count in times.items() if count > 1)


def fixed_lead(steps: Sequence[Component]) -> tuple[Component, ...]:
    """Return the steps before the first that may give another image each time."""
    return tuple(takewhile(lambda step: view_count([step]) == 1, steps))


@dataclass(frozen=True, slots=True, eq=False)
class _InFile:
    """Where an image lies in the file: 3 bytes per pixel, row by row."""

    size: tuple[int, int]
    offset: int

    @property
    def bytes(self) -> int:
        return 3 * self.size[0] * self.size[1]


class Decoded:
    """RGB images by key; any thread may use it. `sets` names those that are read more than once.

    `budget` bounds the bytes. Where the disk refuses, one note is logged and nothing more is written.
    """

    def __init__(self, sets: frozenset[str], budget: Budget | None = None) -> None:
        self.sets = sets
        self._budget = Budget(MEMORY_BYTES, DISK_BYTES) if budget is None else budget
        self._writes = True
        self._images: dict[Key, Image.Image | _InFile] = {}
        self._sources: dict[int, ImageRef] = {}  # held, so that no other object gets the identity
        self._file: IO[bytes] | None = None
        self._end = 0
        self._lock = Lock()

    def get(self, key: Key) -> Image.Image | None:
        """Return what is kept under a key. The image is shared: no transform may write into its argument."""
        found = self._images.get(key)
        if not isinstance(found, _InFile):
            return found
        try:
            content = self._read(found)
        except OSError as error:
            self._give_up(error.strerror or str(error))
            return None
        return Image.frombytes("RGB", found.size, content) if len(content) == found.bytes else None

    def put(self, key: Key, source: ImageRef, image: Image.Image) -> None:
        """Keep an image, where there is room. It is not to be changed afterwards."""
        place = self._reserve(key, source, image)
        if place is None:
            return
        try:
            self._write(place, image.tobytes())
        except OSError as error:
            self._give_up(error.strerror or str(error))
        else:
            self._images[key] = place

    def _reserve(self, key: Key, source: ImageRef, image: Image.Image) -> _InFile | None:
        """Keep an image in memory, or return the place in the file where it is to be written."""
        in_memory = _BYTES_IN_MEMORY * image.width * image.height
        with self._lock:
            place = _InFile(image.size, self._end)
            on_disk = self._writes and place.bytes <= self._budget.disk
            if key in self._images or not (in_memory <= self._budget.memory or on_disk):
                return None
            self._sources[key[1]] = source
            if in_memory <= self._budget.memory:
                self._budget.memory -= in_memory
                image.info = {}  # metadata can be larger than the pixels
                self._images[key] = image
                return None
            self._budget.disk -= place.bytes
            self._end += place.bytes
            return place

    def _write(self, place: _InFile, content: bytes) -> None:
        file = self._opened()
        system = os.fstatvfs(file)
        if system.f_bavail * system.f_frsize < SPARE_BYTES + len(content):
            raise OSError(f"less than {SPARE_BYTES / 2**30:g} GiB is free")
        done = 0
        while done < len(content):  # a disk that fills up takes a part
            done += os.pwrite(file, memoryview(content)[done:], place.offset + done)

    def _read(self, place: _InFile) -> bytes:
        return os.pread(self._opened(), place.bytes, place.offset)

    def _opened(self) -> int:
        with self._lock:
            if self._file is None:
                self._file = self._budget.file("images")
            return self._file.fileno()

    def _give_up(self, reason: str) -> None:
        """Write nothing more; what is in the file can still be read."""
        with self._lock:
            first, self._writes = self._writes, False
        if first:
            text = "%s: %s; not all images are kept decoded, some are opened again each time"
            logging.getLogger(__name__).warning(text, self._budget.place(), reason)

    def close(self) -> None:
        """Let go of all images."""
        self._images.clear()
        self._sources.clear()
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """Opens images as `reading` says, and takes them through the fixed steps of `lead`, described by `key`.

    With `kept` an image that is there is not opened. `again` says that this image will be asked for once more: it is
    put there.
    """

    lead: Pipeline = Pipeline(())
    key: str = ""
    reading: Reading = USUAL
    kept: Decoded | None = None
    again: bool = False

    def __call__(self, source: ImageRef) -> Image.Image:
        """Return the image, to be read only; raise `ImageError` when it cannot be read."""
        if self.kept is None:
            return self._read(source)
        key = (self.key, id(source))
        image = self.kept.get(key)
        if image is None:
            image = self._read(source)
            if self.again and not _is_there(source, image):
                self.kept.put(key, source, image)
        return image

    def _read(self, source: ImageRef) -> Image.Image:
        image = open_grey_or_rgb(source, self.reading)
        return as_rgb(changed(image, self.changes(Size(image.height, image.width))))

    def changes(self, size: Size) -> tuple[Change, ...]:
        """Return what is done to an image of that size."""
        return self.lead.draw(size, _NO_RANDOMNESS)


def _is_there(source: ImageRef, image: Image.Image) -> bool:
    """Whether an array holds the image already: the steps have not changed its size, and so nothing."""
    return isinstance(source, np.ndarray) and source.shape[:2] == (image.height, image.width)


def opening(lead: Sequence[Component], kept: Decoded | None, again: bool) -> Opening:
    """Return what opens images and takes them through their fixed steps."""
    described = [(step.name, sorted(step.args.items())) for step in lead]
    return Opening(Pipeline(lead), repr(described), Reading.of(lead), kept, again)
