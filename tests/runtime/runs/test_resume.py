"""Runs that are killed, interrupted or fail, and resume."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from resumed import DIVERGING, PLAIN, QUICK, RECIPES, STEPS, go_on, refusal, result_left, stopped, written

from runtime.runs.checkpoints import digest_of, newest
from runtime.runs.folder import locked
from runtime.runs.writer import ResumableError
from runtime.training.events import StageFinished, StepFinished
from runtime.training.settings import Interval, RunSettings
from runtime.training.stage import Interrupted
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from tests import killing
from tests.toy import CLASSES, make_images, write_recipe

KILLS = 14
LONG = ("stopping early", "nothing kept", "going back", "features kept", "no cache, not joined")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate({"train": 27, "valid": 6, "test": 5}.items()):
        make_images(root / name, dict.fromkeys(CLASSES, count), seed)
    return root


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in RECIPES])
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(name: str, photos: Path, tmp_path: Path) -> None:
    recipe, settings = written(tmp_path, photos, name)
    passed = killing.points(recipe, tmp_path / "whole", interval="2 steps", **settings)
    whole = result_left(tmp_path / "whole")
    rng = random.Random(name)
    kills = runs = 0
    while kills < -(-KILLS // len(RECIPES)):
        runs += 1
        out = tmp_path / f"run-{runs}"
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            at = rng.randrange(1, passed // 2)
            code = killing.start(recipe, out, interval="2 steps", kill_at=at, **settings)
            kills += code == -signal.SIGKILL
        assert code == 0
        assert result_left(out) == whole
    assert len(whole["metrics.jsonl"].splitlines()) > 10


@pytest.mark.parametrize("points", [(28,), pytest.param(range(1, 40, 9), marks=pytest.mark.long)])
def test_every_point_of_writing_a_checkpoint_can_be_the_last(
    points: Sequence[int], photos: Path, tmp_path: Path
) -> None:
    recipe, _ = written(tmp_path, photos, "features kept")
    killing.points(recipe, tmp_path / "whole", interval="2 steps", **QUICK)
    whole = result_left(tmp_path / "whole")
    began = tmp_path / "began"
    assert killing.start(recipe, began, interval="4 steps", kill_at=60, **QUICK) == -signal.SIGKILL
    for at in points:
        out = shutil.copytree(began, tmp_path / f"run-{at}")
        assert killing.start(recipe, out, interval="1 step", kill_at=at, **QUICK) == -signal.SIGKILL
        assert killing.start(recipe, out, interval="100 steps", **QUICK) == 0
        assert result_left(out) == whole


@pytest.fixture(scope="module")
def begun(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Return a recipe, the folder of a run that stopped in its second stage, and what the whole run leaves."""
    root = tmp_path_factory.mktemp("begun")
    recipe, _ = written(root, photos, "features kept")
    run(prepare(recipe), RunSettings(workers=0, interval=STEPS), root / "whole")
    stopped(recipe, root / "run", 8)
    return recipe, root / "run", result_left(root / "whole")


