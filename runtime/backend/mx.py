"""The one place that imports MXNet and GluonCV.

MXNet 1.9.1 uses aliases that NumPy 1.24 removed, so they are put back before the
import. GluonCV 0.10.5 refuses to be imported beside PyTorch 2 or newer, so PyTorch is hidden
from it for the moment of the import. Import this module only where a network is built or run:
checking a recipe must not pay for it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import get_ident
from types import ModuleType
from typing import Any

import numpy as np
from PIL import ImageFile

from runtime.system.cpu import choose_blas
from runtime.system.threads import settle_threads

_REMOVED_FROM_NUMPY = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "object": object,
    "str": str,
}

for _name, _type in _REMOVED_FROM_NUMPY.items():
    if _name not in np.__dict__:
        setattr(np, _name, _type)

# What MXNet loads along and nothing here uses takes half of its time.
_UNUSED = (
    "cv2",
    "requests",  # for downloads: `hosted_weights` gives it back
    "scipy",  # for sparse arrays
    "sklearn",
    "mxnet.contrib.onnx",
    "mxnet.contrib.quantization",
    "mxnet.contrib.text",
    "mxnet.test_utils",
)


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Leave packages out while another one that mentions them is imported; they can be imported afterwards."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
            parent, _, last = name.rpartition(".")
            if parent in sys.modules and hasattr(sys.modules[parent], last):
                delattr(sys.modules[parent], last)


if sys.version_info < (3, 12) and "_distutils_hack" in sys.modules:
    # MXNet compares versions with distutils; setuptools puts its own in the place of Python's, and takes 0.1 s
    sys.modules["_distutils_hack"].remove_shim()
choose_blas()
settle_threads()
with warnings.catch_warnings(), _without(_UNUSED):
    warnings.simplefilter("ignore")
    import mxnet as mx
    from mxnet import autograd, gluon, nd
    from mxnet.gluon import nn
    from mxnet.ndarray.ndarray import array  # nd.array looks for SciPy's sparse types first: twice as slow

# It uses names that newer releases of NumPy and SciPy advise against: nothing that anybody here could change.
warnings.filterwarnings("ignore", module=r"(mxnet|gluoncv)\.")


def _free_graphs_where_they_were_made() -> None:
    """Let only the thread that made a graph free it; what another collects waits until the next graph is made.

    Freeing a graph queues it for all of its arrays, one after the other. Python collects cycles in whichever thread
    happens to allocate: if the one that computes asks for some of the same arrays meanwhile, each waits for the other,
    and the run stands still for ever.
    """
    makers: dict[int, int] = {}
    waiting: deque[tuple[int, Any]] = deque()
    make, free = mx.nd.CachedOp.__init__, mx.base._LIB.MXFreeCachedOp

    def released(maker: int, handle: Any) -> None:
        if maker == get_ident() or maker not in {thread.ident for thread in threading.enumerate()}:
            free(handle)
        else:
            waiting.append((maker, handle))

    def made(self: Any, *args: Any, **options: Any) -> None:
        for _ in range(len(waiting)):
            released(*waiting.popleft())
        make(self, *args, **options)
        makers[self.handle.value] = get_ident()

    mx.nd.CachedOp.__init__ = made
    mx.nd.CachedOp.__del__ = lambda self: released(makers.pop(self.handle.value, get_ident()), self.handle)


_free_graphs_where_they_were_made()


def _leave_arithmetic_to_the_engine() -> None:
    """Let this thread, which asks and reads, have no team of OpenMP's threads; the engine's computes with all of its.

    MXNet brings an array of oneDNN's layout in order in the thread that reads it. A second team makes more threads than
    cores: from then on OpenMP lets all of them sleep rather than wait between two operators, and a step of small ones
    takes twice as long. What threads divide here is copied: no number depends on it.
    """
    if os.environ.get("MXNET_ENGINE_TYPE") != "NaiveEngine":  # which computes in this thread
        with suppress(AttributeError):
            mx.base._LIB.omp_set_num_threads(1)


_leave_arithmetic_to_the_engine()

__all__ = ["array", "autograd", "gluon", "gluoncv", "mx", "nd", "nn"]


def gluoncv() -> Any:
    """Import and return the `gluoncv` package, with PyTorch hidden while it loads.

    GluonCV tells Pillow to accept truncated images from then on; that is taken back: such an image must be found.
    """
    if "gluoncv" in sys.modules:
        return sys.modules["gluoncv"]
    hidden: dict[str, ModuleType] = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name == "torch" or name.startswith("torch.")
    }
    sys.modules["torch"] = None  # type: ignore[assignment]
    level = logging.root.level
    truncated = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import gluoncv as package
    finally:
        del sys.modules["torch"]
        sys.modules.update(hidden)
        logging.root.setLevel(level)
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    return package
