"""`ftr tune --sampler pbt` and `--policy`: what they say, what they write, what they do not take."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Ftr
from toy import STAGE, write_recipe

from runtime.runs.folder import locked

PARAMS = """
param lr    = 1e-2 in log(1e-4 .. 1e-1)
param share = 0.2  in 0 .. 0.5
"""


@pytest.fixture
def recipe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with a rate that may change and a dropout that may not, in the current folder."""
    monkeypatch.chdir(tmp_path)
    stages = STAGE.replace(
        "for   = 1 epoch", "for   = 2 epochs\n  optimizer = adam(lr = $lr)\n  monitor = valid.accuracy"
    )
    return write_recipe(tmp_path / "toy.ftr", photos, stages, top=PARAMS, head="[dropout($share), dense(classes)]")


HERE = ("--workers", 0, "--no-fuse")


def test_a_population_is_trained_resumed_and_written_as_a_recipe(recipe: Path, ftr: Ftr) -> None:
    ended = ftr("tune", "toy.ftr", "--sampler", "pbt", "--members", 3, "--for", "0.001 seconds", *HERE)
    assert ended.code == 0
    assert "its time is over" in ended.err
    assert "ftr tune --resume runs/toy-tune-1" in ended.err
    whole = ftr("tune", "--resume", "runs/toy-tune-1", "--write", "best.ftr", *HERE)
    assert whole.code == 0, whole.out + whole.err
    assert "3 members, 2 intervals; `lr` may change after each" in whole.out  # as it began
    assert "`share` stays as it is: it decides `head`, which cannot change while a network trains" in whole.out
    assert "`cosine` is followed in a straight line" in whole.out
    assert "interval 2/2" in whole.out
    assert "wrote best.ftr: ftr run best.ftr" in whole.out
    assert ftr("check", "best.ftr").code == 0
    refused = ftr("tune", "--resume", "runs/toy-tune-1", "--members", 4, *HERE)
    assert refused.code == 2
    assert "E633" in refused.err
    with locked(Path("runs/toy-tune-1")):
        assert "E643" in ftr("tune", "--resume", "runs/toy-tune-1", *HERE).err


def test_a_second_interruption_says_how_to_go_on(recipe: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.workflows.tune.pbt.train_recipe_population", interrupted)
    ended = ftr("tune", "toy.ftr", "--sampler", "pbt", *HERE)
    assert ended.code == 130
    assert ended.err.endswith("interrupted\nto go on: ftr tune --resume runs/toy-tune-1\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sampler", "pbt", "--trials", 3), "have no --trials"),
        (("--policy", "--pruner", "median"), "have no --trials, --pruner"),
        (("--policy", "--sampler", "pbt"), "--policy has no --sampler"),
        (("--trials", 3, "--members", 3), "belong to --sampler pbt"),
        (("--sampler", "pbt", "--metric", "parameters"), "one metric of the validation images"),
    ],
)
def test_what_does_not_go_together_is_said(recipe: Path, ftr: Ftr, words: tuple[object, ...], said: str) -> None:
    refused = ftr("tune", "toy.ftr", *words)
    assert refused.code == 2
    assert said in " ".join(refused.err.split())