@pytest.fixture
def half(begun: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return shutil.copytree(begun[1], tmp_path / "run")


# --- in one process --------------------------------------------------------------------------


def test_it_goes_on_behind_the_checkpoint_and_not_from_the_beginning(
    begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    steps: list[Any] = []
    go_on(begun[0], half, watch=steps.append)
    trained = [(event.stage, event.step) for event in steps if isinstance(event, StepFinished)]
    assert trained == [(1, step) for step in range(7, 12)]
    assert result_left(half) == begun[2]


def test_two_checkpoints_are_kept_and_one_in_the_end(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    names = {path.name for path in (half / "checkpoints").iterdir()}
    assert len([name for name in names if name.endswith(".json")]) == 2
    named = {
        file["name"]
        for path in (half / "checkpoints").glob("*.json")
        for file in json.loads(path.read_text())["files"].values()
    }
    assert {name for name in names if name.endswith(".params")} == named
    go_on(begun[0], half)
    assert len(list((half / "checkpoints").glob("*.json"))) == 1


@pytest.mark.parametrize(
    "damage", ["flipped", "json", *(pytest.param(each, marks=pytest.mark.long) for each in ("cut", "gone"))]
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    begun: tuple[Path, Path, dict[str, Any]], half: Path, damage: str
) -> None:
    before, last = sorted((half / "checkpoints").glob("*.json"))
    arrays = half / "checkpoints" / json.loads(last.read_text())["files"]["now"]["name"]
    content = bytearray(arrays.read_bytes())
    if damage == "cut":
        arrays.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        arrays.write_bytes(content)
    elif damage == "json":
        last.write_text(last.read_text().replace('"stage": 1', '"stage": 0'))
    else:
        arrays.unlink()
    found = newest(half)
    assert found is not None
    assert (found.number, len(found.passed_over)) == (int(before.stem), 1)
    go_on(begun[0], half)
    assert result_left(half) == begun[2]


@pytest.mark.parametrize(
    ("content", "state", "code"),
    [
        ({"files": []}, {}, "E640"),
        ({"elapsed_s": 1e400}, {}, "E640"),
        ({"elapsed_s": 10**400}, {}, "E640"),
        ({"metrics_bytes": -5}, {}, "E640"),
        ({"metrics_bytes": 10**30}, {}, "E644"),
        ({}, {"stage": 99}, "E641"),
        ({}, {"step": 10**30}, "E641"),
        ({}, {"epoch": 2}, "E641"),
        ({}, {"from_stage": 2}, "E641"),
        ({}, {"from_epoch": -1}, "E640"),
        ({}, {"losses": []}, "E641"),
    ],
)
def test_a_checkpoint_of_somebody_else_is_refused_in_words(
    content: dict[str, Any], state: dict[str, Any], code: str, begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    before, last = sorted((half / "checkpoints").glob("*.json"))
    before.unlink()
    found = json.loads(last.read_text())
    del found["digest"]
    found |= {**content, "state": found["state"] | state}
    last.write_text(json.dumps({**found, "digest": digest_of(found)}))
    assert refusal(begun[0], half).code == code


def test_checkpoints_without_the_plan_that_they_belong_to_are_refused(
    begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    (half / "plan.json").unlink()
    assert refusal(begun[0], half).code == "E644"


def test_without_a_whole_checkpoint_it_says_so(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    for path in (half / "checkpoints").glob("*.params"):
        path.write_bytes(b"")
    assert refusal(begun[0], half).code == "E640"


def test_without_any_checkpoint_it_begins_again(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    shutil.rmtree(half / "checkpoints")
    go_on(begun[0], half)
    assert result_left(half) == begun[2]


def test_a_second_run_into_the_folder_is_refused(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    with locked(half):
        assert refusal(begun[0], half).code == "E643"
    with locked(half):  # and it is free again
        pass


def test_a_full_disk_keeps_the_last_good_state(
    begun: tuple[Path, Path, dict[str, Any]], half: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if os.fork() == 0:  # a limit on the size of files is for a whole process, and stays
        os._exit(_ends_with_a_full_disk(begun[0], half))
    _, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == 0, capfd.readouterr()
    found = newest(half)
    assert found is not None
    go_on(begun[0], half)
    assert result_left(half) == begun[2]


def _ends_with_a_full_disk(recipe: Path, out: Path) -> int:
    command = [sys.executable, "-m", "runtime", "run", str(recipe), "--resume", str(out), "--checkpoint", "1 step"]

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    ended = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    expected = ("E603" in ended.stderr, f"ftr run --resume {out}" in ended.stderr, ended.returncode)
    if expected != (True, True, 1):
        print(ended.stderr, ended.returncode, file=sys.stderr)
        return 1
    return 0


@pytest.mark.parametrize(
    "how",
    [signal.SIGTERM, "caller", *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGINT, "observer"))],
)
def test_an_interrupted_run_goes_on_where_it_was(
    begun: tuple[Path, Path, dict[str, Any]], tmp_path: Path, how: signal.Signals | str
) -> None:
    ends, after = [], []

    def seen(event: Any) -> None:
        if isinstance(event, StepFinished) and (event.stage, event.step) == (1, 3):
            ends.append(event)
            if how == "observer":
                raise Interrupted
            if how != "caller":
                os.kill(os.getpid(), how)  # type: ignore[arg-type]

    where = RunSettings(workers=0, interval=Interval(1000, "steps"))
    out, should_stop = tmp_path / "run", (lambda: bool(ends)) if how == "caller" else lambda: False
    _, result = run(prepare(begun[0]), where, out, observers=(seen, after.append), should_stop=should_stop)
    number = None if isinstance(how, str) else how
    assert (result["status"], result["signal"]) == ("interrupted", number)
    assert json.loads((out / "result.json").read_text())["status"] == "interrupted"
    assert ends[0] in after
    assert after[-1].step <= 6
    steps: list[Any] = []
    go_on(begun[0], tmp_path / "run", watch=steps.append)
    first = next(event for event in steps if isinstance(event, StepFinished))
    done = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert (first.stage, first.step > 3) == (1, True)
    assert len(done) == len(begun[2]["metrics.jsonl"].splitlines())
    assert result_left(tmp_path / "run") == begun[2]


def test_going_back_after_an_epochs_end_goes_to_the_epoch_that_runs(photos: Path, tmp_path: Path) -> None:
    stages = DIVERGING.replace("lr = 100", "lr = 1e-2").replace("base.block2", "base.block3")
    recipe = write_recipe(tmp_path / "r.ftr", photos, stages)
    prepared = prepare(recipe)

    def is_asked(event: Any) -> None:
        if isinstance(event, StepFinished) and (event.stage, event.step) == (1, 7):
            signal.raise_signal(signal.SIGINT)

    settings = RunSettings(workers=0, interval=Interval(1, "epochs"))
    run(prepared, settings, tmp_path / "run", observers=(is_asked,))
    checkpoint = newest(tmp_path / "run")
    assert checkpoint is not None
    before = json.loads((tmp_path / f"run/checkpoints/{checkpoint.number - 1:06}.json").read_text())
    began = read_params(tmp_path / "run/checkpoints" / before["files"]["now"]["name"])
    assert (before["state"]["epoch"], checkpoint.state.epoch) == (1, 1)
    assert before["state"]["step"] < checkpoint.state.step
    assert {name: each.tobytes() for name, each in began.items()} == {
        name: each.tobytes() for name, each in checkpoint.arrays["epoch"].items()
    }


def test_a_failure_says_that_it_can_go_on(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    stages = PLAIN.replace("= all\n", "= base.block3 .. head\n").replace("2 epochs", "1 epoch")
    recipe = write_recipe(tmp_path / "r.ftr", copy, stages, data="  augment = [random_crop(32px), flip(horizontal)]")
    whole = tmp_path / "whole"
    run(prepare(recipe), RunSettings(workers=0), whole)

    def seen(event: Any) -> None:
        if isinstance(event, StageFinished):
            shutil.rmtree(copy / "train/red")

    with pytest.raises(ResumableError) as caught:
        run(prepare(recipe), RunSettings(workers=0, cache=False), tmp_path / "run", observers=(seen,))
    left = f'{tmp_path / "run"}/model.params has the weights that stage 2 "again" began with'
    assert caught.value.note == f'{left}, of epoch 1 of stage 1 "all"\nto resume: ftr run --resume {tmp_path / "run"}'
    shutil.copytree(photos / "train/red", copy / "train/red")
    go_on(recipe, tmp_path / "run")
    assert (tmp_path / "run/model.params").read_bytes() == (whole / "model.params").read_bytes()
