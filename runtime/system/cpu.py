"""Which instructions oneDNN, MXNet's library of layers, computes with, and how it is held at fewer.

Its kernels for the float32 of a network come in levels, by what the processor can do; between levels the rounding
differs. A newer processor that is held at the level of an older one gives its bits (docs/repeatability.md).
Source: "CPU Dispatcher Control" in the documentation of oneDNN 2.

OpenBLAS, which multiplies matrices for MXNet, chooses by the processor's name, and its release 0.3.13 takes one that it
does not know for one of 2004: it is told to choose by the level, too.
"""

from __future__ import annotations

import os
from pathlib import Path

# What the libraries below MXNet are told: which instructions, which kernels, how many threads.
STEERING = ("DNNL_", "KMP_", "MKL", "MXNET_MKLDNN", "MXNET_SUBGRAPH", "MXNET_USE", "OMP_", "ONEDNN_", "OPENBLAS_")
_LEVELS = {  # from the oldest, each with the flags that a processor has for it
    "sse41": ("sse4_1",),
    "avx": ("avx",),
    "avx2": ("avx2", "fma"),
    "avx512_mic": ("avx512f",),
    "avx512_core": ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
}
_MOST = "DNNL_MAX_CPU_ISA"
_LIMITS = {name.upper(): name for name in _LEVELS} | {"AVX2_VNNI": "avx2", "AVX512_MIC_4OPS": "avx512_mic"}
_BLAS = {"sse41": "Core2", "avx": "Sandybridge"}  # from AVX2 on: Haswell


def instructions() -> str:
    """Return the level that oneDNN computes with here, such as `avx2`; empty on processors of other families."""
    names = list(_LEVELS)
    told = _LIMITS.get(os.environ.get(_MOST, ""), names[-1])  # what oneDNN does not know, as `avx2`, limits nothing
    allowed = names[: names.index(told) + 1]
    flags = _flags()
    return next((name for name in reversed(allowed) if flags.issuperset(_LEVELS[name])), "")


def limit_instructions(level: object) -> None:
    """Let oneDNN compute as on a processor of a level, where this one can do more. MXNet must not be loaded yet."""
    names = list(_LEVELS)
    here = instructions()
    if level in names and here and names.index(str(level)) < names.index(here):
        os.environ[_MOST] = str(level).upper()


def choose_blas() -> None:
    """Let OpenBLAS take the kernels of the level, unless somebody chose others. MXNet must not be loaded yet."""
    if level := instructions():
        os.environ.setdefault("OPENBLAS_CORETYPE", _BLAS.get(level, "Haswell"))


def _flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())
