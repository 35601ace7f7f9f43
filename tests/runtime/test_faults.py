"""What a run does when something fails in the middle: rows of `docs/faults.md`, at the public edge."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from long_runs import LONG, status_of
from paths import ROOT, TESTS
from PIL import Image
from rich.console import Console
from toy import STAGE, make_images, train, write_recipe

from recipe_lang.output.render import render
from recipe_lang.problem import InternalError, RecipeError
from runtime.backend.mx import mx
from runtime.cli import app
from runtime.compile.memory import MemoryEstimate
from runtime.data.images import ImageError, open_rgb
from runtime.plan.types import Component
from runtime.reporting.report import show_report
from runtime.runs.trained import load
from runtime.system import memory
from runtime.tasks.classification.metrics import METRICS
from runtime.tasks.classification.targets import ClassFacts
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.tasks.protocol import evaluator_of
from runtime.training.events import Evaluated, Event, StageFinished, StepFinished
from runtime.training.problems import OutOfMemory
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run as run_prepared

READING = LONG.replace("monitor", "augment = [random_resized_crop]\n  monitor")


# --- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [MemoryError(), mx.MXNetError("storage.cc\nFailed to allocate CPU Memory")])
def test_refused_memory_keeps_what_was_trained(photos: Path, tmp_path: Path, error: Exception) -> None:
    def seen(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step == 9:
            raise error

    with pytest.raises(RecipeError) as caught:
        train(write_recipe(tmp_path / "r.ftr", photos, LONG), tmp_path / "run", watch=seen)
    (problem,) = caught.value.problems
    assert problem.kind is OutOfMemory
    assert problem.span is not None
    assert problem.span.text == "16"
    assert (problem.batch, problem.fits) == (16, 8)
    assert status_of(tmp_path / "run") == "failed"
    assert load(tmp_path / "run").result["weights"].startswith("the best weights so far")


def test_memory_refused_after_the_last_stage_leaves_its_weights(photos: Path, tmp_path: Path) -> None:
    def seen(event: Event) -> None:
        if isinstance(event, StageFinished) and event.stage == 1:
            raise MemoryError

    stages = STAGE + STAGE.replace('"head"', '"again"')
    with pytest.raises(RecipeError):
        train(write_recipe(tmp_path / "r.ftr", photos, stages), tmp_path / "run", watch=seen)
    result = load(tmp_path / "run").result
    assert result["weights"] == f'the weights after step {result["stages"][1]["steps"]} of stage 2 "again"'


def test_a_run_that_will_not_fit_is_advised_against(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, data="  batch = 64")
    monkeypatch.setattr("runtime.compile.memory.resident", lambda: 2 * 10**8)  # it grows as libraries are used first
    need = prepare(recipe).need
    monkeypatch.setattr("runtime.compile.data_advice.room", lambda processes: need.of(20))
    (found,) = (problem for problem in prepare(recipe).advice if problem.code == "W770")
    assert "batch = 64\n" in render(found)
    assert found.help() == "`batch = 16` should fit"
    monkeypatch.setattr("runtime.compile.data_advice.room", lambda processes: need.of(64))
    (found,) = (problem for problem in prepare(recipe, processes=2).advice if problem.code == "W770")
    assert "the 2 processes of this run need" in found.message()
    recipe.write_text(recipe.read_text().replace("batch = 64", "batch = 64  # allow: W770"))
    assert not [problem for problem in prepare(recipe).advice if problem.code in ("W770", "W702")]
    monkeypatch.setattr("runtime.compile.data_advice.room", lambda processes: need.of(100))  # an excuse holds there too
    assert not [problem for problem in prepare(recipe).advice if problem.code in ("W770", "W702")]


def test_the_estimate_grows_with_what_trains(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.compile.memory.resident", lambda: 500_000_000)  # it moves by itself between two plans

    def need(stages: str) -> MemoryEstimate:
        return prepare(write_recipe(tmp_path / "r.ftr", photos, stages)).need

    head, whole = need(STAGE), need(STAGE.replace("train = head", "train = all"))
    assert head.per_image < whole.per_image
    assert head.fixed < whole.fixed
    plain, adam = (
        need(STAGE.replace("train = head", f"train = all\n  optimizer = {optimizer}"))
        for optimizer in ("sgd(momentum = 0)", "adam")
    )
    assert plain.fixed < adam.fixed
    assert need(STAGE + STAGE.replace("train = head", "train = all").replace('"head"', '"all"')).of(8) >= whole.of(8)


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_container_is_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    root = tmp_path if version == 2 else tmp_path / "memory"
    inner = root / "jobs" / "one"
    inner.mkdir(parents=True)
    for name, number in zip(names, (10_000_000, 4_000_000), strict=True):
        (inner.parent / name).write_text(f"{number}\n")
    (inner / names[0]).write_text("max\n")
    (inner.parent / "memory.stat").write_text("inactive_file 5\ntotal_inactive_file 5\n")
    (inner / ("memory.events" if version == 2 else "memory.oom_control")).write_text("oom 3\noom_kill 2\n")
    read = memory._lines
    cgroup = f"{0 if version == 2 else 4}:{'' if version == 2 else 'memory'}:/jobs/one"
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    monkeypatch.setattr(memory, "_lines", lambda path: [cgroup] if path.name == "cgroup" else read(path))
    monkeypatch.setattr(memory, "resident", lambda: 7)
    assert memory.room() == 7 + 6_000_005
    assert memory.kills_for_memory() == 2


def vanishes(image: Path) -> None:
    image.unlink()


def is_cut_off(image: Path) -> None:
    image.write_bytes(image.read_bytes()[:-300])


def becomes_a_thread(image: Path) -> None:
    Image.new("RGB", (5000, 2)).save(image)


def loses_its_folder(image: Path) -> None:
    image.parent.parent.rename(image.parent.parent.with_name("gone"))


# --- images that fail while a run trains on them -------------------------------------------------


@pytest.mark.parametrize("fault", [vanishes, is_cut_off, becomes_a_thread, loses_its_folder])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_fails_is_named_and_what_was_trained_kept(
    tmp_path: Path, fault: Callable[[Path], None], workers: int
) -> None:
    make_images(tmp_path / "train", {"red": 16, "blue": 16})
    make_images(tmp_path / "valid", {"red": 4, "blue": 4}, 1)
    recipe = write_recipe(tmp_path / "r.ftr", tmp_path, READING, sources=("train", "valid"))

    def seen(event: Event) -> None:
        if isinstance(event, Evaluated) and event.epoch == 1:
            fault(tmp_path / "train" / "red" / "3.jpg")

    prepared = prepare(recipe)
    with pytest.raises(RecipeError) as caught:
        run_prepared(prepared, RunSettings(workers=workers, cache=False), tmp_path / "run", observers=(seen,))
    (problem,) = caught.value.problems
    assert problem.code == "E512"
    assert re.search(r"image `\w+/\d+\.jpg` cannot be read: ", problem.message())
    assert "put the file back, or mount its folder again" in problem.help()
    assert status_of(tmp_path / "run") == "failed"
    assert load(tmp_path / "run").result["weights"].startswith("the best weights so far")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOTCONN, errno.ESTALE])
def test_a_network_folder_that_fails_is_said_in_words(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, workers: int
) -> None:
    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos, READING))
    opened = Image.open

    def seen(event: Event) -> None:
        if isinstance(event, Evaluated):
            monkeypatch.setattr(Image, "open", lambda *_, **__: fail(number))

    with pytest.raises(RecipeError, match=os.strerror(number)):
        run_prepared(prepared, RunSettings(workers=workers, cache=False), tmp_path / "run", observers=(seen,))
    monkeypatch.setattr(Image, "open", opened)
    assert load(tmp_path / "run").result["status"] == "failed"


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("error", "kind"), [(MemoryError(), RecipeError), (ValueError("odd"), InternalError)])
def test_a_worker_that_dies_names_the_image_and_ends_the_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, error: Exception, kind: type[Exception]
) -> None:
    prepared = prepare(write_recipe(tmp_path / "r.ftr", photos, READING))

    def die(*_: object, **__: object) -> None:
        raise error

    def seen(event: Event) -> None:
        if isinstance(event, Evaluated):
            monkeypatch.setattr("runtime.data.transforms.geometry._random_part", die)

    with pytest.raises(kind, match=r"image `\w+/\d+\.jpg`"):
        run_prepared(prepared, RunSettings(workers=workers, cache=False), tmp_path / "run", observers=(seen,))
    assert load(tmp_path / "run").result["status"] == "failed"


# --- output, disks, clocks ---------------------------------------------------------------------


def test_folders_that_cannot_be_written(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where each folder should be: that stops the superuser too."""
    (tmp_path / "file").write_text("")
    recipe = write_recipe(tmp_path / "r.ftr", photos)
    for name in ("FTR_CACHE", "HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / "below"))
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_, **__: fail(errno.ENOSPC))
    assert CliRunner().invoke(app, ["run", str(recipe), "--out", str(tmp_path / "run")]).exit_code == 0
    (tmp_path / "runs").write_text("")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["run", str(recipe)])
    assert (found.exit_code, found.stderr[found.stderr.index("error[") :][:11]) == (1, "error[E603]")


