"""`ftr tune`: a whole study of a toy network, killed, resumed, joined, and what it writes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import Ftr
from paths import ROOT
from toy import STAGE, write_recipe

from runtime.runs.lock.file import LOCK, read_lock
from runtime.workflows.tune import search

ONE = STAGE.replace("for   = 1 epoch", "for   = $length\n  optimizer = adam(lr = $lr)")
PARAMS = """
param lr     = 1e-2 in log(1e-4 .. 1e-1)
param length = 1 epoch in 1 epoch .. 3 epochs
"""


@pytest.fixture
def recipe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with a rate and a length to search, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_recipe(tmp_path / "toy.ftr", photos, ONE, top=PARAMS)


def trials(journal: Path) -> list[str]:
    """Return the hashes of the weights of a journal's finished trials, in order; of pruned ones nothing."""
    weights: dict[int, str] = {}
    found = []
    for line in journal.read_text().rpartition("\n")[0].splitlines():
        entry = json.loads(line)
        if "weights" in entry.get("user_attr", {}):
            weights[entry["trial_id"]] = entry["user_attr"]["weights"]
        if entry.get("state") in (1, 2) and "trial_id" in entry:  # complete, pruned
            found.append(weights.get(entry["trial_id"], ""))
    return found


def test_a_study_is_made_resumed_and_written_as_a_recipe_whose_run_is_its_best_trial(recipe: Path, ftr: Ftr) -> None:
    first = ftr("tune", "toy.ftr", "--trials", 2, "--workers", 0)
    assert first.code == 0, first.out
    assert re.search(r"1/2  valid.loss \S+  \d.*  best  lr = 0.01, length = 1 epoch\n", first.out)
    assert "the recipe's own values are lr = 0.01, length = 1 epoch" in first.out
    journal = Path("runs/toy-tune-1/study.journal")
    before = trials(journal)
    again = ftr("tune", "--resume", "runs/toy-tune-1", "--trials", 3, "--workers", 0, "--write", "best.ftr")
    assert again.code == 0, again.out
    assert "3/3" in again.out
    assert "1/3" not in again.out
    assert trials(journal)[: len(before)] == before
    text = Path("best.ftr").read_text()
    assert 'extends "toy.ftr"\n\nparam lr     = ' in text
    assert "The best of 3 trials of `ftr tune toy.ftr` (sampler tpe, pruner median, seed 0)" in text
    assert ftr("tune", "--resume", "runs/toy-tune-1", "--write", "best.ftr").code == 2, "it exists"
    run = ftr("run", "best.ftr", "--workers", 0, "--out", "out", "--quiet")
    assert run.code == 0, run.err
    assert read_lock(Path("out", LOCK)).facts["result", "weights"] in trials(journal)
    refused = ftr("tune", "--resume", "runs/toy-tune-1", "--seed", 4, "--trials", 9)
    assert refused.code == 2
    assert "seed: it has 0, not 4" in refused.err
    assert "`ftr tune --resume runs/toy-tune-1`" in ftr("run", "--resume", "runs/toy-tune-1").err


def test_a_study_of_two_objectives_shows_its_front(recipe: Path, ftr: Ftr) -> None:
    found = ftr("tune", "toy.ftr", "--trials", 1, "--workers", 0, "--metric", "accuracy", "--metric", "parameters")
    assert found.code == 0, found.out
    assert "the Pareto front" in found.out
    counted = re.search(r"parameters ([\d,]+)  ", found.out)
    assert counted is not None
    assert f"{counted[1]} parameters" in ftr("plan", "toy.ftr").out, "without the statistics of norms"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--metric", "test.accuracy", "--trials", 2), "E626"),
        (("--metric", "accurcy", "--trials", 2), "did you mean `accuracy`?"),
        ((), 'say how long to search: --trials 30, or --for "2 hours"'),
        (("--for", "3 epochs"), "as in `2 hours` or `30 minutes`"),
        (("--set", "lr=0.1", "--set", "length=1 epoch", "--trials", 2), "E625"),
        (("--storage", "mysql://x", "--trials", 2), "neither a path nor `postgresql://…`"),
        (("--storage", "nowhere/s.journal", "--trials", 2), "E630"),
        (("--trials", 2, "--write", ".", "--force"), "--write .: this is a folder; name a file"),
        (("--trials", 2, "--write", "nowhere/best.ftr"), "the folder nowhere does not exist"),
        (("--trials", 2, "--write", "toy.ftr", "--force"), "would replace the recipe that they build on"),
        (
            (
                "--sampler",
                "nsga2",
                "--metric",
                "loss",
                "--metric",
                "parameters",
                "--pruner",
                "median",
                "--for",
                "1 hour",
            ),
            "E631",
        ),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_is_written(
    recipe: Path, ftr: Ftr, words: tuple[object, ...], told: str
) -> None:
    found = ftr("tune", "toy.ftr", *words)
    assert found.code == 2, found.err
    assert told in found.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [(), ("--sampler", "pbt"), ("--resume", "runs/toy-tune-1")])
def test_a_recipe_on_standard_input_is_refused_since_what_is_found_builds_on_its_file(
    recipe: Path, ftr: Ftr, words: tuple[object, ...]
) -> None:
    found = ftr("tune", "-", "--trials", 2, *words)
    assert (found.code, "save it" in found.err) == (2, True), found.err


@pytest.mark.parametrize("is_again", [False, True])
def test_an_interruption_says_how_to_go_on_and_which_file_was_edited(
    recipe: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch, is_again: bool
) -> None:
    whole = search.search

    def interrupted(study: Any, trials: Any, found: Any, *_: Any) -> None:
        if is_again:
            raise KeyboardInterrupt
        whole(study, trials, found, search.Limits(1))
        recipe.write_text(f"{recipe.read_text()}# edited\n")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(search, "search", interrupted)
    ended = ftr("tune", "toy.ftr", "--for", "2 hours", "--workers", 0, "--write", "best.ftr")
    said = 'to go on: ftr tune --resume runs/toy-tune-1 --for "7200 seconds"\n'
    assert ended.code == 130
    if is_again:
        assert ended.err.endswith(f"interrupted\n{said}")
    else:
        edited = "toy.ftr was changed during the search: what is written builds on what it says now\n"
        assert ended.err.endswith(f"interrupted; the trials that are finished are kept\n{said}{edited}")


def start(*words: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", "tune", *map(str, words), "--workers", "0"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.long
def test_a_study_that_was_killed_ends_with_the_trials_of_one_that_was_not(recipe: Path) -> None:
    whole = start("toy.ftr", "--trials", 6, "--out", "whole")
    assert whole.wait(300) == 0
    killed = start("toy.ftr", "--trials", 6, "--out", "killed")
    journal = Path("killed/study.journal")
    for count in (1, 3):
        until = time.monotonic() + 120
        while (not journal.exists() or len(trials(journal)) < count) and time.monotonic() < until:
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.wait(30)
        killed = start("--resume", "killed")
    assert killed.wait(300) == 0
    assert trials(journal) == trials(Path("whole/study.journal"))
