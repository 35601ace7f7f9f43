"""Where the zoos keep the weights that they have downloaded. Needs no MXNet."""

from __future__ import annotations

import os
from pathlib import Path


def zoo_cache() -> Path:
    """Return the folder in which both zoos keep the weights that they have downloaded."""
    return Path(os.environ.get("MXNET_HOME", "~/.mxnet"), "models").expanduser()
