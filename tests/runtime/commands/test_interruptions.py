"""What an interruption says of what is left, before training, in the middle of it, and where nothing ends in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import Ftr
from paths import ROOT
from toy import write_recipe

import runtime
from runtime.training.events import FolderOpened
from runtime.training.stage import Interrupted
from runtime.workflows.run import train


@pytest.fixture
def recipe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_recipe(Path("r.ftr"), photos)


@pytest.mark.parametrize("module", ["click", "runtime.commands.suggestions"])
def test_before_a_command_is_read_nothing_was_done(tmp_path: Path, module: str) -> None:
    """Of click, which the program imports first, and of what answers a command line that is wrong."""
    path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("raise KeyboardInterrupt\n")
    program = f"""
import sys, runtime.__main__ as program
sys.path.insert(0, {str(tmp_path)!r})
if {module!r} != "click":
    import runtime.commands as package
    package.__path__.insert(0, {str(path.parent)!r})
sys.argv = ["ftr", "run", "."]
program.main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (130, "interrupted before anything was done\n")


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), Interrupted(signal.SIGINT)])
def test_before_training_nothing_is_kept(
    ftr: Ftr, recipe: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    def interrupted(*_: object) -> None:
        raise raised

    monkeypatch.setattr("runtime.workflows.run.validate_images", interrupted)
    code, _, err = ftr("run", recipe, "--out", "my run", "--quiet")
    assert code == 130
    said = "interrupted before training began: nothing was kept\nto begin again: ftr run r.ftr --out 'my run' --quiet\n"
    assert err == said
    assert not Path("my run").exists()


@pytest.mark.parametrize(
    ("is_trained", "kept"),
    [
        (False, "has no checkpoint yet: training begins again\nto resume: ftr run --resume run"),
        (True, "and its result is written"),
    ],
)
def test_a_second_interruption_says_what_is_kept(
    ftr: Ftr, recipe: Path, monkeypatch: pytest.MonkeyPatch, is_trained: bool, kept: str
) -> None:
    def interrupted(*args: Any) -> None:
        if is_trained:
            train(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.workflows.run.train", interrupted)
    code, _, err = ftr("run", recipe, "--out", "run", "--quiet")
    assert code == 130
    assert err.startswith("interrupted; ")
    assert kept in err


def test_an_interruption_of_several_seeds_says_how_they_go_on(
    ftr: Ftr, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one, and the first while what resumes is read."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.workflows.seeds.run_seeds", interrupted)
    said = "interrupted; several keeps 0 of 2 runs\nto resume: ftr run --resume several\n"
    assert ftr("run", recipe, "--seeds", 2, "--out", "several", "--quiet")[::2] == (130, said)
    monkeypatch.setattr("runtime.workflows.preparation.prepare", interrupted)
    assert ftr("run", "--resume", "several", "--quiet")[::2] == (130, said)


def test_before_the_first_step_it_says_that_nothing_is_trained(recipe: Path) -> None:
    opened: list[object] = []

    def seen(event: object) -> None:
        if isinstance(event, FolderOpened):
            opened.append(event)

    folder, result = runtime.run(
        runtime.prepare(recipe), "run", workers=0, observers=[seen], should_stop=lambda: bool(opened)
    )
    assert result["status"] == "interrupted"
    assert result["weights"] == 'the weights that stage 1 "head" begins with: no step is trained'
    assert (folder / "model.params").is_file()
