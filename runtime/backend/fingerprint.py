"""What a number's rounding depends on beside the recipe: MXNet, the processor, the number of threads, versions."""

from __future__ import annotations

import os
import platform
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from runtime.backend.mx import mx
from runtime.system.cpu import STEERING, instructions
from runtime.system.installation import own_version

_LATE = ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")  # scikit-learn sets them when it loads; they change no number


def arithmetic() -> dict[str, str]:
    """Return all that is known to change the rounding of what a network computes, by name."""
    told = sorted(os.environ.items())
    steering = {name: value for name, value in told if name.startswith(STEERING) and name not in _LATE}
    return {
        "mxnet": mx.__version__,
        "library": str(os.stat(mx.libinfo.find_lib_path()[0]).st_size),  # builds differ under one version
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        **steering,
    }


def thread_count() -> int:
    """Return how many threads share the arithmetic: `OMP_NUM_THREADS`, or the cores that this process may use."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() else len(os.sched_getaffinity(0))


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part in a result."""
    names = ("mxnet", "gluoncv", "numpy", "pillow", "scikit-learn")
    return {"ftr": own_version(), **{name: version(name) for name in names}, "python": platform.python_version()}


def kind() -> dict[str, str]:
    """Return what `arithmetic` knows but for the threads, short enough to be shown: long texts as a model and a digest.

    Where two machines differ in it, their bits may differ.
    """
    found = {name: text for name, text in arithmetic().items() if name not in _ELSEWHERE}
    text = found.pop("processor")
    models = (
        line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(("model name", "CPU part"))
    )
    digest = sha256(text.encode()).hexdigest()[:12]
    return {**found, "processor": next(models, text), "features": digest, "instructions": instructions()}


_ELSEWHERE = ("mxnet", "cores", "OMP_NUM_THREADS", "DNNL_MAX_CPU_ISA")  # said by another name


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = ("model name", "flags", "Features", "CPU part", "cache size")
    return "\n".join(line for line in lines if line.startswith(fields))
