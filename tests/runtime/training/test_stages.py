"""What a stage hands on: its best, which what it began with may be; where it lies, and what is said of it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packs import pack_run
from toy import metrics, train, write_recipe

from recipe_lang.problem import RecipeError
from runtime.runs.checkpoints import digest_of, newest
from runtime.runs.resume import Resume
from runtime.runs.trained import load
from runtime.training.events import Evaluated, EvaluationStarted, StepFinished
from runtime.training.settings import Interval, RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

HEAD = """
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = 1e-2)
}
"""
WORSE = (
    HEAD
    + """
stage "top" {
  train     = base.block3 .. head
  for       = 3 epochs
  optimizer = sgd(lr = 2)
  schedule  = constant
  stop      = early(valid.loss, patience = 1 epoch)
}
"""
)
FROM_HEAD = {"stage": 1, "title": "head", "epoch": 3}
Run = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Export nothing: it takes as long as the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.runs.writer.export_model", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def worse(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose second stage makes it worse, and what came out."""
    root = tmp_path_factory.mktemp("worse")
    return root / "run", train(write_recipe(root / "r.ftr", photos, WORSE), root / "run")


def without(stages: str, line: str) -> str:
    return re.sub(rf"^ *{line} .*\n", "", stages, flags=re.MULTILINE)


def test_a_stage_that_makes_it_worse_hands_on_what_it_began_with(worse: Run) -> None:
    folder, result = worse
    top = result["stages"][1]
    assert top["kept"] == 'what it began with: epoch 3 of stage 1 "head"'
    assert (top["gained"], top["from"]) == (False, {"stage": 1, "epoch": 3})
    assert result["weights_from"] == {**FROM_HEAD, "metric": "valid.loss", "value": result["valid"]["loss"]}
    assert (folder / "model.params").read_bytes() == (folder / "stages/1.params").read_bytes()


def test_what_a_stage_begins_with_is_measured_as_its_epoch_0(worse: Run) -> None:
    lines = [line for line in metrics(worse[0]) if line["event"] == "evaluated"]
    assert [(line["stage"], line["epoch"]) for line in lines] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 0),
        (2, 1),
        (2, 2),
        (2, 3),
    ]
    before, begins = lines[2:4]
    assert begins["loss"] == pytest.approx(before["loss"], rel=1e-5)
    assert begins["train_loss"] is None
    assert [line["best"] for line in lines[3:]] == [True, False, False, False]
    assert worse[1]["best"]["stage"] == 2


def test_patience_counts_from_the_epochs_of_the_stage(worse: Run) -> None:
    """All of them are worse than the beginning, but each is better than the one before: that is no reason to stop."""
    losses = [line["loss"] for line in metrics(worse[0]) if line["event"] == "evaluated"][3:]
    assert losses[0] < losses[3] < losses[2] < losses[1]
    assert (worse[1]["stages"][1]["ended"], worse[1]["stages"][1]["epochs_done"]) == ("done", 3)


def test_a_stage_that_keeps_its_last_does_so_and_says_that_it_gained_nothing(photos: Path, tmp_path: Path) -> None:
    stages = without(WORSE, "stop").replace("schedule  = constant", "monitor = valid.loss\n  keep = last")
    result = train(write_recipe(tmp_path / "r.ftr", photos, stages), tmp_path / "run")
    top = result["stages"][1]
    assert (top["kept"], top["gained"], top["from"]["stage"]) == ("the last (epoch 3)", False, 2)
    assert result["weights_from"] == {"stage": 2, "title": "top", "epoch": 3, "metric": None, "value": None}


def test_a_third_stage_knows_the_stage_that_its_weights_come_from(photos: Path, tmp_path: Path) -> None:
    third = WORSE.removeprefix(HEAD).replace('"top"', '"again"').replace("3 epochs", "1 epoch")
    result = train(write_recipe(tmp_path / "r.ftr", photos, WORSE + third), tmp_path / "run")
    assert [stage["gained"] for stage in result["stages"]] == [None, False, False]
    assert [stage["from"] for stage in result["stages"]] == [{"stage": 1, "epoch": 3}] * 3
    assert sorted(path.name for path in (tmp_path / "run/stages").iterdir()) == ["1.params", "2.params"]


# --- stopped in the middle -------------------------------------------------------------------


def interrupt(recipe: Path, out: Path, kind: type, at: tuple[int, int]) -> dict[str, Any]:
    """Run a recipe and interrupt it at the first such event of an epoch of a stage (its position)."""
    once = [signal.SIGINT]  # a second one breaks

    def seen(event: Any) -> None:
        if isinstance(event, kind) and (event.stage, event.epoch) == at and once:
            signal.raise_signal(once.pop())

    return train(recipe, out, watch=seen)


BEST = 'the best weights so far, of epoch 3 of stage 1 "head"'
BEGAN = 'the weights that stage 2 "top" began with, of epoch 3 of stage 1 "head"'
NOWHERE = {"epoch": None, "metric": None, "value": None}


