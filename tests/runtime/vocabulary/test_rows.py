"""A row alone makes a word: known, checked, explained, advised on, planned, built, and named in a lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from runtime.vocabulary import VOCABULARY


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ftr says and does with the rows of `new_rows.py`, in a process where nothing but the tables was touched."""
    folder = tmp_path_factory.mktemp("rows")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FTR_CACHE": str(folder / "cache")}
    command = [sys.executable, str(Path(__file__).with_name("new_rows.py")), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("signs", "optimizer"),
        ("saw", "schedule"),
        ("flat", "clip"),
        ("harmonic", "rate rule"),
        ("crawl", "recovery"),
        ("patient", "stop"),
        ("fill", "weights"),
    ],
)
def test_a_row_is_explained(told: dict[str, Any], name: str, family: str) -> None:
    assert told["explained"][name].startswith(f"{name}: {VOCABULARY.families[family].noun}\n")


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        ("wrong name", "E203"),
        ("out of range", "E302"),
        ("places fall", "E428"),  # the schedule's `milestones`
        ("rate too high", "W710"),  # the optimizer's `highest_lr`
        ("decays", "W721"),  # the optimizer's `decoupled`
        ("never drops", "W715"),  # the schedule's `period`
        ("never stops", "W716"),  # the stop rule's `patience`
        ("weights elsewhere", "W750"),  # the source's `is_here`
    ],
)
def test_a_row_is_checked_without_a_number_being_computed(told: dict[str, Any], recipe: str, code: str) -> None:
    assert code in told["codes"][recipe]
    assert code not in told["codes"]["right"]
    assert not [each for each in told["codes"]["right"] if each.startswith("E")]
    assert told["loaded to check"] == []


def test_a_row_is_planned(told: dict[str, Any]) -> None:
    assert told["starts from"] == "the base's fill weights, a new head"
    assert told["mean"] == [0.25] * 3
    assert told["scales"][-2:] == [0.5, 1.0]


def test_a_row_is_trained_with(told: dict[str, Any]) -> None:
    """The gradients are made 0.5, of which the optimizer takes the sign, at half of the one rate that is not 0."""
    assert told["rates"] == [0.001, 0, 0]
    assert told["moved"]["base.block1"] == 0
    assert told["moved"]["base.block3"] == pytest.approx(0.0005, rel=1e-3)


def test_a_row_is_in_the_lock(told: dict[str, Any]) -> None:
    assert told["lock"] == ['source = "filled with 0.25"']
