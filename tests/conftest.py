"""What the tests of the whole program share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count as counter
from pathlib import Path

import pytest
from command import ftr as ftr  # a fixture
from digits_run import digits as digits  # likewise

_NUMBERS = counter()

# Where the tests run in the background, these may be ignored, and what they start would ignore them as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Threads that wait for work in a loop, as OpenMP's do, make tests several times slower where other programs run too.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# pytest-xdist sets it in its workers; messages would then be wrapped there and not elsewhere.
os.environ.pop("COLUMNS", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what takes many seconds and has a shorter relative")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        is_long = {item for item in items if item.get_closest_marker("long")}
        config.hook.pytest_deselected(items=list(is_long))
        items[:] = [item for item in items if item not in is_long]


@pytest.fixture(scope="session", autouse=True)
def _no_users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep fixtures that many tests share out of the user's cache, and out of the tests' own."""
    root = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTR_CACHE", str(root / "shared"))
        yield root


@pytest.fixture(autouse=True)
def cache_folder(_no_users_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own: what one computes no other finds."""
    folder = _no_users_cache / str(next(_NUMBERS))
    monkeypatch.setenv("FTR_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing into the picture of a run that a test makes, which takes as long as the run of a toy."""
    monkeypatch.setattr("runtime.reporting.curves._drawn", lambda plan, record: b"\x89PNG\r\n\x1a\n" + bytes(50))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest-xdist have in common: what one has made there the others find."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `train`, `valid` and `test` of three classes; their files have the same names. Read only."""
    from toy import CLASSES, make_images

    root = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate({"train": 24, "valid": 8, "test": 8}.items()):
        make_images(root / name, dict.fromkeys(CLASSES, count), seed)
    return root
