"""A run that goes on is the run that never stopped: killed at random, interrupted, with damaged checkpoints."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_lang.problem import Problem, RecipeError
from runtime.runs.checkpoints import digest_of, newest
from runtime.runs.folder import locked
from runtime.runs.lock.facts import keep_lock
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.manifest import read_manifest
from runtime.runs.resume import Resume, differences
from runtime.runs.writer import ResumableError
from runtime.training.events import Resumed, StageFinished, StepFinished
from runtime.training.settings import CheckpointSchedule, Interval, RunSettings
from runtime.training.stage import Interrupted
from runtime.training.state import TrainState
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from runtime.workflows.verify import compare
from tests import killing
from tests.toy import CLASSES, STAGE, make_images, write_recipe

KILLS = 50
STEPS = Interval(2, "steps")

KEPT = """
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = 1e-2)
}
stage "top" {
  train     = base.block3 .. head
  for       = 11 steps
  optimizer = sgd(lr = 1e-2, momentum = 0.9)
  schedule  = cosine(warmup = 2 steps)
  monitor   = valid.accuracy
}
"""
PLAIN = """
stage "all" {
  train     = all
  for       = 2 epochs
  optimizer = adamw(lr = 1e-3)
  clip      = global_norm(1.0)
}
stage "again" {
  train     = head
  for       = 2 epochs
  optimizer = rmsprop(lr = 1e-3, momentum = 0.9, centered = true)
  norm      = frozen
}
"""
STOPPING = """
stage "top" {
  train     = base.block3 .. head
  for       = 12 epochs
  optimizer = nag(lr = 1e-2, momentum = 0.9)
  stop      = early(valid.loss, patience = 2 epochs)
}
"""
DIVERGING = """
stage "head" {
  train     = head
  for       = 1 epoch
}
stage "top" {
  train         = base.block2 .. head
  for           = 3 epochs
  optimizer     = sgd(lr = 100, momentum = 0.9)
  on_divergence = back_off(factor = 1e-6, times = 2)
  monitor       = valid.loss
}
"""
AVERAGED = """
stage "head" {
  train      = head
  for        = 3 epochs
  accumulate = 2
  average    = ema(decay = 0.9)
}
stage "most" {
  train     = base.block2 .. head
  for       = 2 epochs
  sam       = 0.05
  average   = ema(decay = 0.9)
}
stage "top" {
  train     = base.block3 .. head
  for       = 4 epochs
  optimizer = sgd(lr = 1e-2, momentum = 0.9)
  l2_sp     = 0.1
  average   = swa(start = 1 epoch)
  monitor   = valid.loss
}
"""
QUICK = {"quick": True}
RANDOM = "  augment = [random_crop(32px), flip(horizontal)]"
RECIPES = {
    "features kept": (KEPT, "", "[dropout(0.3), dense(classes)]", {}),
    "half precision, two views": (KEPT, "  views = 2\n  augment = [random_crop(32px)]\n  features = half", "", QUICK),
    "nothing kept": (
        PLAIN,
        "  augment = [random_crop(32px), flip(horizontal)]",
        "[dropout(0.3), dense(classes)]",
        QUICK,
    ),
    "no cache, not joined": (KEPT, "", "", {"cache": False, "fuse": False, **QUICK}),
    "stopping early": (STOPPING, "  augment = [flip(horizontal)]", "", QUICK),
    "going back": (DIVERGING, "", "", QUICK),
    "averages": (AVERAGED, "  augment = [flip(horizontal)]", "[dropout(0.3), dense(classes)]", QUICK),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate({"train": 27, "valid": 6, "test": 5}.items()):
        make_images(root / name, dict.fromkeys(CLASSES, count), seed)
    return root


def _written(folder: Path, photos: Path, name: str) -> tuple[Path, dict[str, Any]]:
    stages, data, head, settings = RECIPES[name]
    return write_recipe(folder / "r.ftr", photos, stages, data=data, head=head or "[dense(classes)]"), settings


def _left(out: Path) -> dict[str, Any]:
    """Return what a run leaves that must not depend on how often it was stopped."""
    files = ("model.params", "metrics.jsonl", "plan.json", "classes.json", "resolved.ftr")
    result = json.loads((out / "result.json").read_text())
    left = {name: value for name, value in result.items() if name not in ("wall_s", "resumed")}
    return {**{name: (out / name).read_bytes() for name in files}, "result": left, "names": sorted(os.listdir(out))}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(name: str, photos: Path, tmp_path: Path) -> None:
    recipe, settings = _written(tmp_path, photos, name)
    passed = killing.points(recipe, tmp_path / "whole", interval="2 steps", **settings)
    whole = _left(tmp_path / "whole")
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
        assert _left(out) == whole
    assert len(whole["metrics.jsonl"].splitlines()) > 10


def test_every_point_of_writing_a_checkpoint_can_be_the_last(photos: Path, tmp_path: Path) -> None:
    recipe, _ = _written(tmp_path, photos, "features kept")
    killing.points(recipe, tmp_path / "whole", interval="2 steps", **QUICK)
    whole = _left(tmp_path / "whole")
    began = tmp_path / "began"
    assert killing.start(recipe, began, interval="4 steps", kill_at=60, **QUICK) == -signal.SIGKILL
    for at in range(1, 40, 3):
        out = shutil.copytree(began, tmp_path / f"run-{at}")
        assert killing.start(recipe, out, interval="1 step", kill_at=at, **QUICK) == -signal.SIGKILL
        assert killing.start(recipe, out, interval="100 steps", **QUICK) == 0
        assert _left(out) == whole


# --- in one process --------------------------------------------------------------------------


class _Stop(Exception):  # noqa: N818 - it is not one
    """Ends a run as a bug would."""


def _stopped(recipe: Path, out: Path, step: int, stage: int = 1, **settings: Any) -> None:
    """Run a recipe until so many steps of a stage are done, and drop it."""

    with pytest.raises(_Stop):
        run(prepare(recipe), RunSettings(workers=0, interval=STEPS), out, observers=(_stop_at(stage, step),))


def _stop_at(stage: int, step: int) -> Callable[[Any], None]:
    def seen(event: Any) -> None:
        if isinstance(event, StepFinished) and (event.stage, event.step) == (stage, step):
            raise _Stop

    return seen


def _go_on(recipe: Path, out: Path, *, extend: bool = False, watch: Any = None) -> dict[str, Any]:
    settings, observers = RunSettings(workers=0, interval=STEPS), () if watch is None else (watch,)
    _, result = run(prepare(recipe), settings, resume=Resume(out, extend), observers=observers)
    return result


def _problem(recipe: Path, out: Path, *, extend: bool = False) -> Problem:
    with pytest.raises(RecipeError) as caught:
        _go_on(recipe, out, extend=extend)
    (problem,) = caught.value.problems
    return problem


@pytest.fixture(scope="module")
def begun(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Return a recipe, the folder of a run that stopped in its second stage, and what the whole run leaves."""
    root = tmp_path_factory.mktemp("begun")
    recipe, _ = _written(root, photos, "features kept")
    run(prepare(recipe), RunSettings(workers=0, interval=STEPS), root / "whole")
    _stopped(recipe, root / "run", 8)
    return recipe, root / "run", _left(root / "whole")


