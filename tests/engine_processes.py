"""What tests of engines start their processes with."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from paths import ROOT

WAIT = 120  # seconds at most
MPIEXEC = shutil.which("mpiexec") or shutil.which("mpiexec", path=str(Path(sys.executable).parent))
ENVIRONMENT: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

needs_mpi = pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec: the extra `mpich` brings one")


def free_port() -> int:
    """Return a port that is free, as is the one behind it, which heartbeats take."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
            with suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port + 1)):
                return port
