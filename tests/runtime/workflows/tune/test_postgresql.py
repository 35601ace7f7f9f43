"""Two workers of one study on a real PostgreSQL server, where one is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_studies import SPACE, definition, kill, run, searched

from recipe_lang.problem import RecipeError
from runtime.workflows.tune.storage import open_storage, without_password
from runtime.workflows.tune.study import open_study


def program(name: str) -> str | None:
    """Return the path of a program of PostgreSQL; Debian has them beside the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of this test's own, on a socket in its folder."""
    initdb, postgres = program("initdb"), program("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="the extra `postgresql` is not installed")
    folder = tmp_path_factory.mktemp("pg")
    user: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    if os.getuid() == 0:  # the server does not run as root
        for each in (folder, *folder.parents[: len(folder.parts) - 3]):
            each.chmod(0o755)
        shutil.chown(folder, "postgres", "postgres")
        user |= {"user": "postgres", "group": "postgres", "extra_groups": []}
    data = folder / "data"
    subprocess.run([initdb, "-D", data, "-U", "ftr", "-A", "trust", "--no-sync"], check=True, timeout=180, **user)
    settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
    process = subprocess.Popen([postgres, "-D", data, *(part for each in settings for part in ("-c", each))], **user)
    try:
        _wait_for(folder)
        yield f"postgresql://ftr@/postgres?host={folder}"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(120)


def _wait_for(folder: Path) -> None:
    import psycopg

    until = time.monotonic() + 180
    while True:
        try:
            psycopg.connect(f"host={folder} user=ftr dbname=postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def storages(server: str) -> Iterator[Callable[[], Any]]:
    """What opens the server as a process does, and closes it behind the test."""
    made: list[Any] = []

    def opened() -> Any:
        made.append(open_storage(server))
        return made[-1]

    yield opened
    for each in made:
        each.engine.dispose()


@pytest.mark.long
def test_workers_share_a_study_and_one_takes_over_what_another_left(server: str, storages: Callable[[], Any]) -> None:
    what = definition("tpe", "median")
    first, second = (open_study(storages(), server, "toy", what, SPACE) for _ in range(2))
    one, other = first.next(6), second.next(6)
    assert one is not None
    assert other is not None
    assert one.texts != other.texts
    run(first, one)
    run(second, other, 3)
    kill(other)
    while (asked := first.next(6)) is not None:
        run(first, asked)
    assert second.finished() == first.finished()
    assert len(first.finished()) == 6
    assert other.texts in [each.texts for each in first.finished()]


@pytest.mark.long
def test_a_study_on_a_server_is_that_of_a_journal(server: str, storages: Callable[[], Any]) -> None:
    what = definition("tpe", "median")
    study = open_study(storages(), server, "alone", what, SPACE)
    while (asked := study.next(6)) is not None:
        run(study, asked)
    assert [(each.state, each.texts, each.values, each.epochs) for each in study.finished()] == searched(what, 6)


def test_a_server_that_is_not_there_is_an_error_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    where = f"postgresql://ftr:secret@/postgres?host={tmp_path}"
    with pytest.raises(RecipeError) as caught:
        open_storage(where)
    (problem,) = caught.value.problems
    assert problem.code == "E630"
    assert "secret" not in problem.message()
    assert without_password("postgresql://a:b@c/d") == "postgresql://a:…@c/d"


def test_the_program_needs_no_server_to_be_imported() -> None:
    code = (
        "import sys, runtime.commands.search; sys.exit(any(n in sys.modules for n in ('optuna', 'psycopg', 'mxnet')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=180, check=False).returncode == 0
