"""The cache on disk: what whole runs take from it, faults of the disk, several processes."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cached import key, row
from paths import ROOT
from PIL import Image
from toy import make_images, write_recipe

from runtime.backend.device import device_context
from runtime.data import fingerprints as origins
from runtime.runs.evaluation import evaluate
from runtime.runs.trained import load
from runtime.system.cache import rows as row_file
from runtime.system.cache.disk import FeatureCache, cache_folder
from runtime.system.cache.rows import RECORD_BYTES, RowFile
from runtime.training.events import Event, FeaturesComputed, ImagesChecked, Preliminary
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

STAGES = """
stage "head" {
  train = head
  for   = 3 epochs
}
stage "top" {
  train = base.block3 .. head
  for   = 1 epoch
}
"""

HEAD = 'stage "head" {\n  train = head\n  for = 1 epoch\n}\n'
FLIPS = "  augment = [flip(horizontal), flip(vertical)]\n"
TRAIN, VALID, TEST = 42, 18, 10


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)
    for name, count in (("train", 21), ("valid", 9), ("test", 5)):
        make_images(tmp_path / "photos" / name, {"blue": count, "green": count}, seed=count)
    return tmp_path / "photos"


class Watching:
    def __init__(self) -> None:
        self.computed = 0
        self.checked: list[int] = []

    def __call__(self, event: Preliminary | Event) -> None:
        if isinstance(event, ImagesChecked):
            self.checked.append(event.done)
        if isinstance(event, FeaturesComputed) and event.done == event.total:
            self.computed += event.total


def trained(recipe: Path, out: Path, **settings: Any) -> tuple[bytes, int]:
    watch = Watching()
    run(prepare(recipe), RunSettings(workers=2, **settings), out, observers=(watch,))
    return (out / "model.params").read_bytes(), watch.computed


# --- whole runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["", FLIPS], ids=["plain", "flips"])
def test_cold_and_warm_and_without_the_cache_give_the_same_bits(
    data: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, STAGES, data=data)
    without, _ = trained(recipe, tmp_path / "without", cache=False)
    assert not cache_folder.exists()
    cold, computed = trained(recipe, tmp_path / "cold")
    assert computed > 0
    opened: list[Any] = []
    monkeypatch.setattr("runtime.data.decoded.open_grey_or_rgb", opened.append)
    monkeypatch.setattr("runtime.data.images._opened", opened.append)
    warm, computed = trained(recipe, tmp_path / "warm")
    assert (computed, opened) == (0, [])
    assert without == cold == warm


def test_other_heads_and_other_rates_compute_nothing_again(photos: Path, tmp_path: Path) -> None:
    trained(write_recipe(tmp_path / "a.ftr", photos, HEAD), tmp_path / "a")
    other = write_recipe(
        tmp_path / "b.ftr",
        photos,
        HEAD.replace("1 epoch\n", "3 epochs\n  optimizer = sgd(lr = 0.1)\n"),
        head="[dense(8), relu, dense(classes)]",
    )
    assert trained(other, tmp_path / "b")[1] == 0


@pytest.mark.parametrize("change", ["weights", "size", "batch", "base"])
def test_what_another_network_gave_is_not_taken(change: str, photos: Path, tmp_path: Path) -> None:
    trained(write_recipe(tmp_path / "a.ftr", photos, HEAD), tmp_path / "a")
    changed: dict[str, Any] = {
        "weights": {"top": "seed = 7"},
        "size": {"data": "  size = 40px\n"},
        "batch": {"data": "  batch = 8\n"},
        "base": {"base": 'gluoncv("cifar_resnet20_v2", weights = none)'},
    }[change]
    recipe = write_recipe(tmp_path / "b.ftr", photos, HEAD, **changed)
    assert trained(recipe, tmp_path / "b")[1] == TRAIN + VALID + TEST


def test_a_changed_image_is_opened_again_and_only_that(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD)
    trained(recipe, tmp_path / "a")
    image = photos / "train/blue/3.jpg"
    before = image.stat()
    content = image.read_bytes()
    image.write_bytes((photos / "train/green/3.jpg").read_bytes()[: len(content)].ljust(len(content), b"\0"))
    Image.fromarray(np.full((36, 40, 3), 9, np.uint8)).save(image)
    with image.open("r+b") as file:  # the same length and time of modification as before
        file.truncate(before.st_size)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image.stat().st_size == before.st_size
    without, _ = trained(recipe, tmp_path / "without", cache=False)
    warm, computed = trained(recipe, tmp_path / "b")
    assert computed == 1
    assert warm == without


def _feature_rows() -> int:
    found = FeatureCache(cache_folder()).entries()
    return sum(entry.rows for entry in found if "cut" in entry.about)


def test_the_same_pixels_in_other_files_are_known(photos: Path, tmp_path: Path) -> None:
    first, _ = trained(write_recipe(tmp_path / "a.ftr", photos, HEAD), tmp_path / "a")
    moved = tmp_path / "moved"
    subprocess.run(["cp", "-r", str(photos), str(moved)], check=True)
    tables = len(FeatureCache(cache_folder()).entries())
    rows = _feature_rows()
    second, _ = trained(write_recipe(tmp_path / "b.ftr", moved, HEAD), tmp_path / "b")
    assert first == second
    assert len(FeatureCache(cache_folder()).entries()) == tables
    assert _feature_rows() == rows


def test_a_file_changed_a_moment_ago_is_known_by_its_pixels_only(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 3600 * 10**9)
    assert origins.origin_of(photos / "train/blue/0.jpg") is None
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD)
    first, _ = trained(recipe, tmp_path / "a")
    keys = [entry.size for entry in FeatureCache(cache_folder()).entries() if entry.about.get("cut")]
    second, _ = trained(recipe, tmp_path / "b")
    assert first == second
    assert keys == [entry.size for entry in FeatureCache(cache_folder()).entries() if entry.about.get("cut")]


def test_evaluate_takes_what_the_run_left(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, STAGES)
    _, result = run(prepare(recipe), RunSettings(), tmp_path / "run")
    plain = evaluate(load(tmp_path / "run"), device_context("cpu"), 0, cache=False)[1]
    monkeypatch.setattr("runtime.data.decoded.open_grey_or_rgb", None)
    found = evaluate(load(tmp_path / "run"), device_context("cpu"), 0)[1]
    assert found.values == plain.values
    assert found.values["loss"] == result["test"]["loss"]


@pytest.mark.parametrize("plan", ["", "{}", '{"stages": [{"cut": 99}]}', '{"stages": [{"cut": "x"}]}'])
def test_evaluate_does_not_trust_the_plan(plan: str, photos: Path, tmp_path: Path) -> None:
    _, result = run(prepare(write_recipe(tmp_path / "r.ftr", photos)), RunSettings(), tmp_path / "run")
    (tmp_path / "run" / "plan.json").write_text(plan)
    values = evaluate(load(tmp_path / "run"), device_context("cpu"), 0)[1].values
    assert values["loss"] == pytest.approx(result["test"]["loss"], rel=1e-5)


def test_images_known_to_be_sound_are_not_opened_and_broken_ones_always(photos: Path, tmp_path: Path) -> None:
    broken = photos / "train/blue/0.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD, data="  on_error = skip\n")
    for name, opened in (("a", TRAIN + VALID + TEST), ("b", 1)):
        watch = Watching()
        _, result = run(prepare(recipe), RunSettings(), tmp_path / name, observers=(watch,))
        assert [Path(path) for path, _ in result["skipped_images"]] == [broken]
        assert watch.checked[-1] == TRAIN + VALID + TEST
        hashed = TRAIN + VALID + TEST if name == "a" else 1  # for the lock, each file once
        assert len([done for done in watch.checked if done]) <= opened + hashed + 3


# --- the disk --------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["unwritable", "a file", "full", "no locks"])
def test_where_the_disk_refuses_the_run_goes_on_and_says_so_once(
    place: str,
    photos: Path,
    tmp_path: Path,
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(number: int) -> Any:
        def fail(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return fail

    if place == "unwritable":
        monkeypatch.setenv("FTR_CACHE", "/proc/ftr")
    elif place == "a file":
        cache_folder.write_text("")
    elif place == "full":
        monkeypatch.setattr(row_file.os, "pwrite", refuse(errno.ENOSPC))
    else:
        monkeypatch.setattr(row_file.fcntl, "flock", refuse(errno.ENOLCK))
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD)
    with caplog.at_level(logging.WARNING):
        found, _ = trained(recipe, tmp_path / "a")
    assert len([record for record in caplog.records if "not cached" in record.getMessage()]) == 1
    assert len(found) > 1000


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = RowFile(tmp_path, 64)
    rows.append([((key(1),), row(1))])
    real = os.pwrite

    def half(file: int, content: bytes, at: int) -> int:
        if len(content) < 64:
            raise OSError(errno.ENOSPC, "no space left on device")
        return real(file, content[:40], at)

    monkeypatch.setattr(row_file.os, "pwrite", half)
    with pytest.raises(OSError, match="no space"):
        rows.append([((key(2),), row(2))])
    monkeypatch.undo()
    assert ((tmp_path / "rows").stat().st_size, (tmp_path / "index").stat().st_size) == (64, RECORD_BYTES)
    assert (rows.load(key(1)), rows.load(key(2))) == (row(1), None)
    rows.append([((key(3),), row(3))])
    assert RowFile(tmp_path, 64).load(key(3)) == row(3)


def filled(folder: Path) -> Path:
    folder.mkdir()
    rows = RowFile(folder, 64)
    for number in range(4):
        rows.append([((key(number), key(100 + number)), row(number))])
    rows.close()
    return folder


@pytest.mark.parametrize("name", ["rows", "index"])
def test_after_a_crash_at_any_byte_only_whole_rows_are_there(name: str, tmp_path: Path) -> None:
    whole = (filled(tmp_path / "whole") / name).read_bytes()
    for length in range(len(whole)):
        folder = tmp_path / f"{length}"
        folder.mkdir()
        for each in ("rows", "index"):
            content = (tmp_path / "whole" / each).read_bytes()
            (folder / each).write_bytes(content[:length] if each == name else content)
        rows = RowFile(folder, 64)
        there = length // (64 if name == "rows" else 2 * RECORD_BYTES)
        for number in range(4):
            assert rows.load(key(100 + number)) == (row(number) if number < there else None)
        rows.append([((key(number), key(100 + number)), row(number)) for number in (3, 2, 1, 0)])
        again = RowFile(folder, 64)
        for each in (rows, again):
            assert [each.load(key(100 + number)) for number in range(4)] == [row(number) for number in range(4)]
            each.close()


@pytest.mark.parametrize("name", ["rows", "index"])
def test_no_flipped_byte_is_believed(name: str, tmp_path: Path) -> None:
    folder = filled(tmp_path / "table")
    content = bytearray((folder / name).read_bytes())
    for place in range(len(content)):
        content[place] ^= 0x5A
        (folder / name).write_bytes(content)
        content[place] ^= 0x5A
        rows = RowFile(folder, 64)
        for number in range(4):
            assert rows.load(key(number)) in (None, row(number))
            assert rows.load(key(100 + number)) in (None, row(number))
        rows.close()


def test_a_damaged_row_is_written_anew(tmp_path: Path) -> None:
    folder = filled(tmp_path / "table")
    content = bytearray((folder / "rows").read_bytes())
    content[70] ^= 1
    (folder / "rows").write_bytes(content)
    rows = RowFile(folder, 64)
    assert rows.load(key(1)) is None
    rows.append([((key(1), key(101)), row(1))])
    assert rows.load(key(1)) == row(1)
    assert RowFile(folder, 64).load(key(1)) == row(1)


_WRITER = """
import sys
from pathlib import Path
from runtime.system.cache.rows import RowFile
rows = RowFile(Path(sys.argv[1]), 64)
for number in range(int(sys.argv[2]), 400, int(sys.argv[3])):
    rows.append([((number.to_bytes(16, "big"),), bytes([number % 256]) * 64)])
