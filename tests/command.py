"""The command line in this process, as a fixture: `ftr("check", path)` gives its exit code and its output."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest

from runtime.cli import app

ADVICE = re.compile(r"advice\[W\d+\]: .*?\n\n", re.DOTALL)  # the toys are small and random, and are told so


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Ftr = Callable[..., Outcome]


@pytest.fixture
def ftr(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ftr:
    """Run a command in this process, with its output into files."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*args: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            app(args=[str(arg) for arg in args], prog_name="ftr")
        code = ended.value.code
        assert isinstance(code, int)
        out, err = capfd.readouterr()
        return Outcome(code, out, ADVICE.sub("", err))

    return call