@pytest.fixture
def half(begun: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return shutil.copytree(begun[1], tmp_path / "run")


def test_it_goes_on_behind_the_checkpoint_and_not_from_the_beginning(
    begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    steps: list[Any] = []
    _go_on(begun[0], half, watch=steps.append)
    trained = [(event.stage, event.step) for event in steps if isinstance(event, StepFinished)]
    assert trained == [(1, step) for step in range(7, 12)]
    assert _left(half) == begun[2]


def test_two_checkpoints_are_kept_and_one_in_the_end(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    names = {path.name for path in (half / "checkpoints").iterdir()}
    assert len([name for name in names if name.endswith(".json")]) == 2
    named = {
        file["name"]
        for path in (half / "checkpoints").glob("*.json")
        for file in json.loads(path.read_text())["files"].values()
    }
    assert {name for name in names if name.endswith(".params")} == named
    _go_on(begun[0], half)
    assert len(list((half / "checkpoints").glob("*.json"))) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "json", "gone"])
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
    _go_on(begun[0], half)
    assert _left(half) == begun[2]


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
    assert _problem(begun[0], half).code == code


def test_checkpoints_without_the_plan_that_they_belong_to_are_refused(
    begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    (half / "plan.json").unlink()
    assert _problem(begun[0], half).code == "E644"


def test_without_a_whole_checkpoint_it_says_so(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    for path in (half / "checkpoints").glob("*.params"):
        path.write_bytes(b"")
    assert _problem(begun[0], half).code == "E640"


def test_without_any_checkpoint_it_begins_again(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    shutil.rmtree(half / "checkpoints")
    _go_on(begun[0], half)
    assert _left(half) == begun[2]


def test_a_changed_recipe_is_refused_with_the_difference(
    begun: tuple[Path, Path, dict[str, Any]], half: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "r.ftr"
    changed.write_text(begun[0].read_text().replace("momentum = 0.9", "momentum = 0.8"))
    problem = _problem(changed, half)
    assert problem.code == "E642"
    assert "stages[2].optimizer.args.momentum: 0.9 -> 0.8" in problem.message()
    assert f"ftr run {half / 'resolved.ftr'} --resume {half}" in problem.help()
    changed.write_text("# a note\n" + begun[0].read_text().replace("\n", "\n\n"))
    _go_on(changed, half)
    assert _left(half) == begun[2]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("sgd(", "nag(", 'stages[2].optimizer.name: "sgd" -> "nag"'),
        ("adam(", "adamw(", 'stages[1].optimizer.name: "adam" -> "adamw"'),
        ("cosine(warmup = 2 steps)", "constant(warmup = 2 steps)", 'stages[2].schedule.name: "cosine" -> "constant"'),
        ("[dropout(0.3), dense(classes)]", "[relu, dense(classes)]", 'head[1].name: "dropout" -> "relu"'),
    ],
)
def test_another_name_with_the_same_arguments_is_another_recipe(
    old: str, new: str, difference: str, begun: tuple[Path, Path, dict[str, Any]], half: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "r.ftr"
    changed.write_text(begun[0].read_text().replace(old, new))
    problem = _problem(changed, half)
    assert problem.code == "E642"
    assert difference in problem.message()


def test_a_file_of_weights_that_lies_elsewhere_is_no_other_recipe() -> None:
    old, new = (
        {
            "base": {
                "name": "gluoncv",
                "args": {"weights": {"name": "gluon_params", "args": {"file": file}, "place": at}},
            }
        }
        for file, at in (("/old/w.params", "r.ftr:3:1"), ("/new/w.params", "r.ftr:9:1"))
    )
    assert not list(differences(old, new))


def test_another_set_of_images_is_refused(photos: Path, begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    extra = photos / "valid/red/extra.jpg"
    shutil.copy(photos / "valid/red/0.jpg", extra)
    try:
        problem = _problem(begun[0], half)
    finally:
        extra.unlink()
    assert problem.code == "E561"
    assert problem.message().startswith("`data.valid.red` is 7 images, ")


def test_longer_stages_take_their_own_word(
    begun: tuple[Path, Path, dict[str, Any]], half: Path, tmp_path: Path
) -> None:
    longer = tmp_path / "longer.ftr"
    longer.write_text(begun[0].read_text().replace("11 steps", "15 steps"))
    problem = _problem(longer, half)
    assert (problem.code, "--extend" in problem.help()) == ("E642", True)
    assert _problem(begun[0], half, extend=True).code == "E645"
    other = tmp_path / "other.ftr"
    other.write_text(longer.read_text().replace("momentum = 0.9", "momentum = 0.8"))
    problem = _problem(other, half, extend=True)
    assert ("momentum" in problem.message(), "steps" in problem.message()) == (True, False)
    result = _go_on(longer, half, extend=True)
    assert [stage["steps_done"] for stage in result["stages"]] == [15, 15]
    assert "for           = 15 steps" in (half / "resolved.ftr").read_text()


def test_a_plan_of_before_a_field_of_stages_was_added_is_the_same(
    begun: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    recipe, half, whole = begun
    old = shutil.copytree(half, tmp_path / "old")
    plan = json.loads((old / "plan.json").read_text())
    for stage in plan["stages"]:
        del stage["accumulate"], stage["average"], stage["l2_sp"], stage["sam"]
    (old / "plan.json").write_text(json.dumps(plan))
    _go_on(recipe, old)
    assert _left(old)["model.params"] == whole["model.params"]
    assert list(differences({"stages": [{}]}, {"stages": [{"sam": 0.1}]})) == [("stages[1].sam", "null", "0.1")]


def test_a_run_that_has_ended_does_not_resume(photos: Path, tmp_path: Path) -> None:
    """It is not measured anew, and no claim that was written since becomes its own."""
    recipe, out = write_recipe(tmp_path / "r.ftr", photos, STAGE), tmp_path / "run"
    run(prepare(recipe), RunSettings(workers=0), out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    recipe.write_text(f"{recipe.read_text()}\nexpect {{\n  valid.accuracy >= 99%\n}}\n")
    problem = _problem(recipe, out)
    assert (problem.code, "it has ended" in str(problem.message)) == ("E644", True)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_finished_run_can_be_extended(photos: Path, tmp_path: Path) -> None:
    stage = '\nstage "head" {\n  train = head\n  for = 2 epochs\n  schedule = constant\n}\n'
    recipe = write_recipe(tmp_path / "r.ftr", photos, stage)
    run(prepare(recipe), RunSettings(workers=0), tmp_path / "run")
    recipe.write_text(recipe.read_text().replace("2 epochs", "4 epochs"))
    _go_on(recipe, tmp_path / "run", extend=True)
    run(prepare(recipe), RunSettings(workers=0), tmp_path / "whole")
    assert (tmp_path / "run/model.params").read_bytes() == (tmp_path / "whole/model.params").read_bytes()
    assert (tmp_path / "run/metrics.jsonl").read_text().count("stage_started") == 1


SET = ("rate = 1e-3", "rate=0.01")


def _with_rate(path: Path, photos: Path, length: str = "2 epochs") -> Path:
    stage = STAGE.replace("1 epoch", f"{length}\n  optimizer = sgd(lr = $rate)")
    return write_recipe(path, photos, stage, top=f"param {SET[0]}")


def test_a_run_whose_recipe_is_gone_keeps_its_settings(photos: Path, tmp_path: Path) -> None:
    recipe, out = _with_rate(tmp_path / "r.ftr", photos), tmp_path / "run"
    run(prepare(recipe, [SET[1]]), RunSettings(workers=0, interval=STEPS), tmp_path / "whole")
    with pytest.raises(_Stop):
        run(prepare(recipe, [SET[1]]), RunSettings(workers=0, interval=STEPS), out, observers=(_stop_at(0, 5),))
    recipe.unlink()
    result = _go_on(out / "resolved.ftr", out)
    assert _left(out) == _left(tmp_path / "whole")
    assert result["settings"] == {"rate": "0.01"}
    for name in ("recipe", "result"):
        ours, whole = (read_lock(each / LOCK).facts for each in (out, tmp_path / "whole"))
        assert [item for item in ours.items() if item[0][0] == name] == [
            item for item in whole.items() if item[0][0] == name
        ]
    assert keep_lock(out / "resolved.ftr", out) == ""
    assert not (out / "resolved.ftr.lock").exists()


def test_a_longer_run_goes_on_with_the_recipe_that_made_it_longer(photos: Path, tmp_path: Path) -> None:
    recipe, out = _with_rate(tmp_path / "r.ftr", photos), tmp_path / "run"
    run(prepare(recipe, [SET[1]]), RunSettings(workers=0), out)
    longer = _with_rate(tmp_path / "longer.ftr", photos, "3 epochs")
    settings = RunSettings(workers=0)
    result = run(prepare(longer, [SET[1]]), settings, None, resume=Resume(out, extend=True))[1]
    assert result["stages"][0]["epochs_done"] == 3
    began = read_manifest(out)
    assert (began.recipe, began.settings, len(began.resumed)) == (str(longer), (SET[1],), 1)
    lock = read_lock(out / LOCK).facts
    changed = [name for section, name in lock if section == "resumed"]
    assert changed == ["recipe.hash", "recipe.resolved"]
    run(prepare(longer, [SET[1]]), settings, tmp_path / "whole")
    verdict = compare(lock, read_lock(tmp_path / "whole" / LOCK).facts)
    assert [each.name for each in verdict.reasons] == ["resumed.recipe.hash", "resumed.recipe.resolved"]


def test_a_run_that_begins_again_says_so(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    shutil.rmtree(half / "checkpoints")
    seen: list[Any] = []
    _go_on(begun[0], half, watch=seen.append)
    assert [event for event in seen if isinstance(event, Resumed)] == [Resumed(0, 0, 0)]


def test_an_image_that_changed_since_is_refused(
    photos: Path, begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    image = photos / "train/red/0.jpg"
    content = image.read_bytes()
    shutil.copy(photos / "train/red/1.jpg", image)
    try:
        problem = _problem(begun[0], half)
    finally:
        image.write_bytes(content)
    assert (problem.code, "data.train.red" in problem.message()) == ("E561", True)


def test_other_versions_are_said_and_kept_in_the_lock(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    lock, now = half / LOCK, np.__version__
    lock.write_text(lock.read_text().replace(f'numpy = "{now}"', 'numpy = "1.0"'))
    seen: list[Any] = []
    assert _go_on(begun[0], half, watch=seen.append)["resumed"] == [[["versions.numpy", "1.0", now]]]
    (resumed,) = [event for event in seen if isinstance(event, Resumed)]
    assert resumed.changed == (("versions.numpy", "1.0", now),)
    facts = read_lock(lock).facts
    assert facts["resumed", "versions.numpy"] == f"1.0, then {now}"
    whole = {key: fact for key, fact in facts.items() if key[0] != "resumed"} | {("result", "weights"): "0" * 64}
    assert [each.name for each in compare(facts, whole).reasons] == ["resumed.versions.numpy"]


def test_with_what_a_run_began_does_not_matter_when_it_begins_anew(photos: Path, tmp_path: Path) -> None:
    recipe, _ = _written(tmp_path, photos, "features kept")
    with pytest.raises(_Stop):
        run(prepare(recipe), RunSettings(workers=0), tmp_path / "run", observers=(_stop_at(0, 2),))
    assert newest(tmp_path / "run") is None
    lock = tmp_path / "run" / LOCK
    lock.write_text(lock.read_text().replace(f'numpy = "{np.__version__}"', 'numpy = "1.0"'))
    with pytest.raises(_Stop):
        _go_on(recipe, tmp_path / "run", watch=_stop_at(0, 1))
    assert read_lock(lock).facts["versions", "numpy"] == np.__version__
    assert _go_on(recipe, tmp_path / "run")["resumed"] == []
    run(prepare(recipe), RunSettings(workers=0), tmp_path / "whole")
    assert lock.read_bytes() == (tmp_path / "whole" / LOCK).read_bytes()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": 1}', "[" * 100_000, '{"format": 2}'], ids=lambda text: text[:12]
)
def test_a_damaged_run_json_is_refused(text: str, begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    (half / "run.json").write_text(text)
    assert _problem(begun[0], half).code in ("E605", "E644")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 0),
        ("threads", 10**9),
        ("resumed", [["a", "b", "c"]]),
        ("resumed", [[["a", "b", 3]]]),
        ("resumed", [[["a", "b" * 9_000_000, "c"]]]),
        ("resumed", [[["a", "b", "c"]] * 300_000]),
    ],
)
def test_a_run_json_that_no_run_writes_is_refused(
    name: str, value: Any, begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    path = half / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert _problem(begun[0], half).code == "E644"


def test_a_second_run_into_the_folder_is_refused(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    with locked(half):
        assert _problem(begun[0], half).code == "E643"
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
    _go_on(begun[0], half)
    assert _left(half) == begun[2]


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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "caller", "observer"])
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
    _go_on(begun[0], tmp_path / "run", watch=steps.append)
    first = next(event for event in steps if isinstance(event, StepFinished))
    done = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert (first.stage, first.step > 3) == (1, True)
    assert len(done) == len(begun[2]["metrics.jsonl"].splitlines())
    assert _left(tmp_path / "run") == begun[2]


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
    recipe = write_recipe(tmp_path / "r.ftr", copy, PLAIN, data="  augment = [random_crop(32px), flip(horizontal)]")
    whole = tmp_path / "whole"
    run(prepare(recipe), RunSettings(workers=0), whole)

    def seen(event: Any) -> None:
        if isinstance(event, StageFinished):
            shutil.rmtree(copy / "train/red")

    with pytest.raises(ResumableError) as caught:
        run(prepare(recipe), RunSettings(workers=0, cache=False), tmp_path / "run", observers=(seen,))
    left = f'{tmp_path / "run"}/model.params has the weights that stage 2 "again" began with'
    assert caught.value.note == f'{left}, of epoch 2 of stage 1 "all"\nto resume: ftr run --resume {tmp_path / "run"}'
    shutil.copytree(photos / "train/red", copy / "train/red")
    _go_on(recipe, tmp_path / "run")
    assert (tmp_path / "run/model.params").read_bytes() == (whole / "model.params").read_bytes()


# --- when ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("1 minute", Interval(60, "seconds")),
        ("5minutes", Interval(300, "seconds")),
        ("1.5 hours", Interval(5400, "seconds")),
        ("500 steps", Interval(500, "steps")),
        ("1 epoch", Interval(1, "epochs")),
    ],
)
def test_intervals(text: str, interval: Interval) -> None:
    assert Interval.of(text) == interval


@pytest.mark.parametrize("text", ["", "5", "minutes", "-1 minute", "0 steps", "1 image", "1e3 steps", "nan steps"])
def test_wrong_intervals(text: str) -> None:
    with pytest.raises(ValueError, match="5 minutes"):
        Interval.of(text)


def test_minutes_pass_by_the_clock() -> None:
    now = 100.0
    due = CheckpointSchedule(Interval(60, "seconds"), lambda: now)
    state = TrainState()
    assert not due(state)
    now = 160.0
    assert due(state)
    due.taken(state)
    assert not due(state)


def test_steps_and_epochs_count_from_the_last_one() -> None:
    due = CheckpointSchedule(Interval(3, "steps"), time.monotonic)
    assert [due(TrainState(step=step)) for step in (1, 2, 3, 4)] == [False, False, True, True]
    due.taken(TrainState(step=4))
    assert [due(TrainState(step=step)) for step in (6, 7)] == [False, True]
    assert [due(TrainState(stage=1, step=step)) for step in (2, 3)] == [False, True]
    due = CheckpointSchedule(Interval(2, "epochs"), time.monotonic)
    assert [due(TrainState(epoch=epoch)) for epoch in (1, 2)] == [False, True]
    assert not due(TrainState(epoch=2, losses=[0.5]))