"""


# --- several processes -----------------------------------------------------------------------


def test_two_processes_write_at_once_and_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    # Two of them want to write the same rows, the third others in between.
    commands = [[sys.executable, "-c", _WRITER, str(tmp_path), first, step] for first, step in ("02", "02", "12")]
    started = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait() for process in started] == [0, 0, 0]
    rows = RowFile(tmp_path, 64)
    assert all(rows.load(key(number)) == row(number) for number in range(400))
    assert (tmp_path / "rows").stat().st_size == 400 * 64


_RUN = """
import sys
from pathlib import Path
from runtime.runs import writer
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
writer.export_model = lambda *_: None
run(prepare(Path(sys.argv[1])), RunSettings(), Path(sys.argv[2]))
"""


def test_two_runs_at_once_give_what_one_gives(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD, data=FLIPS)
    root = ROOT
    outs = [tmp_path / "a", tmp_path / "b"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    started = [subprocess.Popen([sys.executable, "-c", _RUN, recipe, out], env=environment) for out in outs]
    assert [process.wait() for process in started] == [0, 0]
    alone, _ = trained(recipe, tmp_path / "alone", cache=False)
    assert [(out / "model.params").read_bytes() for out in outs] == [alone, alone]
    tables = [entry for entry in FeatureCache(cache_folder()).entries() if entry.about.get("cut")]
    assert tables
    for entry in tables:
        assert entry.rows <= 4 * TRAIN + VALID + TEST
