"""Stages that do not end by themselves."""

from __future__ import annotations

import json
from pathlib import Path

LONG = 'stage "long" {\n  train = head\n  for = 5000 epochs\n  monitor = valid.loss\n}\n'


def status_of(run: Path) -> str:
    return str(json.loads((run / "result.json").read_text())["status"])
