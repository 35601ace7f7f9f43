"""How this copy of ftr was installed, and what to type to add one of its extras.

PyPI's `ftr` is somebody else's HTML extractor: our distribution has a name of its own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

DISTRIBUTION = "ftr-recipes"
_SOURCE = Path(__file__).resolve().parents[2]


def own_version() -> str:
    """Return the version of ftr."""
    from importlib.metadata import version

    return version(DISTRIBUTION)


def install_command(extra: str = "") -> str:
    """Return the `pip` command that installs this copy of ftr again, with an extra.

    From a checkout it takes the checkout and its pins. Elsewhere the installed distribution is named, and pip adds
    what the extra needs.
    """
    wanted = f"[{extra}]" if extra else ""
    folder, editable = _checkout()
    if folder is None:
        return f'pip install "{DISTRIBUTION}{wanted}"'
    flags = "-e " if editable else ""
    if folder == Path.cwd():
        return f'pip install -c constraints.txt {flags}".{wanted}"'
    return f'pip install -c "{folder / "constraints.txt"}" {flags}"{folder}{wanted}"'


def _checkout() -> tuple[Path | None, bool]:
    """Return the checkout that ftr runs or was installed from, if there is one, and whether it is used in place."""
    if (_SOURCE / "constraints.txt").is_file():
        return _SOURCE, True
    from importlib.metadata import distributions
    from urllib.request import url2pathname

    for each in distributions(name=DISTRIBUTION):
        try:  # PEP 610
            url = json.loads(each.read_text("direct_url.json") or "{}").get("url", "")
        except ValueError:
            continue
        folder = Path(url2pathname(url[7:])) if url.startswith("file://") else None
        if folder is not None and os.path.isfile(folder / "constraints.txt"):
            return folder, False
    return None, False
