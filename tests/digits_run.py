"""The one run of the whole recipe of digits that all tests share, in a process of its own."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from paths import ROOT, TESTS

from runtime.system.cpu import instructions

PACK = TESTS / "fixtures" / "digits-avx2.ftrpack"
"""A run of the digits that was packed long ago, at the level of AVX2."""
HAS_AVX = instructions() not in ("", "sse41")


class DigitsRun(NamedTuple):
    """The folder of the run; what the command said."""

    folder: Path
    said: str

    @property
    def result(self) -> dict[str, Any]:
        """What the run has written of itself."""
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found


@pytest.fixture(scope="session")
def digits(shared: Path) -> DigitsRun:
    """The pack, verified; where a processor lacks its instructions, a run of the recipe. Read only."""
    folder, said = shared / "digits-1", shared / "digits-1.txt"
    what = ("verify", PACK) if HAS_AVX else ("run", ROOT / "recipes" / "digits.ftr")
    with (shared / "digits-1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            words = [sys.executable, "-m", "runtime", *map(str, what), "--quiet", "--out", str(folder)]
            done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
            said.write_text(done.stdout + done.stderr)
    return DigitsRun(folder, said.read_text())
