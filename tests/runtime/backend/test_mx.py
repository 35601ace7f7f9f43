"""Importing MXNet and GluonCV leaves the process as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from PIL import ImageFile

from runtime.backend.mx import gluoncv

_BESIDE_PYTORCH = """
import sys, types
torch = types.ModuleType("torch")
torch.__version__, torch.Tensor = "2.13.0", type("Tensor", (), {})
sys.modules["torch"] = torch
from runtime.backend.mx import gluoncv
gluoncv()
assert sys.modules["torch"] is torch
"""


_THREADS = """
import os
import numpy as np
from runtime.backend.fingerprint import thread_count
from runtime.backend.mx import nd
counted = lambda: len(os.listdir("/proc/self/task"))
nd.waitall()
before = counted()
maps = nd.Convolution(nd.ones((1, 16, 32, 32)), nd.ones((16, 16, 3, 3)), kernel=(3, 3), num_filter=16, no_bias=True)
nd.waitall()
used = counted() - before  # the engine's thread for operators, and its team
maps.asnumpy(), nd.array(np.zeros(400_000, np.float32))
print(used, thread_count(), counted() - before)
"""
_LOADED_BEFORE = """
import numpy
for each in (bool, int, float, complex, object, str):  # as a program does that has MXNet beside a new NumPy
    setattr(numpy, each.__name__, each)
import mxnet
"""
_FREED = """
import gc, threading
freed, free = [], mxnet.base._LIB.MXFreeCachedOp
mxnet.base._LIB.MXFreeCachedOp = lambda handle: freed.append(threading.current_thread().name) or free(handle)
from runtime.backend.mx import mx

def graph():
    return mx.nd.CachedOp(mx.sym.var("x") + 1)

def in_cycle():
    cycle = [graph()]
    cycle.append(cycle)

def in_thread(name, work):
    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()

gc.collect()
in_cycle()
in_thread("other", gc.collect)
assert freed == [], freed
graph()  # whose count goes to 0 at once
assert freed == 2 * ["MainThread"], freed
in_thread("ended", in_cycle)
gc.collect()
assert freed == 3 * ["MainThread"], freed
"""


@pytest.mark.parametrize("before", ["", _LOADED_BEFORE], ids=["", "loaded before"])
def test_a_lock_says_how_many_threads_mxnet_has(before: str) -> None:
    """Without `OMP_NUM_THREADS` MXNet takes half of the cores, and runs of the Python interface did not verify."""
    unset = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    words = (sys.executable, "-W", "ignore", "-c", before + _THREADS)
    done = subprocess.run(words, env=unset, capture_output=True, text=True, check=True, timeout=180)
    used, said, later = done.stdout.split()
    assert used == said
    assert later == used, "the thread that reads and writes arrays has a team of its own: all operators are slow"
    assert before or said == str(len(os.sched_getaffinity(0)))


def test_graphs_are_freed_by_the_thread_that_made_them() -> None:
    """Freed by another, such as one that imports or draws, while this one computes, a graph makes MXNet stand still."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", _LOADED_BEFORE + _FREED], check=True)


def test_gluoncv_does_not_make_pillow_accept_truncated_images() -> None:
    gluoncv()
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_gluoncv_imports_beside_a_new_pytorch() -> None:
    """GluonCV 0.10.5 raises on import when it finds PyTorch 2 or newer."""
    subprocess.run([sys.executable, "-c", _BESIDE_PYTORCH], check=True)