def test_a_clock_that_jumps_changes_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = make_images(tmp_path / "photos" / "train", {"red": 16, "blue": 16})
    for place, image in enumerate(sorted(copy.rglob("*.jpg"))):
        os.utime(image, (0, 0) if place % 2 else (2**32, 2**32))  # 1970 and 2106
    recipe = write_recipe(tmp_path / "r.ftr", copy.parent, data="  valid = holdout(25%)", sources=("train",))
    first = train(recipe, tmp_path / "one")
    times = iter(range(2**31, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    second = train(recipe, tmp_path / "two")
    assert second["wall_s"] >= 0
    assert second["valid"] == first["valid"]


# --- odd data ------------------------------------------------------------------------------------


def test_ten_thousand_classes_take_no_matrix() -> None:
    count = 10_000
    names = [f"c{number}" for number in range(count)]
    labels = np.arange(0, count, 5)
    scores = np.zeros((len(labels), count), np.float32)
    scores[np.arange(len(labels)), labels // 2] = 1
    tracemalloc.start()
    evaluator = evaluator_of(CLASSIFICATION, ClassFacts(tuple(names), {}), Component("cross_entropy", {}))
    evaluator.update(scores, labels)
    found = evaluator.report()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * scores.nbytes  # the matrix alone would be ten times as large
    text = json.dumps(found.as_json())
    screen = Console(file=io.StringIO(), width=80, record=True)
    show_report(screen, "valid", found, METRICS)
    assert len(text) < 3_000_000
    assert len(screen.export_text().splitlines()) < 200
    assert found.answered[:, 2].sum() == len(labels)
    few = replace(found, classes=found.classes[:3], answered=found.answered[:0])
    assert few.as_json()["confusion"] == [[0, 0, 0]] * 3


@pytest.mark.parametrize(
    ("counts", "code", "said"),
    [
        ({"red": 8}, "E505", "only one class"),
        ({"red": 1}, "E505", "only one class"),
        ({"red": 1, "blue": 1}, "E516", "the valid set has 0 images"),
        ({"red": 8, "blue": 0}, "E504", "blue"),
    ],
)
def test_too_little_data_is_said_when_planning(tmp_path: Path, counts: dict[str, int], code: str, said: str) -> None:
    make_images(tmp_path / "train", counts)
    recipe = write_recipe(tmp_path / "r.ftr", tmp_path, data="  valid = holdout(20%)\n  batch = 1", sources=("train",))
    with pytest.raises(RecipeError, match=said) as caught:
        prepare(recipe)
    assert caught.value.problems[0].code == code


def test_a_class_of_one_image_trains_and_is_not_held_out(tmp_path: Path) -> None:
    make_images(tmp_path / "train", {"red": 1, "blue": 8})
    recipe = write_recipe(tmp_path / "r.ftr", tmp_path, data="  valid = holdout(20%)\n  batch = 2", sources=("train",))
    assert prepare(recipe).plan.data.target.counts == {"train": (6, 1), "valid": (2, 0)}


def test_images_of_odd_shapes(tmp_path: Path) -> None:
    for name, size in {"dot": (1, 1), "row": (200, 1)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
        assert open_rgb(tmp_path / f"{name}.png").size == size
    for name, size in {"row": (20000, 1), "column": (1, 20000)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
        with pytest.raises(ImageError, match="one side is more than 200 times the other"):
            open_rgb(tmp_path / f"{name}.png")


def test_names_of_any_kind_work_and_steer_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ('ro"t \x1b[31m', "new\nline", "größe 日本", "it's `q`")
    folder = tmp_path / "a 'data' set é日"
    for label, name in enumerate(names):
        (folder / "train" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (40, 36), (60 * label, 90, 10 * number)).save(folder / f"train/{name}/{number}\x1b[2J.png")
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path / 'my "ré" cipe.ftr', folder, data="  batch = 4", sources=("train",))
    image = str(next((folder / "train" / names[0]).iterdir()))
    for words in (("run", str(recipe)), ("evaluate", "runs/my-ré-cipe-1", "--on", "valid"),
                  ("predict", "runs/my-ré-cipe-1", image), ("plan", str(recipe)), ("runs",)):  # fmt: skip
        found = CliRunner().invoke(app, words)
        assert found.exit_code == 0, found.output
        assert "\x1b" not in found.output
    assert load(tmp_path / "runs/my-ré-cipe-1").data.target.names == tuple(sorted(names))


# --- the documentation ----------------------------------------------------------------------------


def test_each_row_of_the_fault_table_has_its_test() -> None:
    text = (ROOT / "docs/faults.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`test_" in line]
    named = {place for row in rows for place in re.findall(r"`(test_\w+)::(test_\w+)`", row)}
    assert len(rows) >= 20
    for module, name in named:
        (path,) = TESTS.rglob(f"{module}.py")
        assert f"def {name}(" in path.read_text("utf-8"), (module, name)
