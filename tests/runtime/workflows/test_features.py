"""`ftr features`: what is computed ahead is what a run takes, and other machines give the same rows or are refused."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT
from toy import trained, write_recipe

from runtime.system.cache.rows import RowFile
from runtime.training.settings import RunSettings
from runtime.training.stage import Session
from runtime.workflows.features import ray_engine, tasks
from runtime.workflows.features.fill import Piece, compute_features
from runtime.workflows.features.ray_engine import job_of
from runtime.workflows.preparation import prepare

TWO = (
    'stage "head" {\n  train = head\n  for = 1 epoch\n}\n'
    'stage "top" {\n  train = base.block3 .. head\n  for = 2 epochs\n}\n'
)
FLIPS = "  augment = [flip(horizontal)]\n"


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.data.fingerprints.SETTLED_NS", 0)  # the files are new, and known all the same


@pytest.fixture
def recipe(photos: Path, tmp_path: Path) -> Path:
    return write_recipe(tmp_path / "r.ftr", photos, TWO, data=FLIPS)


def rows_of(folder: Path) -> dict[str, dict[bytes, bytes | None]]:
    """Return all rows of a cache by table and key."""
    found = {}
    for place in sorted(folder.glob("*/rows")):
        width = int(json.loads((place.parent / "about.json").read_text())["row_bytes"])
        rows = RowFile(place.parent, width)
        found[place.parent.name] = {key: rows.load(key) for key in sorted(rows._known)}
        rows.close()
    return found


class InProcess:
    """An engine whose machine is this process; what it gets has been pickled, as what travels is."""

    def __init__(self) -> None:
        self.chunks = 0

    def __call__(self, session: Session, piece: Piece) -> Iterator[tuple[int, int]]:
        job = pickle.loads(pickle.dumps(job_of(session)))
        missing, samples, origin = ray_engine._missing(piece)
        for keys, chunk in ray_engine._chunks(session, piece, missing, samples):
            rows = tasks.compute(job, pickle.loads(pickle.dumps(chunk)))
            assert isinstance(rows, list)
            ray_engine.keep(piece, keys, rows, origin)
            self.chunks += 1
            yield len(keys), len(missing)


def test_a_run_finds_all_that_was_computed_ahead(recipe: Path, tmp_path: Path) -> None:
    found = compute_features(prepare(recipe), RunSettings(workers=0))
    assert [each.left_out for each in found] == ["", ""]
    assert found[0].computed == found[0].rows > 0
    assert all(each.row_bytes > 0 for each in found)
    _, computed = trained(recipe, tmp_path / "run")
    assert [count for _, count in computed if count] == []
    again = compute_features(prepare(recipe), RunSettings(workers=0))
    assert [each.computed for each in again] == [0, 0]


def test_tasks_give_the_same_rows(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {}
    for name, engine in (("here", None), ("tasks", InProcess())):
        monkeypatch.setenv("FTR_CACHE", str(tmp_path / name))
        more: dict[str, Any] = {} if engine is None else {"engine": engine}
        compute_features(prepare(recipe), RunSettings(workers=0), **more)
        kept[name] = rows_of(tmp_path / name)
    assert engine is not None
    assert engine.chunks > 2
    assert kept["here"] == kept["tasks"]
    assert sum(map(len, kept["here"].values())) > 0
    assert None not in [row for table in kept["here"].values() for row in table.values()]


def test_a_machine_that_differs_computes_nothing(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def engine(session: Session, piece: Piece) -> Iterator[tuple[int, int]]:
        job = job_of(session)
        other = {**tasks.machine(), "instructions": "sse41"}
        monkeypatch.setattr(tasks, "machine", lambda: other)
        missing, samples, _ = ray_engine._missing(piece)
        _, chunk = next(ray_engine._chunks(session, piece, missing, samples))
        found.append(tasks.compute(job, chunk))
        yield 0, 0

    found: list[Any] = []
    compute_features(prepare(recipe), RunSettings(workers=0), engine)
    assert isinstance(found[0], tasks.Refusal)
    ((name, here, there),) = found[0].differences
    assert (name, there) == ("instructions", "sse41")
    assert here != there


def test_what_trains_first_cannot_be_computed_ahead(photos: Path, tmp_path: Path) -> None:
    all_first = 'stage "all" {\n  train = all\n  for = 1 epoch\n}\n' + TWO.split("stage")[1].join(["stage", ""])
    found = compute_features(prepare(write_recipe(tmp_path / "r.ftr", photos, all_first)), RunSettings(workers=0))
    assert [each.left_out for each in found] == ["nothing is frozen", 'its frozen part trains in stage 1 "all"']


def test_the_command_says_rows_bytes_and_time(ftr: Any, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = ftr("features", recipe)
    assert code == 0
    assert 'stage 1 "head": ' in out
    assert " bytes, " in out
    assert " computed in " in out
    code, out, _ = ftr("features", recipe)
    assert "all were cached already" in out
    monkeypatch.setenv("FTR_CACHE", "/proc/nowhere")
    code, out, _ = ftr("features", recipe)
    assert (code, "the cache has no more room, or cannot be written" in out) == (1, True)
    code, _, err = ftr("features", recipe, "--engine", "ray")
    assert code == 2
    assert "--address" in err


def test_nobody_at_the_address(ftr: Any, recipe: Path) -> None:
    pytest.importorskip("ray")
    code, _, err = ftr("features", recipe, "--engine", "ray", "--address", "127.0.0.1:1")
    assert code == 1
    assert "error[E660]" in err


CLUSTER = (ROOT / "tests" / "ray_cluster.py").as_posix()


@pytest.mark.long
def test_a_killed_machine_costs_its_part_only(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines of a Ray cluster, of which one is killed after the first chunk: all rows, equal to those of here."""
    pytest.importorskip("ray")
    recipe = write_recipe(tmp_path / "r.ftr", photos, TWO, data=f"  batch = 4\n{FLIPS}")
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "here"))
    compute_features(prepare(recipe), RunSettings(workers=0))
    (tmp_path / "token").write_text("a" * 64)
    environment = {
        **os.environ,
        "FTR_CACHE": str(tmp_path / "ray"),
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token"),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [sys.executable, CLUSTER, str(recipe)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "killed with 56 of 72 images to do" in done.stdout
    assert rows_of(tmp_path / "ray") == rows_of(tmp_path / "here")
