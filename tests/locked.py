"""What the tests of locks share."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from runtime.cli import app

CLAIM = "\nexpect { valid.accuracy >= 0% }\n"
PARAM = "param rate = 1e-3 in log(1e-5 .. 1e-1)\n"
STAGE = 'stage "head" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = $rate)\n}\n'


def ftr(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def ran(recipe: Path, *words: object) -> Result:
    found = ftr("run", recipe, "--out", recipe.with_name("run"), "--workers", 0, *words)
    assert found.exit_code in (0, 1, 2), found.output
    return found


def edit(lock: Path, **facts: object) -> None:
    """Change facts of a lock by name, as if another machine had written it."""
    lines = lock.read_text().splitlines()
    for name, fact in facts.items():
        places = [place for place, line in enumerate(lines) if line.startswith(f"{name} = ")]
        assert len(places) == 1, name
        lines[places[0]] = f"{name} = {json.dumps(fact)}"
    lock.write_text("\n".join(lines))


def pixel(photos: Path) -> None:
    path = photos / "train/blue/3.jpg"
    content = bytearray(path.read_bytes())
    content[-40] ^= 1  # the file stays as long, as a copy that went wrong
    path.write_bytes(content)
