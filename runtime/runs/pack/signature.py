"""How a pack is told from other files, before it is opened."""

from __future__ import annotations

import os
from pathlib import Path

PACK_ENDING = ".ftrpack"
PACK_MARK = b"PK\x03\x04"


def is_pack(path: Path) -> bool:
    """Tell whether a path is an ordinary file that is a pack by its name or its first bytes."""
    try:
        if not os.path.isfile(path):  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            return path.name.endswith(PACK_ENDING) or file.read(len(PACK_MARK)) == PACK_MARK
    except OSError:
        return False