@pytest.mark.parametrize(
    ("stages", "kind", "at", "said", "origin"),
    [
        (WORSE, EvaluationStarted, (1, 0), BEGAN, FROM_HEAD),
        (WORSE, Evaluated, (1, 0), BEST, FROM_HEAD),
        (WORSE, Evaluated, (1, 2), BEST, FROM_HEAD),
        (without(WORSE, "stop"), Evaluated, (0, 3), BEGAN, FROM_HEAD),
        (without(WORSE, "stop"), StepFinished, (1, 1), 'the weights after step 3 of stage 2 "top"', {"stage": 2}),
    ],
    ids=["measuring the beginning", "no step", "worse so far", "nothing monitored, no step", "nothing monitored"],
)
def test_an_interrupted_run_says_whose_weights_it_left(
    stages: str, kind: type, at: tuple[int, int], said: str, origin: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    result = interrupt(write_recipe(tmp_path / "r.ftr", photos, stages), tmp_path / "run", kind, at)
    assert (result["status"], result["weights"]) == ("interrupted", said)
    assert origin.items() <= result["weights_from"].items()
    is_head = (tmp_path / "run/model.params").read_bytes() == (tmp_path / "run/stages/1.params").read_bytes()
    assert is_head == (origin is FROM_HEAD)
    with pytest.raises(RecipeError, match="the run is interrupted"):
        load(tmp_path / "run", "top")


@pytest.mark.parametrize(
    ("kind", "at"),
    [(EvaluationStarted, (1, 0)), (Evaluated, (1, 0)), (StepFinished, (1, 2))],
    ids=["measuring the beginning", "no step", "worse so far"],
)
def test_a_run_that_goes_on_gains_as_little(
    kind: type, at: tuple[int, int], worse: Run, photos: Path, tmp_path: Path
) -> None:
    recipe, out = write_recipe(tmp_path / "r.ftr", photos, WORSE), tmp_path / "run"
    interrupt(recipe, out, kind, at)
    (out / "stages/.1.params.1.part").touch()  # as a kill leaves it
    run(prepare(recipe), RunSettings(workers=0), None, resume=Resume(out))
    for name in ("model.params", "stages/1.params", "metrics.jsonl"):
        assert (out / name).read_bytes() == (worse[0] / name).read_bytes(), name
    assert json.loads((out / "result.json").read_text())["stages"] == worse[1]["stages"]
    assert [path.name for path in (out / "stages").iterdir()] == ["1.params"]


def test_a_run_that_counted_from_0_goes_on_so(worse: Run, photos: Path, tmp_path: Path) -> None:
    """Before, `metrics.jsonl` counted stages from 0, and no checkpoint said where weights come from."""
    recipe, out = write_recipe(tmp_path / "r.ftr", photos, WORSE), tmp_path / "run"

    def seen(event: Any) -> None:
        if isinstance(event, StepFinished) and (event.stage, event.step) == (1, 6):
            signal.raise_signal(signal.SIGINT)

    run(prepare(recipe), RunSettings(workers=0, interval=Interval(1, "steps")), out, observers=(seen,))
    record = (out / "metrics.jsonl").read_text()
    (out / "metrics.jsonl").write_text(re.sub(r'stage": (\d)', lambda found: f'stage": {int(found[1]) - 1}', record))
    for path in (out / "checkpoints").glob("*.json"):
        content = json.loads(path.read_text())
        del content["digest"], content["state"]["from_stage"], content["state"]["from_epoch"]
        path.write_text(json.dumps({**content, "digest": digest_of(content)}))
    checkpoint = newest(out)
    assert checkpoint is not None
    assert (checkpoint.state.stage, checkpoint.state.from_stage) == (1, 0)
    _, result = run(prepare(recipe), RunSettings(workers=0), None, resume=Resume(out))
    assert (out / "model.params").read_bytes() == (worse[0] / "model.params").read_bytes()
    assert [line["stage"] for line in metrics(out)] == [line["stage"] - 1 for line in metrics(worse[0])]
    assert result["best"]["stage"] == 2
    assert result["stages"][1]["kept"] == 'what it began with: stage 1 "head"'


# --- afterwards ------------------------------------------------------------------------------


def test_the_weights_of_each_stage_can_be_loaded(photos: Path, tmp_path: Path) -> None:
    stages = HEAD + 'stage "1" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = 1e-2)\n}\n'
    folder = tmp_path / "run"
    train(write_recipe(tmp_path / "r.ftr", photos, stages), folder)
    weights = {name: load(folder, name).model.arrays()["head.1.weight"].tobytes() for name in ("head", "1", "2")}
    final = load(folder)
    assert (final.stage, load(folder, "head").stage) == ("", 'stage 1 "head"')
    assert final.model.arrays()["head.1.weight"].tobytes() == weights["2"] == weights["1"] != weights["head"]
    with pytest.raises(RecipeError) as caught:
        load(folder, "3")
    assert caught.value.problems[0].help() == 'it has stage 1 "head", stage 2 "1"'
    pack, _ = pack_run(folder, tmp_path / "a.ftrpack")
    with pytest.raises(RecipeError, match="a pack has the final weights only"):
        load(pack, "head")
    assert load(pack, "2").model.arrays()["head.1.weight"].tobytes() == weights["2"]
    (folder / "model.params").unlink()
    assert load(folder, "head").model.arrays()["head.1.weight"].tobytes() == weights["head"]
