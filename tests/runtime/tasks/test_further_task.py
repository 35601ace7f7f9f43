"""A task is its folder and a row: nothing else has to know of it, from checking to predictions of a pack."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ftr says and does with the task of `further_task.py`, in a process where nothing but its row was added."""
    folder = tmp_path_factory.mktemp("labels")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FTR_CACHE": str(folder / "cache")}
    command = [sys.executable, str(Path(__file__).with_name("further_task.py")), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_every_command_takes_it(told: dict[str, Any]) -> None:
    assert {name: one for name, one in told.items() if name != "wrong" and one["code"] != 0} == {}


def test_it_is_checked_and_explained(told: dict[str, Any]) -> None:
    assert "Only with `task = flags`." in told["explain"]["out"]
    assert "E433" in told["wrong"]["err"]
    assert "gives classes, and `task = flags` learns numbers" in told["wrong"]["err"]
    assert "labels      red, blue" in told["plan"]["out"]
    assert "60 images with 2 labels" in told["data"]["out"]


def test_a_run_measures_and_predicts_it(told: dict[str, Any]) -> None:
    assert 0.4 <= json.loads(told["evaluate"]["out"])["hamming"] <= 1
    assert re.search(r"hamming +0\.", told["runs"]["out"])
    header, (name, red, blue, error) = csv.reader(io.StringIO(told["predict"]["out"]))
    assert header == ["image", "red", "blue", "error"]
    ((packed),) = json.loads(told["packed"]["out"])
    assert packed["labels"] == pytest.approx({"red": float(red), "blue": float(blue)}, abs=1e-5)
    assert (Path(name).name, error) == ("3.png", "")
    assert "scores of the labels: red, blue" in told["export"]["out"]


def test_ftr_new_writes_a_recipe_for_it(told: dict[str, Any]) -> None:
    recipe = (Path(told["new"]["out"].split(":")[0])).read_text()
    assert "task = flags" in recipe
    assert "dense(targets)" in recipe
