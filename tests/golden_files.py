"""Compares text with a file in `tests/golden`. To accept what came out: `WRITE_GOLDEN=1 pytest`, then read the diff."""

from __future__ import annotations

import os

from paths import TESTS

FOLDER = TESTS / "golden"


def assert_golden(name: str, text: str) -> None:
    """Fail unless the text is the golden file's."""
    path = FOLDER / name
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
