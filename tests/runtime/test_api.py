"""The Python interface."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT
from planned import facts, net_facts
from toy import STAGE, write_recipe

import runtime as ftr


def test_the_public_names_are_these() -> None:
    assert ftr.__all__ == sorted(ftr.__all__)
    assert ftr.__all__ == [
        "RecipeError",
        "check",
        "compile_plan",
        "evaluate",
        "load",
        "load_recipe",
        "parse",
        "predict",
        "prepare",
        "read_source",
        "run",
    ]
    tree = ast.parse(Path(ftr.__file__ or "").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name for name in defined if not name.startswith("_")} <= set(ftr.__all__)
    modules = {path.stem for path in Path(ftr.__file__ or "").parent.glob("*.py")}
    assert not modules & set(ftr.__all__), "importing that module would put it in the function's place"


def test_checking_and_compiling_load_no_mxnet(tmp_path: Path) -> None:
    program = """
import sys
import runtime as ftr
from planned import facts, net_facts
recipe = ftr.check(ftr.parse(ftr.read_source(sys.argv[1])))
plan = ftr.compile_plan(recipe, facts(), net_facts(3))
assert plan.stages[0].steps == 6
assert not {"mxnet", "gluoncv", "numpy"} & set(sys.modules)
"""
    recipe = write_recipe(tmp_path / "r.ftr", Path("nowhere"))
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    subprocess.run([sys.executable, "-c", program, str(recipe)], env=path, check=True)


def test_from_a_recipe_to_predictions(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_recipe(tmp_path / "r.ftr", photos, STAGE.replace("1 epoch", "$n"), top="param n = 1 epoch")
    recipe = ftr.check(ftr.parse(ftr.read_source(path)), ["n=2 epochs"])
    assert ftr.compile_plan(recipe, facts(), net_facts(3)).stages[0].epochs == 2
    prepared = ftr.prepare(str(path), ["n=2 epochs"])
    assert prepared.plan.stages[0].steps == 8
    seen: list[object] = []
    folder, result = ftr.run(prepared, str(tmp_path / "run"), workers=0, observers=[seen.append])
    assert folder == tmp_path / "run"
    assert result["status"] == "finished"
    assert {type(event).__name__ for event in seen} >= {
        "ImagesChecked",
        "FolderOpened",
        "StageStarted",
        "StepFinished",
        "Evaluated",
        "Tested",
    }
    loaded = ftr.load(str(folder))
    assert ftr.evaluate(loaded).values["accuracy"] == result["test"]["accuracy"]
    assert ftr.evaluate(loaded, set_name="valid").values["loss"] == result["valid"]["loss"]
    assert ftr.evaluate(loaded, str(photos / "test")).values["loss"] == result["test"]["loss"]
    assert not caplog.records
    ftr.evaluate(loaded, str(photos / "valid"))
    said = "none of these 24 images were trained on, 24 were in the run's validation set"
    assert [record.getMessage() for record in caplog.records] == [said]
    (prediction,) = ftr.predict(loaded, [str(photos / "test/red/0.jpg")], top=2)
    assert len(prediction.classes) == 2
    assert prediction.classes[0][1] >= prediction.classes[1][1] > 0


def test_a_prepared_recipe_runs_twice_to_the_same(photos: Path, tmp_path: Path) -> None:
    prepared = ftr.prepare(write_recipe(tmp_path / "r.ftr", photos))
    for name in ("one", "two"):
        ftr.run(prepared, tmp_path / name)
    assert (tmp_path / "one/model.params").read_bytes() == (tmp_path / "two/model.params").read_bytes()


def test_errors_carry_their_problems(tmp_path: Path) -> None:
    with pytest.raises(ftr.RecipeError, match=r"missing\.ftr") as caught:
        ftr.read_source(tmp_path / "missing.ftr")
    assert caught.value.problems[0].code.startswith("E")
    with pytest.raises(ftr.RecipeError, match="no such folder"):
        ftr.load(tmp_path / "nowhere")


def test_a_run_can_be_ended_early(photos: Path, tmp_path: Path) -> None:
    stages = STAGE.replace("1 epoch", "50 epochs")
    epochs: list[object] = []
    folder, result = ftr.run(
        ftr.prepare(write_recipe(tmp_path / "r.ftr", photos, stages)),
        tmp_path / "run",
        observers=[lambda event: epochs.append(event) if type(event).__name__ == "Evaluated" else None],
        should_stop=lambda: len(epochs) == 2,
    )
    assert (result["status"], result["stages"][0]["steps"], len(epochs)) == ("interrupted", 200, 2)
    assert ftr.evaluate(ftr.load(folder)).values["accuracy"] >= 0
